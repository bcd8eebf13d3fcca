CREATE TABLE entities (
    id           TEXT PRIMARY KEY,
    -- The namespace.
    root         TEXT NOT NULL,
    -- 'namespace/package', NULL outside packages.
    package_path TEXT,
    collection   INTEGER NOT NULL,
    updated      INTEGER NOT NULL,
    -- 1 for a published package that is no binding.
    public       INTEGER NOT NULL,
    revision     TEXT NOT NULL,
    body         TEXT NOT NULL
) STRICT;

CREATE INDEX entities_by_root ON entities (root, collection, updated);
CREATE INDEX entities_by_package ON entities (package_path, collection, updated) WHERE package_path IS NOT NULL;
CREATE INDEX entities_public ON entities (root, collection, updated) WHERE public = 1;

-- How many entities a namespace or a package has: counting them would cost as much as there are.
CREATE TABLE entity_counts (
    scope      TEXT NOT NULL,
    collection INTEGER NOT NULL,
    public     INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    PRIMARY KEY (scope, collection, public)
) WITHOUT ROWID, STRICT;

CREATE TRIGGER entities_inserted AFTER INSERT ON entities BEGIN
    INSERT INTO entity_counts VALUES (new.root, new.collection, new.public, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO entity_counts SELECT new.package_path, new.collection, new.public, 1
        WHERE new.package_path IS NOT NULL
        ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER entities_deleted AFTER DELETE ON entities BEGIN
    UPDATE entity_counts SET n = n - 1
        WHERE scope IN (old.root, old.package_path) AND collection = old.collection AND public = old.public;
    DELETE FROM entity_counts
        WHERE scope IN (old.root, old.package_path) AND collection = old.collection AND public = old.public AND n = 0;
END;

CREATE TRIGGER entities_moved AFTER UPDATE ON entities
    WHEN old.collection <> new.collection OR old.public <> new.public BEGIN
    UPDATE entity_counts SET n = n - 1
        WHERE scope IN (old.root, old.package_path) AND collection = old.collection AND public = old.public;
    INSERT INTO entity_counts VALUES (new.root, new.collection, new.public, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO entity_counts SELECT new.package_path, new.collection, new.public, 1
        WHERE new.package_path IS NOT NULL
        ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TABLE attachments (
    name         TEXT PRIMARY KEY,
    -- The entity's id. No foreign key: an attachment is written before the document that refers to it.
    document     TEXT NOT NULL,
    content_type TEXT NOT NULL,
    digest       TEXT NOT NULL,
    bytes        BLOB NOT NULL
) STRICT;

CREATE INDEX attachments_by_document ON attachments (document);

CREATE TABLE subjects (
    subject  TEXT PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

-- One row for each namespace of each subject that is not blocked. Found by uuid alone: keys are compared in constant time.
CREATE TABLE identities (
    subject   TEXT NOT NULL REFERENCES subjects (subject) ON DELETE CASCADE,
    namespace TEXT NOT NULL,
    uuid      TEXT NOT NULL,
    key       TEXT NOT NULL
) STRICT;

CREATE INDEX identities_by_subject ON identities (subject);
CREATE INDEX identities_by_uuid ON identities (uuid);
CREATE INDEX identities_by_namespace ON identities (namespace);

CREATE TABLE limits (
    namespace TEXT PRIMARY KEY,
    document  TEXT NOT NULL
) STRICT;
