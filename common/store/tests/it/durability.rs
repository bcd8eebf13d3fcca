//! What was acknowledged is there after a SIGKILL.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::{EntityName, EntityPath, FullyQualifiedName};
use oxwhisk_store::sqlite::{SqliteOptions, SqliteStores};
use oxwhisk_store::{ActivationQuery, Collection, EntityDocument, RecordDocument};
use serde_json::json;

/// Tells the test binary that it is the child that writes, and where.
const DIRECTORY: &str = "OXWHISK_STORE_TEST_DIRECTORY";

/// Lines of acknowledged writes after which the child is killed.
const ACKNOWLEDGED: usize = 200;

fn me() -> EntityName {
    EntityName::new("me").unwrap()
}

fn action(n: usize) -> EntityDocument {
    let name = EntityName::new(&format!("a{n}")).unwrap();
    let id = FullyQualifiedName::new(EntityPath::new(me(), None), name);
    EntityDocument {
        id,
        collection: Collection::Actions,
        updated: n as i64,
        body: oxwhisk_core::json::raw(&json!({ "n": n })),
    }
}

fn record(n: usize) -> RecordDocument {
    RecordDocument {
        namespace: me(),
        activation_id: format!("{n:032x}").parse::<ActivationId>().unwrap(),
        start: n as i64,
        filter_name: "a".to_owned(),
        summary: "{}".into(),
        document: format!(r#"{{"n":{n}}}"#).into(),
        origin: None,
    }
}

/// The child: writes until it is killed, and prints a line for each pair of writes that was acknowledged.
async fn write_for_ever(directory: &Path) {
    let stores = SqliteStores::open(directory, &SqliteOptions::default()).unwrap();
    for n in 0.. {
        stores.entities().put(action(n), None).await.unwrap();
        stores.activations().store(&[record(2 * n), record(2 * n + 1)]).await.unwrap();
        say(&format!("acknowledged {n}"));
    }
}

/// Past the capture of the test harness.
fn say(line: &str) {
    use std::io::Write;
    writeln!(std::io::stdout().lock(), "{line}").unwrap();
}

fn spawn_child(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "durability::what_was_acknowledged_survives_a_kill", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        return write_for_ever(Path::new(&directory)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut child = spawn_child(directory.path());
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let acknowledged = lines.filter(|line| line.starts_with("acknowledged")).take(ACKNOWLEDGED).count();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(acknowledged, ACKNOWLEDGED);
    let stores = SqliteStores::open(directory.path(), &SqliteOptions::default()).unwrap();
    for n in 0..acknowledged {
        let stored = stores.entities().get(&action(n).id).await.unwrap().expect("an acknowledged entity");
        assert_eq!(stored.document, action(n));
        for n in [2 * n, 2 * n + 1] {
            let document = stores.activations().get(&me(), record(n).activation_id).await.unwrap();
            assert_eq!(document.as_deref(), Some(&*record(n).document));
        }
    }
    let all = ActivationQuery { namespace: me(), name: None, since: None, upto: None, skip: 0, limit: None };
    let listed = stores.activations().summaries(&all).await.unwrap().len() as u64;
    assert!(listed >= 2 * acknowledged as u64);
    assert_eq!(stores.activations().count(&all).await.unwrap(), listed);
}
