//! What is written here, as others see it.

use bytes::Bytes;
use oxwhisk_core::entity::Activation;
use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::record::{RecordKind, RecordOrigin};
use oxwhisk_core::subject::{AuthKey, Subject, SubjectNamespace};
use oxwhisk_couchdb::CouchConfig;
use oxwhisk_store::{RecordDocument, StoreError, Superseded};
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::samples::{UPDATED, action, activation, all_records, id, me, record, record_of_size};
use crate::server;

/// Without what CouchDB adds.
fn body(document: &Value) -> Value {
    let mut body = document.clone();
    for member in ["_id", "_rev", "_attachments"] {
        body.as_object_mut().unwrap().remove(member);
    }
    body
}

#[tokio::test]
async fn an_action_has_its_code_beside_it() {
    let Some(url) = server::url("shapes: actions") else { return };
    let config = server::config(&url);
    let (stores, raw) = (server::stores(&config).await, Raw::new(&config, &config.databases.entities));
    let (entities, attachments) = (stores.entities(), stores.attachments());
    let put = async |bytes: &Bytes| {
        attachments.put(&id("a"), "text/plain; charset=UTF-8", bytes.clone()).await.unwrap()
    };
    let code = Bytes::from(vec![b'1'; 20_000]);
    let first = put(&code).await;
    let named = |name: &str| json!({"attachmentName": name, "attachmentType": "text/plain; charset=UTF-8"});
    let document = action("a", 1, &named(&first.name));
    let revision = entities.put(document.clone(), None).await.unwrap();
    let found = raw.get("me%2Fa").await.unwrap();
    assert_eq!((&found["_id"], &found["_rev"]), (&json!("me/a"), &json!(revision.0)));
    assert_eq!(body(&found), serde_json::from_str::<Value>(document.body.get()).unwrap());
    let name = first.name.strip_prefix("couch:").expect("the scheme of CouchDB");
    assert_eq!(found["_attachments"].as_object().unwrap().len(), 1);
    assert_eq!(found["_attachments"][name]["content_type"], "text/plain; charset=UTF-8");
    assert_eq!(found["_attachments"][name]["length"], 20_000);
    assert_eq!(raw.bytes(&format!("me%2Fa/{name}")).await, code);

    // New code takes the place of the old.
    let newer = Bytes::from(vec![b'2'; 30_000]);
    let second = put(&newer).await;
    let revision = entities.put(action("a", 2, &named(&second.name)), Some(&revision)).await.unwrap();
    attachments.prune(&id("a"), Superseded::Before(&second.name)).await.unwrap();
    let found = raw.get("me%2Fa").await.unwrap();
    assert_eq!(found["_attachments"].as_object().unwrap().len(), 1);
    assert_eq!(attachments.get(&id("a"), &first.name).await.unwrap(), None);
    assert_eq!(attachments.get(&id("a"), &second.name).await.unwrap(), Some(newer));

    // Small code goes into the document.
    let small = put(&Bytes::from_static(b"function main(){}")).await;
    assert_eq!(small.name, "mem:ZnVuY3Rpb24gbWFpbigpe30=");
    entities.put(action("a", 3, &named(&small.name)), Some(&revision)).await.unwrap();
    assert!(raw.get("me%2Fa").await.unwrap().get("_attachments").is_none());
    assert_eq!(attachments.get(&id("a"), &small.name).await.unwrap().unwrap(), "function main(){}");
}

#[tokio::test]
async fn a_record_is_a_document_of_openwhisk() {
    let Some(url) = server::url("shapes: records") else { return };
    let config = server::config(&url);
    let (stores, raw) = (server::stores(&config).await, Raw::new(&config, &config.databases.activations));
    let record = record(1_760_000_000_000);
    stores.activations().store(std::slice::from_ref(&record)).await.unwrap();
    let found = raw.get(&format!("me%2F{}", record.activation_id)).await.unwrap();
    let expected = json!({
        "namespace": "me", "name": "hello", "subject": "me", "activationId": record.activation_id,
        "start": 1_760_000_000_000_i64, "end": 1_760_000_000_003_i64, "duration": 3, "version": "0.0.1",
        "response": {"statusCode": 1, "result": {"error": "no"}, "size": 14}, "publish": false,
        "logs": ["2026-01-01T00:00:00.123456789Z stdout: hi"], "updated": UPDATED, "entityType": "activation",
        "annotations": [{"key": "path", "value": "me/hello"}, {"key": "kind", "value": "nodejs:20"}],
    });
    assert_eq!(body(&found), expected);
    assert_eq!(found["_id"], format!("me/{}", record.activation_id));
    for (view, key) in [
        ("whisks.v2.1.0/_view/activations?reduce=false", json!(["me", 1_760_000_000_000_i64])),
        ("whisks-filters.v2.1.1/_view/activations?reduce=false", json!(["me/hello", 1_760_000_000_000_i64])),
        ("activations/_view/byDate", json!(1_760_000_000_000_i64)),
        ("logCleanup/_view/byDateWithLogs", json!(1_760_000_000_000_i64)),
    ] {
        let rows = raw.rows(view).await;
        assert_eq!((rows.len(), &rows[0]["key"]), (1, &key), "{view}");
    }
    let filters = raw.get("_design/snapshotFilters").await.unwrap();
    assert!(filters["filters"]["withoutDeletedAndDesignDocuments"].is_string());
}

/// What is known of a record's run survives the process, and does not show.
#[tokio::test]
async fn another_process_completes_a_record_of_the_same_run() {
    let Some(url) = server::url("shapes: origins") else { return };
    let config = server::config(&url);
    let (one, raw) = (server::stores(&config).await, Raw::new(&config, &config.databases.activations));
    let complete = activation(5);
    let form = |run: u64, logs: bool| {
        let logs = if logs { complete.logs.clone() } else { Vec::new() };
        let record = Activation { logs, ..complete.clone() };
        let origin = RecordOrigin::of(RecordKind::Result, run, &record);
        RecordDocument::from_activation(&record, UPDATED).with_origin(origin)
    };
    one.activations().store(&[form(1, false)]).await.unwrap();
    let path = format!("me%2F{}", complete.activation_id);
    assert_eq!(raw.get(&path).await.unwrap()["oxwhiskOrigin"], "result:0000000000000001:1");
    let other = server::stores(&config).await;
    let store = other.activations();
    for (record, stays) in
        [(form(2, true), form(1, false)), (form(1, true), form(1, true)), (form(1, false), form(1, true))]
    {
        store.store(&[record]).await.unwrap();
        let found = store.get(&me(), complete.activation_id).await.unwrap();
        assert_eq!(found.as_deref(), Some(&*stays.document));
        assert_eq!(store.documents(&all_records()).await.unwrap(), [&*stays.document]);
    }
    assert_eq!(raw.get(&path).await.unwrap()["oxwhiskOrigin"], "result:0000000000000001:2");
}

#[tokio::test]
async fn a_record_of_openwhisk_is_not_written_over() {
    let Some(url) = server::url("shapes: records of others") else { return };
    let config = server::config(&url);
    let (stores, raw) = (server::stores(&config).await, Raw::new(&config, &config.databases.activations));
    let ours = activation(5);
    let theirs = Activation { logs: Vec::new(), ..ours.clone() }.to_document(UPDATED);
    let path = format!("me%2F{}", ours.activation_id);
    let revision = raw.put(&path, &serde_json::from_str(&theirs).unwrap()).await;
    let record = RecordDocument::from_activation(&ours, UPDATED);
    let origin = RecordOrigin::of(RecordKind::Result, 1, &ours);
    stores.activations().store(&[record.with_origin(origin)]).await.unwrap();
    assert_eq!(raw.get(&path).await.unwrap()["_rev"], revision);
}

/// A record whose logs are too many for the server leaves the record without them.
#[tokio::test]
async fn a_completing_record_that_is_too_large_is_refused_alone() {
    let Some(url) = server::url("shapes: large completions") else { return };
    let config = CouchConfig { max_document_bytes: 50_000, ..server::config(&url) };
    let stores = server::stores(&config).await;
    let store = stores.activations();
    let complete = Activation { logs: vec!["x".repeat(60_000)], ..activation(5) };
    let provisional = Activation { logs: Vec::new(), ..complete.clone() };
    let form = |record: &Activation| {
        let origin = RecordOrigin::of(RecordKind::Result, 1, record);
        RecordDocument::from_activation(record, UPDATED).with_origin(origin)
    };
    store.store(&[form(&provisional)]).await.unwrap();
    // Behind a record of another run, so that it is looked at only when that meets what is there.
    let other = form(&provisional).with_origin(RecordOrigin { run: 2, ..form(&provisional).origin.unwrap() });
    let Err(StoreError::Refused(refusals)) = store.store(&[other, form(&complete)]).await else {
        panic!("it must be refused")
    };
    assert_eq!((refusals.len(), refusals[0].origin), (1, form(&complete).origin));
    let shorter = form(&complete).shortened(&refusals[0].reason).unwrap();
    store.store(std::slice::from_ref(&shorter)).await.unwrap();
    let found = store.get(&me(), complete.activation_id).await.unwrap();
    assert_eq!(found.as_deref(), Some(&*shorter.document));
}

#[tokio::test]
async fn a_subject_is_a_document_of_wskadmin() {
    let Some(url) = server::url("shapes: subjects") else { return };
    let config = server::config(&url);
    let (stores, raw) = (server::stores(&config).await, Raw::new(&config, &config.databases.subjects));
    let store = stores.subjects();
    let auth = AuthKey { uuid: "23bc46b1-71f6-4ed5-8c54-816aa4f8c502".to_owned(), key: "k".repeat(64) };
    let namespaces = vec![SubjectNamespace { name: me(), auth: auth.clone() }];
    store.put_subject(&Subject { subject: "subject".to_owned(), blocked: false, namespaces }).await.unwrap();
    let expected = json!({
        "subject": "subject", "blocked": false,
        "namespaces": [{"name": "me", "uuid": auth.uuid, "key": auth.key}],
    });
    assert_eq!(body(&raw.get("subject").await.unwrap()), expected);
    let limits = UserLimits { invocations_per_minute: Some(0), ..UserLimits::default() };
    store.put_limits(&me(), Some(&limits)).await.unwrap();
    assert_eq!(body(&raw.get("me%2Flimits").await.unwrap()), json!({"invocationsPerMinute": 0}));
    let rows = raw.rows("subjects.v2.0.0/_view/identities").await;
    let keys: Vec<&Value> = rows.iter().map(|row| &row["key"]).collect();
    assert_eq!(keys, [&json!([auth.uuid, auth.key]), &json!(["me"])]);
    let value = json!({"_id": "me/limits", "namespace": "me", "uuid": auth.uuid, "key": auth.key});
    assert_eq!(rows[0]["value"], value);
    let blocked = raw.rows("namespaceThrottlings/_view/blockedNamespaces?reduce=false").await;
    assert_eq!(blocked[0]["key"], "me");
    // A name of another kind of document is nobody's.
    assert_eq!(store.subject("me/limits").await.unwrap(), None);
}

#[tokio::test]
async fn what_couchdb_cannot_hold_is_readable_all_the_same() {
    let Some(url) = server::url("shapes: exotic values") else { return };
    let config = server::config(&url);
    let (stores, raw) = (server::stores(&config).await, Raw::new(&config, &config.databases.activations));
    let plain = record(5);
    let document = plain.document.replace(r#""error":"no""#, r#""big":1e400,"half":"\ud800","z":1,"a":2"#);
    let exotic = RecordDocument { document: document.into(), ..plain };
    let others = [record(6), record(7)];
    stores.activations().store(&[others[0].clone(), exotic.clone(), others[1].clone()]).await.unwrap();
    let found = stores.activations().get(&me(), exotic.activation_id).await.unwrap();
    assert_eq!(found.as_deref(), Some(&*exotic.document));
    let found = raw.get(&format!("me%2F{}", exotic.activation_id)).await.unwrap();
    assert_eq!(found["response"]["result"], json!({"big": null, "half": "\u{fffd}", "z": 1, "a": 2}));
    assert_eq!(stores.activations().count(&all_records()).await.unwrap(), 3);
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_alone() {
    let Some(url) = server::url("shapes: large records") else { return };
    let config = CouchConfig { max_document_bytes: 50_000, max_bulk_bytes: 100_000, ..server::config(&url) };
    let stores = server::stores(&config).await;
    let store = stores.activations();
    let sizes = [10_000, 60_000, 40_000, 40_000, 40_000, 10];
    let records: Vec<_> =
        sizes.into_iter().zip(1..).map(|(size, start)| record_of_size(start, size)).collect();
    let Err(StoreError::Refused(refusals)) = store.store(&records).await else {
        panic!("it must be refused")
    };
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].activation_id, records[1].activation_id);
    assert!(refusals[0].reason.contains("50000 bytes"), "{refusals:?}");
    assert_eq!(store.count(&all_records()).await.unwrap(), 5);
    let shorter = records[1].shortened(&refusals[0].reason).unwrap();
    store.store(&[shorter]).await.unwrap();
    assert_eq!(store.count(&all_records()).await.unwrap(), 6);
    let large = action("large", 1, &json!("x".repeat(60_000)));
    let error = stores.entities().put(large, None).await.unwrap_err();
    assert!(matches!(&error, StoreError::TooLarge(text) if text.contains("me/large")), "{error}");
}
