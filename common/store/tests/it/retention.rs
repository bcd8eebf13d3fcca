//! Records that are too old go.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_store::sqlite::{SqliteOptions, SqliteStores};
use oxwhisk_store::{ActivationQuery, ActivationStore, RecordDocument};

fn record(start: i64) -> RecordDocument {
    RecordDocument {
        namespace: EntityName::new("me").unwrap(),
        activation_id: ActivationId::generate(),
        start,
        filter_name: "a".to_owned(),
        summary: format!(r#"{{"start":{start}}}"#).into(),
        document: "{}".into(),
        origin: None,
    }
}

fn all() -> ActivationQuery {
    let namespace = EntityName::new("me").unwrap();
    ActivationQuery { namespace, name: None, since: None, upto: None, skip: 0, limit: None }
}

async fn count(store: &dyn ActivationStore) -> (u64, usize) {
    let by_name = ActivationQuery { name: Some("a".to_owned()), ..all() };
    assert_eq!(store.count(&all()).await.unwrap(), store.count(&by_name).await.unwrap());
    (store.count(&all()).await.unwrap(), store.summaries(&all()).await.unwrap().len())
}

#[tokio::test]
async fn only_older_records_are_deleted_and_in_batches() {
    let directory = tempfile::tempdir().unwrap();
    let stores = SqliteStores::open(directory.path(), &SqliteOptions::default()).unwrap();
    let store = stores.sqlite_activations();
    let records: Vec<_> = (0..100).map(|start| record(start * 1000)).collect();
    store.store(&records).await.unwrap();
    assert_eq!(store.delete_before(60_000, 50).await.unwrap(), 50);
    assert_eq!(count(&**store).await, (50, 50));
    assert_eq!(store.delete_before(60_000, 50).await.unwrap(), 10);
    assert_eq!(count(&**store).await, (40, 40));
    assert_eq!(store.delete_before(60_000, 50).await.unwrap(), 0);
    let middle = ActivationQuery { since: Some(0), upto: Some(69_999), ..all() };
    assert_eq!(store.count(&middle).await.unwrap(), 10);
}

#[tokio::test]
async fn the_option_deletes_in_the_background() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        retention: Some(Duration::from_secs(3600)),
        retention_interval: Duration::from_millis(5),
        ..SqliteOptions::default()
    };
    let store = SqliteStores::open(directory.path(), &options).unwrap().activations();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let mut records: Vec<_> = (0..1200).map(|n| record(now - 7_200_000 - n)).collect();
    records.push(record(now));
    store.store(&records).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while count(&*store).await != (1, 1) {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", count(&*store).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
