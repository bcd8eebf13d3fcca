//! Activation records as documents of the database `activations`.

mod plan;
mod write;

use async_trait::async_trait;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_store::{ActivationQuery, ActivationStore, RecordDocument, StoreError};

use crate::config::CouchConfig;
use crate::database::{Database, Freshness, View, ViewQuery};
use crate::{design, document};
use write::Writer;

#[derive(Debug)]
pub(crate) struct CouchActivationStore {
    database: Database,
    writer: Writer,
    freshness: Freshness,
}

/// Ids in one question, at most.
const ASKED_AT_ONCE: usize = 1000;

impl CouchActivationStore {
    pub(crate) fn new(database: Database, config: &CouchConfig) -> Self {
        let writer = Writer::new(database.clone(), config);
        Self { database, writer, freshness: config.activation_lists.into() }
    }

    /// The view that has the list, and the rows of it.
    fn rows(&self, query: &ActivationQuery) -> (View, ViewQuery) {
        let (view, path) = match &query.name {
            None => (design::ACTIVATIONS, query.namespace.to_string()),
            Some(name) => (design::ACTIVATIONS_BY_NAME, format!("{}/{name}", query.namespace)),
        };
        let rows = ViewQuery::latest_first(&path, query.since, query.upto);
        (view, ViewQuery { skip: query.skip, limit: query.limit, freshness: self.freshness, ..rows })
    }
}

/// CouchDB calls a range that runs backwards a mistake.
fn is_empty(query: &ActivationQuery) -> bool {
    matches!((query.since, query.upto), (Some(since), Some(upto)) if since > upto)
}

fn id_of(namespace: &EntityName, id: ActivationId) -> String {
    format!("{namespace}/{id}")
}

#[async_trait]
impl ActivationStore for CouchActivationStore {
    async fn store(&self, records: &[RecordDocument]) -> Result<(), StoreError> {
        self.writer.store(records).await
    }

    async fn get(&self, namespace: &EntityName, id: ActivationId) -> Result<Option<String>, StoreError> {
        let found = self.database.get(&id_of(namespace, id)).await?;
        Ok(found.map(|found| document::activation(found.body).get().to_owned()))
    }

    async fn existing(&self, ids: &[(EntityName, ActivationId)]) -> Result<Vec<bool>, StoreError> {
        let ids: Vec<String> = ids.iter().map(|(namespace, id)| id_of(namespace, *id)).collect();
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(ASKED_AT_ONCE) {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let rows = self.database.rows_of(&ids, false).await?;
            found.extend(rows.iter().map(|row| row.is_there()));
        }
        Ok(found)
    }

    async fn summaries(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
        if is_empty(query) {
            return Ok(Vec::new());
        }
        let (view, rows) = self.rows(query);
        let rows = self.database.view(view, &rows).await?;
        let values = rows.into_iter().filter_map(|row| row.value);
        Ok(values.map(|value| document::activation(value).get().to_owned()).collect())
    }

    async fn documents(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
        if is_empty(query) {
            return Ok(Vec::new());
        }
        let (view, rows) = self.rows(query);
        let rows = self.database.view(view, &ViewQuery { documents: true, ..rows }).await?;
        let mut documents = Vec::with_capacity(rows.len());
        for row in rows {
            // A document may go between the view's answer and its own reading.
            let Some(found) = row.document()? else { continue };
            documents.push(document::activation(found.body).get().to_owned());
        }
        Ok(documents)
    }

    async fn count(&self, query: &ActivationQuery) -> Result<u64, StoreError> {
        if is_empty(query) {
            return Ok(0);
        }
        let (view, rows) = self.rows(query);
        self.database.count(view, &rows).await
    }
}
