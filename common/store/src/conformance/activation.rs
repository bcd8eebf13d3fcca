//! Single records.

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use serde_json::json;

use super::fresh_namespace;
use crate::{ActivationQuery, ActivationStore, RecordDocument};

pub(super) fn record(namespace: &EntityName, filter_name: &str, start: i64) -> RecordDocument {
    let activation_id = ActivationId::generate();
    let summary = json!({ "activationId": activation_id, "start": start });
    let document = json!({ "activationId": activation_id, "start": start, "logs": ["é"] });
    RecordDocument {
        namespace: namespace.clone(),
        activation_id,
        start,
        filter_name: filter_name.to_owned(),
        summary: summary.to_string().into(),
        document: document.to_string().into(),
    }
}

pub(super) fn query(namespace: &EntityName, name: Option<&str>) -> ActivationQuery {
    let name = name.map(str::to_owned);
    ActivationQuery { namespace: namespace.clone(), name, since: None, upto: None, skip: 0, limit: None }
}

pub(super) async fn a_record_reads_as_it_was_written(store: &dyn ActivationStore) {
    let namespace = fresh_namespace();
    let record = record(&namespace, "a", 5);
    store.store(&[]).await.unwrap();
    assert_eq!(store.get(&namespace, record.activation_id).await.unwrap(), None);
    store.store(std::slice::from_ref(&record)).await.unwrap();
    let document = store.get(&namespace, record.activation_id).await.unwrap();
    assert_eq!(document.as_deref(), Some(&*record.document));
    let all = query(&namespace, None);
    assert_eq!(store.documents(&all).await.unwrap(), [&*record.document]);
    assert_eq!(store.summaries(&all).await.unwrap(), [&*record.summary]);
}

pub(super) async fn a_record_written_twice_is_there_once(store: &dyn ActivationStore) {
    let namespace = fresh_namespace();
    let provisional = record(&namespace, "a", 5);
    let last = RecordDocument { document: r#"{"logs":["all"]}"#.into(), ..provisional.clone() };
    store.store(&[provisional.clone(), provisional.clone()]).await.unwrap();
    store.store(std::slice::from_ref(&last)).await.unwrap();
    for query in [query(&namespace, None), query(&namespace, Some("a"))] {
        assert_eq!(store.count(&query).await.unwrap(), 1);
        let from = ActivationQuery { since: Some(5), upto: Some(5), ..query.clone() };
        assert_eq!(store.count(&from).await.unwrap(), 1);
        assert_eq!(store.documents(&query).await.unwrap(), [&*last.document]);
    }
    let document = store.get(&namespace, last.activation_id).await.unwrap();
    assert_eq!(document.as_deref(), Some(&*last.document));
}

pub(super) async fn a_replaced_record_moves_in_its_lists(store: &dyn ActivationStore) {
    let namespace = fresh_namespace();
    let before = record(&namespace, "a", 5);
    let after = RecordDocument { start: 5_000_000, filter_name: "p/a".to_owned(), ..before.clone() };
    store.store(&[before]).await.unwrap();
    store.store(&[after]).await.unwrap();
    let count =
        async |name, upto| store.count(&ActivationQuery { upto, ..query(&namespace, name) }).await.unwrap();
    assert_eq!((count(Some("a"), None).await, count(Some("p/a"), None).await), (0, 1));
    assert_eq!((count(None, Some(6)).await, count(None, None).await), (0, 1));
}

pub(super) async fn an_id_belongs_to_its_namespace(store: &dyn ActivationStore) {
    let (mine, other) = (fresh_namespace(), fresh_namespace());
    let record = record(&mine, "a", 5);
    let same_id = RecordDocument { namespace: other.clone(), document: "{}".into(), ..record.clone() };
    store.store(std::slice::from_ref(&record)).await.unwrap();
    assert_eq!(store.get(&other, record.activation_id).await.unwrap(), None);
    store.store(&[same_id]).await.unwrap();
    let document = store.get(&mine, record.activation_id).await.unwrap();
    assert_eq!(document.as_deref(), Some(&*record.document));
    assert_eq!(store.get(&other, record.activation_id).await.unwrap().as_deref(), Some("{}"));
}

pub(super) async fn existing_records_are_told_from_others(store: &dyn ActivationStore) {
    let (namespace, empty) = (fresh_namespace(), fresh_namespace());
    let (stored, unknown) = (record(&namespace, "a", 5), record(&namespace, "a", 5));
    store.store(std::slice::from_ref(&stored)).await.unwrap();
    let asked = [
        (namespace.clone(), unknown.activation_id),
        (namespace, stored.activation_id),
        (empty, stored.activation_id),
    ];
    assert_eq!(store.existing(&asked).await.unwrap(), [false, true, false]);
    assert_eq!(store.existing(&[]).await.unwrap(), [false; 0]);
}
