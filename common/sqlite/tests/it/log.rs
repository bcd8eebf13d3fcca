//! The write-ahead log stays small, although nothing checkpoints it on its own.

use oxwhisk_sqlite::{Database, DatabaseError, Schema, Settings, Synchronous};

const SCHEMA: Schema = Schema { steps: &["CREATE TABLE t (a BLOB)"] };

#[tokio::test]
async fn a_busy_file_carries_its_log_over() {
    const PAGES: u64 = 50;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let settings =
        Settings { synchronous: Synchronous::Normal, checkpoint_pages: PAGES as u32, ..Settings::default() };
    let database = Database::open(&path, SCHEMA, &settings).unwrap();
    let written = 4000 * 4096;
    for _ in 0..written / 40_960 {
        database
            .write::<_, DatabaseError, _>(|connection| {
                connection.execute("INSERT INTO t VALUES (zeroblob(40960))", [])?;
                Ok(())
            })
            .await
            .unwrap();
    }
    let log = std::fs::metadata(directory.path().join("test.db-wal")).unwrap().len();
    let file = std::fs::metadata(&path).unwrap().len();
    assert!(log <= 10 * PAGES * 4120, "the log has {log} bytes");
    assert!(file > written / 2, "the file has {file} bytes");
}
