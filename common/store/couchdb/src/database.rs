//! One database: its documents and views.

mod query;

use std::sync::Arc;

use bytes::Bytes;
use oxwhisk_core::id::Revision;
use oxwhisk_core::json::raw;
use oxwhisk_store::StoreError;
use reqwest::{Method, StatusCode};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::client::{Answer, Call, Client, Rejection};
use crate::document::Document;

pub(crate) use query::{Freshness, View, ViewQuery};

#[derive(Clone, Debug)]
pub(crate) struct Database {
    client: Arc<Client>,
    name: String,
}

/// A row of a view or of the primary index.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    /// Absent in rows about keys that are not there.
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) value: Option<Box<RawValue>>,
    /// `null` where there is none; PouchDB Server leaves it out.
    #[serde(default)]
    pub(crate) doc: Option<Box<RawValue>>,
}

impl Row {
    /// In an answer about keys: there is a document, and it is not deleted.
    pub(crate) fn is_there(&self) -> bool {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Value {
            deleted: bool,
        }

        let value = self.value.as_deref().map(RawValue::get);
        let is_deleted = |value| serde_json::from_str::<Value>(value).is_ok_and(|value| value.deleted);
        self.id.is_some() && value.is_some_and(|value| value != "null" && !is_deleted(value))
    }

    /// The row's document, unless there is none or it is deleted.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub(crate) fn document(&self) -> Result<Option<Document>, StoreError> {
        self.doc.as_deref().map_or(Ok(None), Document::read)
    }
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct RawRows {
    rows: Vec<Box<RawValue>>,
}

/// What became of one write.
#[derive(Debug)]
pub(crate) enum Written {
    Done(Revision),
    /// It is not of the revision that was expected. `again`: the document there may be ours, from an attempt whose
    /// answer was lost.
    Conflict {
        again: bool,
    },
    /// It is larger than the server takes.
    TooLarge(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    Done,
    Missing,
    /// As for [`Written::Conflict`].
    Conflict {
        again: bool,
    },
}

/// What became of one document of many.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BulkOutcome {
    pub(crate) id: String,
    pub(crate) error: Option<String>,
    pub(crate) reason: Option<String>,
}

/// What became of many.
#[derive(Debug)]
pub(crate) enum BulkWritten {
    /// One for each document, in their order.
    Each(Vec<BulkOutcome>),
    /// Nothing was taken, since something in it is unacceptable: too large, or no JSON to this server.
    Refused(String),
}

/// The body of a bulk request. Documents go into it as the texts that they are.
#[derive(Serialize)]
struct Documents<'a> {
    docs: &'a [&'a RawValue],
}

/// About a database.
#[derive(Deserialize)]
struct Information {
    #[expect(dead_code, reason = "it is there in answers of a CouchDB and in no others")]
    db_name: String,
}

#[derive(Deserialize)]
struct Accepted {
    rev: String,
}

impl Database {
    pub(crate) fn new(client: Arc<Client>, name: &str) -> Self {
        Self { client, name: name.to_owned() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn at(&self, method: Method) -> Call {
        Call::new(method, &self.name)
    }

    pub(crate) async fn exists(&self) -> Result<bool, StoreError> {
        let call = self.at(Method::GET).whether_database_is_there();
        let read = |answer: &Answer| match answer.status {
            StatusCode::NOT_FOUND if answer.is_database_missing() => Ok(false),
            status if status.is_success() => answer.read().map(|Information { .. }| true),
            _ => Err(answer.unexpected()),
        };
        self.client.call(&call, read).await
    }

    /// Somebody else may do so at the same time.
    pub(crate) async fn create(&self) -> Result<(), StoreError> {
        let read = |answer: &Answer| match answer.status {
            // "file_exists": somebody was quicker.
            StatusCode::PRECONDITION_FAILED => Ok(()),
            status if status.is_success() => answer.read().map(|IgnoredAny| ()),
            _ => Err(answer.unexpected()),
        };
        self.client.call(&self.at(Method::PUT), read).await
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<Document>, StoreError> {
        self.client.call(&self.at(Method::GET).name(id), read_document).await
    }

    /// `name` is without `_design/`.
    pub(crate) async fn design(&self, name: &str) -> Result<Option<Document>, StoreError> {
        self.client.call(&self.at(Method::GET).path("_design").name(name), read_document).await
    }

    /// `false` when it was there already.
    pub(crate) async fn put_design(&self, name: &str, body: Box<RawValue>) -> Result<bool, StoreError> {
        let call = self.at(Method::PUT).path("_design").name(name).json_value(body);
        let read = |answer: &Answer| match answer.status {
            StatusCode::CONFLICT => Ok(false),
            status if status.is_success() => answer.read().map(|Accepted { .. }| true),
            _ => Err(answer.unexpected()),
        };
        self.client.call(&call, read).await
    }

    /// `body` is the whole document.
    pub(crate) async fn put(
        &self,
        id: &str,
        body: Box<RawValue>,
        is_large: bool,
    ) -> Result<Written, StoreError> {
        let call = self.at(Method::PUT).name(id).json_value(body);
        let call = if is_large { call.slow() } else { call };
        let read = |answer: &Answer| match answer.status {
            StatusCode::CONFLICT => Ok(Written::Conflict { again: answer.again }),
            StatusCode::PAYLOAD_TOO_LARGE => Ok(Written::TooLarge(answer.fault().reason)),
            status if status.is_success() => {
                answer.read().map(|Accepted { rev }| Written::Done(Revision(rev)))
            }
            _ => Err(answer.unexpected()),
        };
        self.client.call(&call, read).await
    }

    pub(crate) async fn delete(&self, id: &str, revision: &Revision) -> Result<Deleted, StoreError> {
        let call = self.at(Method::DELETE).name(id).query("rev", &revision.0);
        let read = |answer: &Answer| match answer.status {
            // An attempt whose answer was lost has deleted it.
            StatusCode::NOT_FOUND if answer.again => Ok(Deleted::Done),
            StatusCode::NOT_FOUND => Ok(Deleted::Missing),
            StatusCode::CONFLICT => Ok(Deleted::Conflict { again: answer.again }),
            status if status.is_success() => answer.read().map(|Accepted { .. }| Deleted::Done),
            _ => Err(answer.unexpected()),
        };
        let deleted = self.client.call(&call, read).await?;
        // PouchDB Server calls a document that is deleted already a conflict, where CouchDB calls it missing.
        match deleted {
            Deleted::Conflict { again } if self.get(id).await?.is_none() => {
                Ok(if again { Deleted::Done } else { Deleted::Missing })
            }
            deleted => Ok(deleted),
        }
    }

    pub(crate) async fn attachment(&self, id: &str, name: &str) -> Result<Option<Bytes>, StoreError> {
        let call = self.at(Method::GET).name(id).name(name).slow();
        let read = |answer: &Answer| match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer.body.clone())),
            _ => Err(answer.unexpected()),
        };
        self.client.call(&call, read).await
    }

    /// `documents` are whole documents.
    pub(crate) async fn bulk(&self, documents: &[&RawValue]) -> Result<BulkWritten, StoreError> {
        let body = raw(&Documents { docs: documents });
        let call = self.at(Method::POST).path("_bulk_docs").json_value(body).write();
        let count = documents.len();
        let read = |answer: &Answer| match answer.status {
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => {
                let fault = answer.fault();
                Ok(BulkWritten::Refused(format!("{} {}: {}", answer.status, fault.error, fault.reason)))
            }
            status if status.is_success() => {
                let outcomes: Vec<BulkOutcome> = answer.read()?;
                if outcomes.len() != count {
                    let reason = format!("it said of {} documents what became of {count}", outcomes.len());
                    return Err(Rejection::Again(reason));
                }
                Ok(BulkWritten::Each(outcomes))
            }
            _ => Err(answer.unexpected()),
        };
        self.client.call(&call, read).await
    }

    /// A row for each id, in their order.
    pub(crate) async fn rows_of(&self, ids: &[&str], documents: bool) -> Result<Vec<Row>, StoreError> {
        let call = self.at(Method::POST).path("_all_docs");
        let call = if documents { call.query("include_docs", "true") } else { call };
        let call = call.json_value(raw(&json!({ "keys": ids })));
        let count = ids.len();
        let read = |answer: &Answer| {
            let rows = read_rows(answer)?.unwrap_or_default();
            if rows.len() == count {
                return Ok(rows);
            }
            Err(Rejection::Again(format!("it gave {} rows for {count} ids", rows.len())))
        };
        self.client.call(&call, read).await
    }

    /// Rows of the primary index.
    pub(crate) async fn all(&self, query: &ViewQuery) -> Result<Vec<Row>, StoreError> {
        let call = query.window(self.at(Method::GET).path("_all_docs").slow());
        let read = |answer: &Answer| read_rows(answer)?.ok_or_else(|| answer.unexpected());
        self.client.call(&call, read).await
    }

    /// # Errors
    /// [`StoreError::Unavailable`] when there is no such view, too: it is looked for before anything is served.
    pub(crate) async fn view(&self, view: View, query: &ViewQuery) -> Result<Vec<Row>, StoreError> {
        let call = query.rows(self.view_call(view.design, view.name));
        let missing = || Rejection::Unexpected(format!("there is no view {view}"));
        self.client.call(&call, |answer| read_rows(answer)?.ok_or_else(missing)).await
    }

    /// How many rows the query has, by the view's `_count`.
    pub(crate) async fn count(&self, view: View, query: &ViewQuery) -> Result<u64, StoreError> {
        let call = query.count(self.view_call(view.design, view.name));
        let missing = || Rejection::Unexpected(format!("there is no view {view}"));
        let read = |answer: &Answer| {
            let rows = read_rows(answer)?.ok_or_else(missing)?;
            // Without any row to reduce there is no result.
            let Some(value) = rows.first().and_then(|row| row.value.as_deref()) else { return Ok(0) };
            value.get().parse().map_err(|_| Rejection::Again(format!("it counted '{}' rows", value.get())))
        };
        self.client.call(&call, read).await
    }

    /// Rows as they come, `None` without such a view; the primary index without a name.
    pub(crate) async fn raw_rows(
        &self,
        view: Option<(&str, &str)>,
        query: &ViewQuery,
    ) -> Result<Option<Vec<Box<RawValue>>>, StoreError> {
        let call = match view {
            Some((design, name)) => self.view_call(design, name).query("reduce", "false"),
            None => self.at(Method::GET).path("_all_docs").slow(),
        };
        let read = |answer: &Answer| match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => answer.read().map(|RawRows { rows }| Some(rows)),
            _ => Err(answer.unexpected()),
        };
        self.client.call(&query.window(call), read).await
    }

    fn view_call(&self, design: &str, name: &str) -> Call {
        self.at(Method::GET).path("_design").name(design).path("_view").name(name).slow()
    }
}

fn read_document(answer: &Answer) -> Result<Option<Document>, Rejection> {
    match answer.status {
        StatusCode::NOT_FOUND => Ok(None),
        status if status.is_success() => {
            let text: Box<RawValue> = answer.read()?;
            Document::read(&text).map_err(Rejection::Final)
        }
        _ => Err(answer.unexpected()),
    }
}

/// `None` without such a view.
fn read_rows(answer: &Answer) -> Result<Option<Vec<Row>>, Rejection> {
    match answer.status {
        StatusCode::NOT_FOUND => Ok(None),
        status if status.is_success() => answer.read().map(|Rows { rows }| Some(rows)),
        _ => Err(answer.unexpected()),
    }
}
