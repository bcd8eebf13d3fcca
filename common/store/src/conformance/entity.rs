//! Documents, revisions and attachments.

use bytes::Bytes;
use oxwhisk_core::id::Revision;
use oxwhisk_core::name::FullyQualifiedName;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{fresh_namespace, id};
use crate::{AttachmentStore, Collection, EntityDocument, EntityQuery, EntityStore, StoreError, Superseded};

/// A document with the members by which databases tell which collection it is of; `extra` may replace them.
pub(super) fn document(
    id: &FullyQualifiedName,
    collection: Collection,
    updated: i64,
    extra: Value,
) -> EntityDocument {
    let mut body = json!({ "namespace": id.path, "name": id.name, "updated": updated, "é": "ü" });
    let target = json!({ "path": "a", "name": "b" });
    let shape = match collection {
        Collection::Actions => json!({ "entityType": "action", "exec": {}, "parameters": [] }),
        Collection::Triggers => json!({ "entityType": "trigger", "parameters": [] }),
        Collection::Rules => json!({ "entityType": "rule", "trigger": target, "action": target }),
        Collection::Packages => json!({ "entityType": "package", "binding": {}, "parameters": [] }),
    };
    for members in [shape, extra] {
        if let (Some(body), Value::Object(members)) = (body.as_object_mut(), members) {
            body.extend(members);
        }
    }
    EntityDocument { id: id.clone(), collection, updated, body: oxwhisk_core::json::raw(&body) }
}

pub(super) fn action(id: &FullyQualifiedName, code: &str) -> EntityDocument {
    document(id, Collection::Actions, 7, json!({ "exec": { "kind": "nodejs:20", "code": code } }))
}

pub(super) async fn a_document_reads_as_it_was_written(store: &dyn EntityStore) {
    let id = id(&fresh_namespace(), Some("pkg"), "a b@c");
    assert!(store.get(&id).await.unwrap().is_none());
    let revision = store.put(action(&id, "1"), None).await.unwrap();
    let stored = store.get(&id).await.unwrap().expect("the document just written");
    assert_eq!(stored.document, action(&id, "1"));
    assert_eq!(stored.revision, revision);
    assert!(revision.0.starts_with("1-"), "{revision:?}");
}

pub(super) async fn a_body_keeps_its_letters(store: &dyn EntityStore) {
    let id = id(&fresh_namespace(), None, "a");
    let (open, close) = ("[".repeat(900), "]".repeat(900));
    let text = format!(
        r#"{{"namespace":"{}","name":"a","updated":7,"exec":{{}},"z":123456789012345678901234567890,"a":[1e400,-0,1.50,"\ud800\u00e9"],"deep":{open}{close}}}"#,
        id.path
    );
    let body = RawValue::from_string(text.clone()).unwrap();
    let written = EntityDocument { id: id.clone(), collection: Collection::Actions, updated: 7, body };
    store.put(written, None).await.unwrap();
    assert_eq!(store.get(&id).await.unwrap().unwrap().document.body.get(), text);
    let query = EntityQuery::all(Collection::Actions, id.path.namespace.clone());
    assert_eq!(store.list(&query).await.unwrap()[0].body.get(), text);
}

pub(super) async fn a_new_document_must_not_be_there_yet(store: &dyn EntityStore) {
    let id = id(&fresh_namespace(), None, "a");
    store.put(action(&id, "1"), None).await.unwrap();
    let trigger = document(&id, Collection::Triggers, 8, json!({}));
    assert!(matches!(store.put(trigger, None).await, Err(StoreError::Conflict)));
    assert_eq!(store.get(&id).await.unwrap().unwrap().document, action(&id, "1"));
}

pub(super) async fn only_the_revision_last_read_replaces(store: &dyn EntityStore) {
    let id = id(&fresh_namespace(), None, "a");
    let absent = Revision("1-0".to_owned());
    assert!(matches!(store.put(action(&id, "0"), Some(&absent)).await, Err(StoreError::Conflict)));
    let first = store.put(action(&id, "1"), None).await.unwrap();
    let second = store.put(action(&id, "2"), Some(&first)).await.unwrap();
    assert!(second.0.starts_with("2-"), "{second:?}");
    assert!(matches!(store.put(action(&id, "3"), Some(&first)).await, Err(StoreError::Conflict)));
    let stored = store.get(&id).await.unwrap().unwrap();
    assert_eq!((stored.document, stored.revision), (action(&id, "2"), second));
}

pub(super) async fn only_the_revision_last_read_deletes(store: &dyn EntityStore) {
    let id = id(&fresh_namespace(), None, "a");
    let first = store.put(action(&id, "1"), None).await.unwrap();
    let second = store.put(action(&id, "2"), Some(&first)).await.unwrap();
    assert!(matches!(store.delete(&id, &first).await, Err(StoreError::Conflict)));
    store.delete(&id, &second).await.unwrap();
    assert!(store.get(&id).await.unwrap().is_none());
    assert!(matches!(store.delete(&id, &second).await, Err(StoreError::NotFound)));
    let again = store.put(action(&id, "1"), None).await.unwrap();
    assert!(again != first && again != second, "a document made anew must not have a revision it had before");
}

/// The conflict of one writer must not undo what others wrote with it in the same moment.
pub(super) async fn of_concurrent_writers_one_wins(store: &dyn EntityStore) {
    let namespace = fresh_namespace();
    let contested = id(&namespace, None, "contested");
    let own = |n: usize| id(&namespace, None, &format!("own{n}"));
    let writers =
        (0..20).map(|n| {
            let (contested, own) = (contested.clone(), own(n));
            async move {
                (store.put(action(&contested, "x"), None).await, store.put(action(&own, "x"), None).await)
            }
        });
    let outcomes = super::join_all(writers).await;
    let won = outcomes.iter().filter(|(contested, _)| contested.is_ok()).count();
    assert_eq!(won, 1);
    for (n, (contested, own_outcome)) in outcomes.into_iter().enumerate() {
        assert!(matches!(contested, Ok(_) | Err(StoreError::Conflict)), "{contested:?}");
        let stored = store.get(&own(n)).await.unwrap().expect("what was acknowledged");
        assert_eq!(stored.revision, own_outcome.unwrap());
    }
}

/// Bytes of code that no store keeps inline.
const LARGE: usize = 20 * 1024;

pub(super) async fn attachments_live_with_their_document(
    entities: &dyn EntityStore,
    attachments: &dyn AttachmentStore,
) {
    let namespace = fresh_namespace();
    let (mine, other) = (id(&namespace, None, "a"), id(&namespace, None, "b"));
    // Larger than what stores keep in the document itself.
    let bytes = Bytes::from([b"\0code\xff".as_slice(), &[b'x'; LARGE]].concat());
    let stored = attachments.put(&mine, "application/octet-stream", bytes.clone()).await.unwrap();
    assert_eq!(stored.length, 6 + LARGE as u64);
    assert_eq!(stored.digest.len(), "sha-256-".len() + 64);
    assert!(stored.name.contains(':'), "{} names no store", stored.name);
    assert_eq!(attachments.get(&mine, &stored.name).await.unwrap().as_ref(), Some(&bytes));
    assert_eq!(attachments.get(&other, &stored.name).await.unwrap(), None);
    let code = json!({
        "attachmentName": stored.name, "attachmentType": "application/octet-stream",
        "length": stored.length, "digest": stored.digest,
    });
    let with_code = json!({ "exec": { "kind": "nodejs:20", "binary": true, "code": code } });
    let document = document(&mine, Collection::Actions, 7, with_code);
    let first = entities.put(document.clone(), None).await.unwrap();
    assert_eq!(attachments.get(&mine, &stored.name).await.unwrap().as_ref(), Some(&bytes));
    // Another version with the same code.
    let document = EntityDocument { updated: 8, ..document };
    let revision = entities.put(document, Some(&first)).await.unwrap();
    assert_eq!(attachments.get(&mine, &stored.name).await.unwrap(), Some(bytes));
    entities.delete(&mine, &revision).await.unwrap();
    assert_eq!(attachments.get(&mine, &stored.name).await.unwrap(), None);
}

/// A later attachment belongs to a writer whose document is not there yet.
pub(super) async fn pruning_spares_what_came_later(attachments: &dyn AttachmentStore) {
    let namespace = fresh_namespace();
    let (mine, other) = (id(&namespace, None, "a"), id(&namespace, None, "b"));
    let put = async |document| {
        attachments.put(document, "text/plain", Bytes::from_static(&[b'x'; LARGE])).await.unwrap().name
    };
    let (oldest, foreign, old) = (put(&mine).await, put(&other).await, put(&mine).await);
    let (new, next) = (put(&mine).await, put(&mine).await);
    let is_there = async |document, name: &str| attachments.get(document, name).await.unwrap().is_some();
    attachments.prune(&mine, Superseded::Before(&old)).await.unwrap();
    assert_eq!((is_there(&mine, &oldest).await, is_there(&mine, &old).await), (false, true));
    attachments.prune(&mine, Superseded::Through(&old)).await.unwrap();
    assert_eq!((is_there(&mine, &old).await, is_there(&mine, &new).await), (false, true));
    // What is not there says nothing of what came before.
    attachments.prune(&mine, Superseded::Through(&old)).await.unwrap();
    attachments.prune(&mine, Superseded::Through(&foreign)).await.unwrap();
    assert!(is_there(&mine, &new).await && is_there(&mine, &next).await && is_there(&other, &foreign).await);
}
