//! Versions of files.

use oxwhisk_sqlite::{Database, DatabaseError, OpenError, Schema, Settings};

const FIRST: Schema = Schema { steps: &["CREATE TABLE t (a INTEGER)"] };
const SECOND: Schema =
    Schema { steps: &["CREATE TABLE t (a INTEGER)", "ALTER TABLE t ADD COLUMN b INTEGER"] };

fn columns(database: &Database) -> i64 {
    let count = |connection: &rusqlite::Connection| {
        Ok(connection.query_row("SELECT count(*) FROM pragma_table_info('t')", [], |row| row.get(0))?)
    };
    database.read_now::<_, DatabaseError, _>(count).unwrap()
}

#[test]
fn an_older_file_is_migrated_and_a_newer_one_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let open = |schema| Database::open(&path, schema, &Settings::default());
    assert_eq!(columns(&open(FIRST).unwrap()), 1);
    assert_eq!(columns(&open(FIRST).unwrap()), 1);
    assert_eq!(columns(&open(SECOND).unwrap()), 2);
    let error = open(FIRST).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error}");
    assert!(error.to_string().ends_with("test.db has schema version 2; this program knows versions up to 1"));
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    drop(Database::open(&path, FIRST, &Settings::default()).unwrap());
    let broken = Schema { steps: &["", "ALTER TABLE t ADD COLUMN b INTEGER; CREATE NONSENSE"] };
    assert!(matches!(
        Database::open(&path, broken, &Settings::default()),
        Err(OpenError::Unavailable { .. })
    ));
    assert_eq!(columns(&Database::open(&path, FIRST, &Settings::default()).unwrap()), 1);
}
