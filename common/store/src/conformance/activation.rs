//! Single records.

use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::parameters::Parameters;
use oxwhisk_core::version::Version;
use serde_json::Value;

use super::{fresh_namespace, name};
use crate::{ActivationQuery, ActivationStore, RecordDocument};

/// When the records of these checks are written, milliseconds since the epoch.
pub(super) const WRITTEN: i64 = 1_760_000_000_000;

pub(super) fn activation(namespace: &EntityName, filter_name: &str, start: i64) -> Activation {
    let mut annotations = Parameters::new();
    annotations.set("path", &format!("{namespace}/{filter_name}"));
    annotations.set("kind", "nodejs:20");
    Activation {
        namespace: namespace.clone(),
        name: name(filter_name.rsplit('/').next().unwrap_or_default()),
        version: Version::FIRST,
        subject: "me".into(),
        activation_id: ActivationId::generate(),
        start,
        end: start + 3,
        duration: Some(3),
        cause: None,
        response: Response::error(Status::ApplicationError, "é"),
        logs: vec!["2026-01-01T00:00:00.123456789Z stdout: é\u{1b}[0m".to_owned()],
        annotations,
        publish: false,
    }
}

pub(super) fn record(namespace: &EntityName, filter_name: &str, start: i64) -> RecordDocument {
    RecordDocument::from_activation(&activation(namespace, filter_name, start), WRITTEN)
}

/// Summaries may be what a database makes of its documents, so that only their values count.
fn parsed(texts: &[String]) -> Vec<Value> {
    texts.iter().map(|text| serde_json::from_str(text).expect("a JSON text")).collect()
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
    assert_eq!(parsed(&store.summaries(&all).await.unwrap()), parsed(&[record.summary.to_string()]));
}

pub(super) async fn an_id_belongs_to_its_namespace(store: &dyn ActivationStore) {
    let (mine, other) = (fresh_namespace(), fresh_namespace());
    let activation = activation(&mine, "a", 5);
    let same_id = Activation { namespace: other.clone(), logs: Vec::new(), ..activation.clone() };
    let record = RecordDocument::from_activation(&activation, WRITTEN);
    let same_id = RecordDocument::from_activation(&same_id, WRITTEN);
    store.store(std::slice::from_ref(&record)).await.unwrap();
    assert_eq!(store.get(&other, record.activation_id).await.unwrap(), None);
    store.store(std::slice::from_ref(&same_id)).await.unwrap();
    let document = store.get(&mine, record.activation_id).await.unwrap();
    assert_eq!(document.as_deref(), Some(&*record.document));
    let document = store.get(&other, record.activation_id).await.unwrap();
    assert_eq!(document.as_deref(), Some(&*same_id.document));
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
