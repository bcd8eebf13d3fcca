-- Attempts travel with their messages, and surplus is parked.
ALTER TABLE "activations" ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "inflight" ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "dead-letters" ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;

CREATE TABLE "activations.parked" (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, payload BLOB NOT NULL, attempt INTEGER NOT NULL
) STRICT;

CREATE INDEX "activations.parked_by_key" ON "activations.parked" (key);
