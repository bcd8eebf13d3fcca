//! A database row by row.

use async_trait::async_trait;
use oxwhisk_core::json::{Members, raw};
use oxwhisk_store::{ContentsQuery, DatabaseContents, StoreError};
use serde_json::value::RawValue;

use crate::database::{Database, ViewQuery};

#[derive(Debug)]
pub(crate) struct CouchContents(pub(crate) Database);

#[async_trait]
impl DatabaseContents for CouchContents {
    async fn contents(&self, query: &ContentsQuery) -> Result<Vec<String>, StoreError> {
        let view = query.view.as_ref().map(|view| (view.design.as_str(), view.view.as_str()));
        let rows = ViewQuery { limit: Some(query.limit), documents: query.documents, ..behind(query)? };
        let rows = self.0.raw_rows(view, &rows).await?.ok_or(StoreError::NotFound)?;
        Ok(rows.into_iter().map(|row| row.get().to_owned()).collect())
    }
}

/// From the last row of the page before, without it. PouchDB Server knows no `startkey_docid`: there, rows of a view that
/// have the same key must fit into a page.
fn behind(query: &ContentsQuery) -> Result<ViewQuery, StoreError> {
    let Some(last) = &query.after else { return Ok(ViewQuery::default()) };
    let no_row = || StoreError::Corrupt("what a page should begin after is no row".to_owned());
    let row: &RawValue = serde_json::from_str(last).map_err(|_| no_row())?;
    let row = Members::read(row).map_err(|_| no_row())?;
    let (key, id) = (row.get("key").ok_or_else(no_row)?, row.string("id").ok_or_else(no_row)?);
    let start_id = query.view.is_some().then(|| id.into_owned());
    Ok(ViewQuery { start: Some(raw(key)), start_id, skip: 1, ..ViewQuery::default() })
}
