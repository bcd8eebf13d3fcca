//! What the databases hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use oxwhisk_proto::admin::v1::databases_server::Databases;
use oxwhisk_proto::admin::v1::{self, Database};
use oxwhisk_store::{ContentsQuery, StoreError, ViewName};
use serde_json::value::RawValue;
use tonic::{Request, Response, Status};

use crate::parts::Parts;
use crate::status;

/// Rows of a page without documents, and with.
const ROWS: u64 = 1000;
const DOCUMENTS: u64 = 16;

#[derive(Clone, Debug)]
pub(crate) struct Service(Arc<Parts>);

impl Service {
    pub(crate) fn new(parts: &Arc<Parts>) -> Self {
        Self(Arc::clone(parts))
    }
}

#[tonic::async_trait]
impl Databases for Service {
    async fn get_rows(
        &self,
        request: Request<v1::GetRowsRequest>,
    ) -> Result<Response<v1::GetRowsResponse>, Status> {
        let request = request.into_inner();
        let contents = match request.database() {
            Database::Subjects => &self.0.contents.subjects,
            Database::Entities => &self.0.contents.entities,
            Database::Activations => &self.0.contents.activations,
            Database::Unspecified => return Err(Status::invalid_argument("no such database")),
        };
        let query = ContentsQuery {
            view: view(&request.view)?,
            documents: request.documents,
            after: Some(request.after).filter(|after| !after.is_empty()),
            limit: if request.documents { DOCUMENTS } else { ROWS },
        };
        let rows = contents.contents(&query).await.map_err(|error| match error {
            StoreError::NotFound => {
                let text =
                    format!("this store has no view '{}': only the primary index is there", request.view);
                Status::not_found(text)
            }
            other => status::of_store(&other),
        })?;
        let is_full = rows.len() as u64 == query.limit;
        let next = rows.last().filter(|_| is_full).map(|row| place(row)).transpose()?;
        Ok(Response::new(v1::GetRowsResponse { rows, next: next.unwrap_or_default() }))
    }
}

fn view(text: &str) -> Result<Option<ViewName>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let (design, view) = text
        .split_once('/')
        .ok_or_else(|| Status::invalid_argument(format!("'{text}' is no view: design/view")))?;
    Ok(Some(ViewName { design: design.to_owned(), view: view.to_owned() }))
}

/// A row without its document, which has no part in its place and may be large. What is left stays as it is, however deep.
fn place(row: &str) -> Result<String, Status> {
    let corrupt = |error: serde_json::Error| Status::data_loss(format!("a row cannot be read: {error}"));
    let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(row).map_err(corrupt)?;
    members.remove("doc");
    serde_json::to_string(&members).map_err(corrupt)
}
