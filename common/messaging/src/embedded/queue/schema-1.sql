-- A table for each topic, so that its order is the order of its primary key. Ids are given by the program and grow.
CREATE TABLE "activations" (id INTEGER PRIMARY KEY, key TEXT NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE "inflight" (id INTEGER PRIMARY KEY, key TEXT NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE "dead-letters" (id INTEGER PRIMARY KEY, key TEXT NOT NULL, payload BLOB NOT NULL) STRICT;

CREATE INDEX "activations_by_key" ON "activations" (key);
CREATE INDEX "inflight_by_key" ON "inflight" (key);
CREATE INDEX "dead-letters_by_key" ON "dead-letters" (key);
