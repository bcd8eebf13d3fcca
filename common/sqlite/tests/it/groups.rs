//! Writes in groups.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use oxwhisk_sqlite::{Database, DatabaseError, Failed, Schema, Settings};
use rusqlite::Connection;

const SCHEMA: Schema = Schema { steps: &["CREATE TABLE t (a INTEGER PRIMARY KEY)"] };

#[derive(Debug, PartialEq)]
enum TestError {
    Refused,
    Database(String),
}

impl From<DatabaseError> for TestError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error.to_string())
    }
}

fn open(directory: &tempfile::TempDir) -> Arc<Database> {
    Arc::new(Database::open(&directory.path().join("test.db"), SCHEMA, &Settings::default()).unwrap())
}

fn insert(connection: &Connection, a: i64) -> Result<(), Failed<TestError>> {
    connection.execute("INSERT INTO t VALUES (?1)", [a])?;
    Ok(())
}

fn all(connection: &Connection) -> Result<Vec<i64>, Failed<TestError>> {
    let mut statement = connection.prepare("SELECT a FROM t ORDER BY a")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Holds the writer until the other writes of a test have been handed in, so that they are one group.
struct Gate(SyncSender<()>);

impl Gate {
    fn close(database: &Arc<Database>) -> Self {
        let (sender, receiver) = sync_channel(1);
        let held = Arc::clone(database);
        tokio::spawn(async move {
            held.write::<(), TestError, _>(move |_| {
                // Opened by a message or by the end of the test.
                let _ = receiver.recv();
                Ok(())
            })
            .await
        });
        Self(sender)
    }
}

#[tokio::test]
async fn a_refused_request_undoes_itself_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory);
    let gate = Gate::close(&database);
    let refused = database.write(|connection| {
        insert(connection, 2)?;
        Err::<(), _>(Failed::Refused(TestError::Refused))
    });
    let failed = database.write(|connection| {
        insert(connection, 3)?;
        insert(connection, 3)
    });
    let first = database.write(|connection| insert(connection, 1));
    let last = database.write(|connection| insert(connection, 4));
    let open_gate = async { gate.0.send(()).unwrap() };
    let (first, refused, failed, last, ()) = tokio::join!(first, refused, failed, last, open_gate);
    assert_eq!((first, refused, last), (Ok(()), Err(TestError::Refused), Ok(())));
    assert!(matches!(failed, Err(TestError::Database(text)) if text.contains("test.db: UNIQUE")));
    assert_eq!(database.read(all).await, Ok(vec![1, 4]));
}

#[tokio::test]
async fn outcomes_are_reported_in_the_order_of_the_writes_and_after_their_commit() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory);
    let order = Arc::new(Mutex::new(Vec::new()));
    let gate = Gate::close(&database);
    let write = |a: i64| {
        let (order, database) = (Arc::clone(&order), Arc::clone(&database));
        async move {
            let report = move |_: &mut Result<(), TestError>| order.lock().unwrap().push(a);
            database.write_then(move |connection| insert(connection, a), report).await?;
            database.read(all).await
        }
    };
    let open_gate = async { gate.0.send(()).unwrap() };
    let (one, two, three, ()) = tokio::join!(write(1), write(2), write(3), open_gate);
    assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
    for (own, seen) in [(1, one), (2, two), (3, three)] {
        assert!(seen.unwrap().contains(&own));
    }
}

#[tokio::test]
async fn what_is_written_behind_is_written_when_the_database_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory);
    database.write_behind(|connection| insert(connection, 7), |_: Result<(), TestError>| ()).unwrap();
    drop(database);
    assert_eq!(open(&directory).read(all).await, Ok(vec![7]));
}

#[tokio::test]
async fn what_is_written_behind_needs_no_company() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory);
    let (sender, written) = tokio::sync::oneshot::channel();
    database
        .write_behind(
            |connection| insert(connection, 7),
            |outcome: Result<(), TestError>| sender.send(outcome).unwrap(),
        )
        .unwrap();
    assert_eq!(written.await, Ok(Ok(())));
    assert_eq!(database.read(all).await, Ok(vec![7]));
}
