-- Numbers for what records are listed by: a namespace (filter '') or a name in a namespace.
CREATE TABLE keys (
    id        INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    filter    TEXT NOT NULL,
    UNIQUE (namespace, filter)
) STRICT;

-- The summary stands before the document, so that lists need not walk through the pages of a long document.
CREATE TABLE records (
    seq           INTEGER PRIMARY KEY,
    namespace_key INTEGER NOT NULL,
    filter_key    INTEGER NOT NULL,
    start         INTEGER NOT NULL,
    id            BLOB NOT NULL,
    summary       TEXT NOT NULL,
    document      TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX records_by_id ON records (id, namespace_key);
CREATE INDEX records_by_namespace ON records (namespace_key, start);
CREATE INDEX records_by_filter ON records (filter_key, start);

-- How many records of a key start in a stretch of time; widths by level as in `buckets.rs`.
CREATE TABLE counters (
    key    INTEGER NOT NULL,
    level  INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (key, level, bucket)
) WITHOUT ROWID, STRICT;
