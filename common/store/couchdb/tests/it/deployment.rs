//! What is there before the stores serve, and others who use it at the same time.

use oxwhisk_couchdb::{CouchConfig, CouchStores, Lists};
use oxwhisk_store::{EntityQuery, StoreError};
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::samples::{action, all_records, id, me, record};
use crate::server;

async fn why_not(config: &CouchConfig) -> String {
    let stores = CouchStores::new(config).unwrap();
    let Err(StoreError::Unavailable(text)) = stores.prepare().await else { panic!("it must not be ready") };
    assert!(!stores.is_ready());
    text
}

#[tokio::test]
async fn a_missing_database_is_made_only_when_asked_for() {
    let Some(url) = server::url("deployment: missing databases") else { return };
    let config = server::config(&url);
    let text = why_not(&CouchConfig { create: false, ..config.clone() }).await;
    assert!(text.contains(&config.databases.entities) && text.contains("oxwhisk.couchdb.create"), "{text}");
    server::stores(&config).await;
    server::stores(&CouchConfig { create: false, ..config }).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let config = CouchConfig {
        username: Some("me".to_owned()),
        password: Some("very-secret".to_owned().into()),
        ..server::config(&url)
    };
    let text = why_not(&config).await;
    assert!(text.contains(&url) && !text.contains("very-secret"), "{text}");
}

#[tokio::test]
async fn design_documents_that_are_there_stay_as_they_are() {
    let Some(url) = server::url("deployment: design documents") else { return };
    let config = server::config(&url);
    let raw = Raw::new(&config, &config.databases.entities);
    raw.create().await;
    // Somebody else's, in other words and with more in it.
    let map = "function (doc) { if (doc.exec) { emit([doc.namespace, doc.updated], 'theirs'); } }";
    let view = json!({ "map": map, "reduce": "_count" });
    let names = ["actions", "triggers", "rules", "packages", "packages-public", "more"];
    let views: serde_json::Map<String, Value> =
        names.map(|name| (name.to_owned(), view.clone())).into_iter().collect();
    let revision =
        raw.put("_design/whisks.v2.1.0", &json!({ "language": "javascript", "views": views })).await;
    let stores = server::stores(&config).await;
    let found = raw.get("_design/whisks.v2.1.0").await.unwrap();
    assert_eq!((&found["_rev"], &found["views"]["actions"]["map"]), (&json!(revision), &json!(map)));
    stores.entities().put(action("a", 1, &json!("x")), None).await.unwrap();
    let query = EntityQuery::all(oxwhisk_store::Collection::Actions, me());
    assert_eq!(stores.entities().list(&query).await.unwrap().len(), 1);
    server::stores(&config).await;
    assert_eq!(raw.get("_design/whisks.v2.1.0").await.unwrap()["_rev"], json!(revision));
}

#[tokio::test]
async fn a_design_document_that_does_not_serve_is_named_and_not_changed() {
    let Some(url) = server::url("deployment: unfit design documents") else { return };
    let config = server::config(&url);
    let raw = Raw::new(&config, &config.databases.entities);
    raw.create().await;
    let revision = raw.put("_design/whisks.v2.1.0", &json!({ "views": {} })).await;
    let text = why_not(&config).await;
    assert!(text.contains("_design/whisks.v2.1.0") && text.contains("'actions'"), "{text}");
    assert_eq!(raw.get("_design/whisks.v2.1.0").await.unwrap()["_rev"], json!(revision));
}

#[tokio::test]
async fn several_may_get_ready_at_the_same_time() {
    let Some(url) = server::url("deployment: several at once") else { return };
    let config = server::config(&url);
    let (one, other) = (CouchStores::new(&config).unwrap(), CouchStores::new(&config).unwrap());
    let (first, second) = tokio::join!(one.prepare(), other.prepare());
    first.unwrap();
    second.unwrap();
}

#[tokio::test]
async fn two_clusters_share_a_database() {
    let Some(url) = server::url("deployment: two clusters") else { return };
    let config = server::config(&url);
    let (one, other) = (server::stores(&config).await, server::stores(&config).await);
    let first = one.entities().put(action("a", 1, &json!("one")), None).await.unwrap();
    for n in 0..20_i64 {
        let expected = other.entities().get(&id("a")).await.unwrap().unwrap().revision;
        let (mine, theirs) = (action("a", 2 + n, &json!("one")), action("a", 2 + n, &json!("other")));
        let (one, other) = (one.entities(), other.entities());
        let (mine, theirs) = tokio::join!(one.put(mine, Some(&expected)), other.put(theirs, Some(&expected)));
        let (won, lost) = if mine.is_ok() { (mine, theirs) } else { (theirs, mine) };
        assert!(matches!(lost, Err(StoreError::Conflict)), "{lost:?}");
        assert_eq!(one.get(&id("a")).await.unwrap().unwrap().revision, won.unwrap());
    }
    assert!(matches!(one.entities().delete(&id("a"), &first).await, Err(StoreError::Conflict)));
    // Both write the same records.
    let records: Vec<_> = (0..200).map(record).collect();
    let (one, other) = (one.activations(), other.activations());
    let (mine, theirs) = tokio::join!(one.store(&records), other.store(&records));
    mine.unwrap();
    theirs.unwrap();
    assert_eq!(one.count(&all_records()).await.unwrap(), 200);
}

#[tokio::test]
async fn lists_that_may_lag_catch_up() {
    let Some(url) = server::url("deployment: lagging lists") else { return };
    let config = CouchConfig { activation_lists: Lists::Lagging, ..server::config(&url) };
    let store = server::stores(&config).await.activations();
    store.store(&[record(1), record(2)]).await.unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while store.summaries(&all_records()).await.unwrap().len() < 2 {
        assert!(tokio::time::Instant::now() < deadline, "the lists do not catch up");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(store.count(&all_records()).await.unwrap(), 2);
}
