//! Where records come from is known after a restart, and of records that earlier versions stored it is not.

use std::path::Path;

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::record::{RecordKind, RecordOrigin};
use oxwhisk_store::RecordDocument;
use oxwhisk_store::sqlite::{SqliteOptions, SqliteStores};

fn record(id: ActivationId, run: u64, version: u32) -> RecordDocument {
    RecordDocument {
        namespace: EntityName::new("me").unwrap(),
        activation_id: id,
        start: 1,
        filter_name: "a".to_owned(),
        summary: "{}".into(),
        document: format!(r#"{{"run":{run},"version":{version}}}"#).into(),
        origin: Some(RecordOrigin { kind: RecordKind::Result, run, version }),
    }
}

/// As a process of its own; answers the document that stays.
async fn store(directory: &Path, record: &RecordDocument) -> String {
    let stores = SqliteStores::open(directory, &SqliteOptions::default()).unwrap();
    let activations = stores.activations();
    activations.store(std::slice::from_ref(record)).await.unwrap();
    activations.get(&record.namespace, record.activation_id).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_same_run_completes_its_record_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let id = ActivationId::generate();
    // The largest run has its sign bit set in the file.
    let (provisional, complete) = (record(id, u64::MAX, 1), record(id, u64::MAX, 2));
    assert_eq!(store(directory.path(), &provisional).await, &*provisional.document);
    assert_eq!(store(directory.path(), &record(id, 1, 9)).await, &*provisional.document);
    assert_eq!(store(directory.path(), &complete).await, &*complete.document);
    assert_eq!(store(directory.path(), &provisional).await, &*complete.document);
}

#[tokio::test]
async fn a_file_of_an_earlier_version_keeps_its_records() {
    let directory = tempfile::tempdir().unwrap();
    let old = record(ActivationId::generate(), 1, 1);
    store(directory.path(), &old).await;
    // The file as the first version had it.
    let file = rusqlite::Connection::open(directory.path().join("activations.db")).unwrap();
    file.execute_batch(
        "ALTER TABLE records DROP COLUMN run; ALTER TABLE records DROP COLUMN version; PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(file);
    assert_eq!(store(directory.path(), &record(old.activation_id, 1, 2)).await, &*old.document);
    let new = record(ActivationId::generate(), 1, 1);
    store(directory.path(), &new).await;
    let complete = record(new.activation_id, 1, 2);
    assert_eq!(store(directory.path(), &complete).await, &*complete.document);
}
