//! Databases row by row. They may hold other data, so the checks look for their own rows.

use serde_json::{Value, json};

use super::activation::record;
use super::entity::action;
use super::subject::{new_key, new_subject};
use super::{fresh_namespace, id};
use crate::{
    ActivationStore, ContentsQuery, DatabaseContents, EntityStore, StoreError, SubjectStore, ViewName,
};

/// All rows, read in small pages, each of them once.
async fn rows(contents: &dyn DatabaseContents, documents: bool) -> Vec<Value> {
    const PAGE: u64 = 3;
    let mut query = ContentsQuery::primary(documents, PAGE);
    let mut rows: Vec<Value> = Vec::new();
    loop {
        let page = contents.contents(&query).await.unwrap();
        rows.extend(page.iter().map(|row| serde_json::from_str::<Value>(row).unwrap()));
        if page.len() < usize::try_from(PAGE).unwrap() {
            break;
        }
        query.after = page.last().cloned();
    }
    let mut ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "a row came twice: {ids:?}");
    rows
}

/// The rows of these ids: with their documents when asked for, else without.
async fn rows_of(contents: &dyn DatabaseContents, ids: &[String]) -> Vec<Value> {
    let is_ours = |row: &Value| ids.iter().any(|id| row["id"] == id.as_str());
    let mut found = Vec::new();
    for documents in [false, true] {
        let mut rows: Vec<Value> = rows(contents, documents).await.into_iter().filter(is_ours).collect();
        rows.sort_by_key(|row| ids.iter().position(|id| row["id"] == id.as_str()));
        assert_eq!(rows.len(), ids.len());
        assert!(rows.iter().all(|row| row["key"] == row["id"] && row["value"].is_object()), "{rows:?}");
        assert!(rows.iter().all(|row| row["doc"].is_object() == documents), "{rows:?}");
        found = rows;
    }
    assert!(found.iter().all(|row| row["doc"]["_id"] == row["id"]), "{found:?}");
    found
}

async fn has_no_view_of_that_name(contents: &dyn DatabaseContents) {
    let view = ViewName { design: "nobody".to_owned(), view: "knows".to_owned() };
    let query = ContentsQuery { view: Some(view), ..ContentsQuery::primary(false, 1) };
    assert!(matches!(contents.contents(&query).await, Err(StoreError::NotFound)));
}

pub(super) async fn of_entities(store: &dyn EntityStore, contents: &dyn DatabaseContents) {
    let namespace = fresh_namespace();
    let ids: Vec<_> = (0..5).map(|n| id(&namespace, Some("p"), &format!("a{n}"))).collect();
    let mut revisions = Vec::new();
    for id in &ids {
        revisions.push(store.put(action(id, "x"), None).await.unwrap());
    }
    let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows = rows_of(contents, &texts).await;
    for (row, revision) in rows.iter().zip(&revisions) {
        assert_eq!(row["value"], json!({ "rev": revision.0 }));
        assert_eq!(row["doc"]["_rev"], revision.0.as_str());
        assert_eq!(row["doc"]["exec"]["code"], "x");
    }
    has_no_view_of_that_name(contents).await;
}

pub(super) async fn of_activations(store: &dyn ActivationStore, contents: &dyn DatabaseContents) {
    let (one, other) = (fresh_namespace(), fresh_namespace());
    let records: Vec<_> = (0..5).flat_map(|n| [record(&one, "a", n), record(&other, "a", n)]).collect();
    store.store(&records).await.unwrap();
    let texts: Vec<String> =
        records.iter().map(|record| format!("{}/{}", record.namespace, record.activation_id)).collect();
    let rows = rows_of(contents, &texts).await;
    for (row, record) in rows.iter().zip(&records) {
        assert_eq!(row["doc"]["activationId"], record.activation_id.to_string());
    }
    has_no_view_of_that_name(contents).await;
}

pub(super) async fn of_subjects(store: &dyn SubjectStore, contents: &dyn DatabaseContents) {
    let mut texts = Vec::new();
    for _ in 0..3 {
        let (namespace, key) = (fresh_namespace(), new_key());
        let subject = new_subject(&[(&namespace, &key)]);
        store.put_subject(&subject).await.unwrap();
        store.put_limits(&namespace, Some(&oxwhisk_core::limits::UserLimits::default())).await.unwrap();
        texts.extend([subject.subject, format!("{namespace}/limits")]);
    }
    let rows = rows_of(contents, &texts).await;
    assert_eq!(rows[0]["doc"]["subject"], texts[0].as_str());
    has_no_view_of_that_name(contents).await;
}
