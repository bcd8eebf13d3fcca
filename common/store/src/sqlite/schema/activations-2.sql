-- Which run gave the record, and how complete it is: the same run may complete it. NULL: nothing does.
ALTER TABLE records ADD COLUMN run INTEGER;
ALTER TABLE records ADD COLUMN version INTEGER;
