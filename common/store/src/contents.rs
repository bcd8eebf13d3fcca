//! What a database holds, row by row, for administrators (`wskadmin db get`).

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use crate::StoreError;

/// Which rows, in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentsQuery {
    /// `None` is the primary index: every document once.
    pub view: Option<ViewName>,
    /// With each row's document.
    pub documents: bool,
    /// The last row of the page before, as it came; `None` for the first page.
    pub after: Option<String>,
    /// Rows, at most.
    pub limit: u64,
}

impl ContentsQuery {
    /// The first page of the primary index.
    #[must_use]
    pub const fn primary(documents: bool, limit: u64) -> Self {
        Self { view: None, documents, after: None, limit }
    }
}

/// A view as `wskadmin` names it: `design/view`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewName {
    /// Without `_design/`.
    pub design: String,
    pub view: String,
}

impl fmt::Display for ViewName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.design, self.view)
    }
}

/// One database: that of entities, of subjects or of activations.
#[async_trait]
pub trait DatabaseContents: fmt::Debug + Send + Sync + 'static {
    /// Rows as CouchDB gives them: JSON objects with `id`, `key`, `value` and, where asked for, `doc`. In an order of the
    /// store's own, which stays the same from page to page.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such view; the embedded stores have none at all.
    async fn contents(&self, query: &ContentsQuery) -> Result<Vec<String>, StoreError>;
}

/// A row of the primary index. `document` is the text of an object without the store's own members.
#[cfg(any(feature = "memory", feature = "sqlite"))]
pub(crate) fn primary_row(
    id: &str,
    revision: Option<&str>,
    document: Option<&str>,
) -> Result<String, StoreError> {
    use oxwhisk_core::json::{raw, with_members};
    use serde_json::json;
    use serde_json::value::RawValue;

    let value = revision.map_or_else(|| json!({}), |revision| json!({ "rev": revision }));
    let row = raw(&json!({ "id": id, "key": id, "value": value }));
    let Some(document) = document else { return Ok(row.get().to_owned()) };
    let unreadable = |error| StoreError::Corrupt(format!("the document '{id}': {error}"));
    let document: &RawValue = serde_json::from_str(document).map_err(unreadable)?;
    let own = [("_id", Some(id)), ("_rev", revision)];
    let own: Vec<_> = own.into_iter().filter_map(|(name, text)| Some((name, raw(text?)))).collect();
    let document =
        with_members(document, own.iter().map(|(name, text)| (*name, &**text))).map_err(unreadable)?;
    with_members(&row, [("doc", &*document)]).map(|row| row.get().to_owned()).map_err(unreadable)
}

/// The `id` of a row that a page ended with.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is no such row.
#[cfg(any(feature = "memory", feature = "sqlite"))]
pub(crate) fn id_of_row(row: &str) -> Result<String, StoreError> {
    let row: Value = serde_json::from_str(row).unwrap_or_default();
    let no_row = || StoreError::Corrupt("what a page should begin after is no row".to_owned());
    row["id"].as_str().map(str::to_owned).ok_or_else(no_row)
}

/// # Errors
/// [`StoreError::NotFound`] when the query asks for a view.
#[cfg(any(feature = "memory", feature = "sqlite"))]
pub(crate) fn refuse_views(query: &ContentsQuery) -> Result<(), StoreError> {
    if query.view.is_some() { Err(StoreError::NotFound) } else { Ok(()) }
}
