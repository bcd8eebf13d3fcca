//! A network and a server that go wrong.

use std::time::Duration;

use bytes::Bytes;
use oxwhisk_couchdb::{CouchConfig, CouchStores, Retries};
use oxwhisk_store::StoreError;
use serde_json::json;

use crate::proxy::{Fault, Proxy};
use crate::samples::{action, all_records, id, me, record};
use crate::server;

const ATTEMPTS: u32 = 3;

/// Stores behind a proxy that has not begun to go wrong.
async fn behind_a_proxy(url: &str) -> (CouchStores, Proxy) {
    let proxy = Proxy::before(url).await;
    let retries = Retries {
        attempts: ATTEMPTS,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
        ..Retries::default()
    };
    let config = CouchConfig { retries, ..server::config(&proxy.url) };
    (server::stores(&config).await, proxy)
}

/// Stores that do not wait long for an answer.
async fn impatient(url: &str) -> (CouchStores, Proxy) {
    let proxy = Proxy::before(url).await;
    let config = server::config(&proxy.url);
    server::stores(&config).await;
    let retries = Retries { attempts: ATTEMPTS, first_pause: Duration::from_millis(1), ..Retries::default() };
    let config = CouchConfig { request_timeout: Duration::from_millis(1500), retries, ..config };
    (CouchStores::new(&config).unwrap(), proxy)
}

fn answer(status: u16) -> Fault {
    Fault::Answer { status, body: "<html>not from CouchDB</html>" }
}

fn passing() -> Vec<Fault> {
    vec![
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::CutWithin,
        answer(500),
        answer(503),
        answer(429),
        answer(404),
        answer(200),
    ]
}

#[tokio::test]
async fn records_are_stored_through_every_fault_that_passes() {
    let Some(url) = server::url("faults: records") else { return };
    let (stores, proxy) = behind_a_proxy(&url).await;
    let store = stores.activations();
    let mut stored = 0;
    for fault in passing() {
        let records: Vec<_> = (0..20).map(record).collect();
        proxy.next("_bulk_docs", [fault.clone()]);
        store.store(&records).await.unwrap();
        assert_eq!(proxy.seen("_bulk_docs"), 2, "{fault:?}");
        stored += records.len() as u64;
        assert_eq!(store.count(&all_records()).await.unwrap(), stored, "{fault:?}");
        let ids: Vec<_> = records.iter().map(|record| (me(), record.activation_id)).collect();
        assert_eq!(store.existing(&ids).await.unwrap(), vec![true; records.len()], "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let Some(url) = server::url("faults: hanging") else { return };
    let (stores, proxy) = impatient(&url).await;
    let records: Vec<_> = (0..20).map(record).collect();
    proxy.next("_bulk_docs", [Fault::HangAfter]);
    stores.activations().store(&records).await.unwrap();
    proxy.always("GET", Fault::HangAfter);
    let error = stores.entities().get(&id("a")).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.contains("no answer within 1.5s")),
        "{error}"
    );
    assert_eq!(proxy.seen("GET"), ATTEMPTS as usize);
}

#[tokio::test]
async fn an_entity_whose_answer_was_lost_is_there_once_and_known() {
    let Some(url) = server::url("faults: entities") else { return };
    let (stores, proxy) = behind_a_proxy(&url).await;
    let store = stores.entities();
    for (n, fault) in passing().into_iter().enumerate() {
        let name = format!("a{n}");
        proxy.next("PUT", [fault.clone()]);
        let first = store.put(action(&name, 1, &json!("1")), None).await.unwrap();
        assert_eq!(store.get(&id(&name)).await.unwrap().unwrap().revision, first, "{fault:?}");
        proxy.next("PUT", [fault.clone()]);
        let second = store.put(action(&name, 2, &json!("2")), Some(&first)).await.unwrap();
        assert!(second.0.starts_with("2-"), "{fault:?} {second:?}");
        // Somebody else's document is a conflict even if the first answer was lost.
        proxy.next("PUT", [fault.clone()]);
        let conflict = store.put(action(&name, 3, &json!("3")), Some(&first)).await;
        assert!(matches!(conflict, Err(StoreError::Conflict)), "{fault:?} {conflict:?}");
        proxy.next("DELETE", [fault.clone()]);
        store.delete(&id(&name), &second).await.unwrap();
        assert!(store.get(&id(&name)).await.unwrap().is_none(), "{fault:?}");
    }
}

#[tokio::test]
async fn code_is_written_with_its_document_or_not_at_all() {
    let Some(url) = server::url("faults: code") else { return };
    let (stores, proxy) = behind_a_proxy(&url).await;
    let (entities, attachments) = (stores.entities(), stores.attachments());
    let code = Bytes::from(vec![b'x'; 100_000]);
    for (n, fault) in passing().into_iter().enumerate() {
        let name = format!("a{n}");
        let stored = attachments.put(&id(&name), "text/plain", code.clone()).await.unwrap();
        let named = json!({"attachmentName": stored.name, "attachmentType": "text/plain"});
        proxy.next("PUT", [fault.clone()]);
        entities.put(action(&name, 1, &named), None).await.unwrap();
        // Nothing about bytes shows that they are somebody else's: their reader has their digest.
        let is_plain = fault != answer(200);
        proxy.next("GET", is_plain.then_some(fault.clone()));
        assert_eq!(attachments.get(&id(&name), &stored.name).await.unwrap(), Some(code.clone()), "{fault:?}");
    }
    let stored = attachments.put(&id("lost"), "text/plain", code.clone()).await.unwrap();
    let document = action("lost", 1, &json!({"attachmentName": stored.name, "attachmentType": "text/plain"}));
    proxy.always("PUT", answer(503));
    assert!(matches!(entities.put(document.clone(), None).await, Err(StoreError::Unavailable(_))));
    assert_eq!(proxy.seen("PUT"), ATTEMPTS as usize);
    assert!(entities.get(&id("lost")).await.unwrap().is_none());
    // It is still staged.
    proxy.next("PUT", []);
    entities.put(document, None).await.unwrap();
    assert_eq!(attachments.get(&id("lost"), &stored.name).await.unwrap(), Some(code));
}

#[tokio::test]
async fn retries_are_bounded_and_say_what_was_wrong() {
    let Some(url) = server::url("faults: bounds") else { return };
    let (stores, proxy) = behind_a_proxy(&url).await;
    let address = proxy.url.clone();
    for (fault, part) in [
        (answer(503), "503 Service Unavailable"),
        (answer(429), "429"),
        (answer(200), "no such JSON"),
        (Fault::Answer { status: 200, body: r#"{"rows":7}"# }, "no such JSON"),
        (Fault::Answer { status: 200, body: r#"[{"ok":true}]"# }, ""),
        (Fault::CutBefore, ""),
        (Fault::CutWithin, ""),
    ] {
        proxy.always("", fault.clone());
        let outcomes = [
            stores.activations().store(&[record(1), record(2)]).await,
            stores.activations().summaries(&all_records()).await.map(drop),
            stores.subjects().identities(&me()).await.map(drop),
        ];
        for outcome in outcomes {
            let Err(StoreError::Unavailable(text)) = outcome else { panic!("{fault:?}: {outcome:?}") };
            assert!(text.contains(part) && text.contains(&address), "{fault:?}: {text}");
            assert!(text.contains(&format!("asked {ATTEMPTS} times")), "{fault:?}: {text}");
        }
        assert_eq!(proxy.seen("_bulk_docs"), ATTEMPTS as usize, "{fault:?}");
    }
}

#[tokio::test]
async fn faults_that_last_are_not_asked_again() {
    let Some(url) = server::url("faults: lasting ones") else { return };
    let (stores, proxy) = behind_a_proxy(&url).await;
    for (status, body, part) in [
        (401, r#"{"error":"unauthorized","reason":"Name or password is incorrect."}"#, "refuses"),
        (403, r#"{"error":"forbidden","reason":"You are not allowed to access this db."}"#, "refuses"),
        (404, r#"{"error":"not_found","reason":"Database does not exist."}"#, "has no database"),
    ] {
        proxy.always("", Fault::Answer { status, body });
        let Err(StoreError::Unavailable(text)) = stores.activations().store(&[record(1)]).await else {
            panic!("{status}")
        };
        assert!(text.contains(part) && text.contains("_activations'") && text.contains(&proxy.url), "{text}");
        assert_eq!(proxy.seen("_bulk_docs"), 1);
    }
}

#[tokio::test]
async fn one_record_that_is_not_taken_does_not_hold_up_the_others() {
    let Some(url) = server::url("faults: partial failures") else { return };
    let (stores, proxy) = behind_a_proxy(&url).await;
    let store = stores.activations();
    let records: Vec<_> = (0..3).map(record).collect();
    // What CouchDB says of each: done, not allowed, not now.
    let outcomes = r#"[{"ok":true,"id":"x","rev":"1-a"},{"id":"x","error":"forbidden","reason":"no"},
        {"id":"x","error":"internal_server_error","reason":"busy"}]"#;
    proxy.next("_bulk_docs", [Fault::Answer { status: 201, body: outcomes }]);
    let Err(StoreError::Refused(refusals)) = store.store(&records).await else {
        panic!("it must be refused")
    };
    assert_eq!(refusals.len(), 1);
    assert_eq!(
        (refusals[0].activation_id, refusals[0].reason.as_str()),
        (records[1].activation_id, "forbidden: no")
    );
    assert_eq!(proxy.seen("_bulk_docs"), 2);
    assert!(store.get(&me(), records[2].activation_id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_batch_that_is_refused_as_a_whole_is_taken_in_parts() {
    let Some(url) = server::url("faults: refused batches") else { return };
    let (stores, proxy) = behind_a_proxy(&url).await;
    let store = stores.activations();
    let records: Vec<_> = (0..8).map(record).collect();
    let refused = || Fault::Answer { status: 413, body: r#"{"error":"document_too_large","reason":"me/x"}"# };
    proxy.next("_bulk_docs", [refused(), refused(), refused(), refused()]);
    let Err(StoreError::Refused(refusals)) = store.store(&records).await else {
        panic!("it must be refused")
    };
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert!(refusals[0].reason.contains("document_too_large"), "{refusals:?}");
    assert_eq!(store.count(&all_records()).await.unwrap(), 7);
}
