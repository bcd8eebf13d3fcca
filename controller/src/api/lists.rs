//! Lists of entities, and the reading of entities that this release serves by their lists only.

use http::{Method, StatusCode};
use oxwhisk_core::Malformed;
use oxwhisk_core::entity::Action;
use oxwhisk_core::json::{self, Members};
use oxwhisk_core::name::{EntityName, EntityPath, FullyQualifiedName};
use oxwhisk_store::{Collection, EntityDocument, EntityQuery};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::Controller;
use crate::api::{entity_name, require, require_owner};
use crate::auth::Caller;
use crate::controller::Call;
use crate::entities::store_fault;
use crate::http::fault::Fault;
use crate::http::path::CollectionName;
use crate::http::query::Query;
use crate::http::reply::Reply;

/// Which part of a list a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) limit: u64,
    pub(crate) skip: u64,
    /// Only how many there are.
    pub(crate) count: bool,
}

impl Page {
    /// # Errors
    /// A malformed-query rejection in the words of the collection.
    pub(crate) fn read(
        query: Query<'_>,
        collection: CollectionName,
        most: u64,
        default: u64,
    ) -> Result<Self, Fault> {
        let name = collection.as_str();
        let number = |parameter: &'static str| -> Result<Option<i64>, Fault> {
            let Some(text) = query.get(parameter).filter(|text| !text.is_empty()) else { return Ok(None) };
            let malformed = || {
                Fault::malformed_query(parameter, format!("The value '{text}' is not an integer for {name}."))
            };
            text.parse().map(Some).map_err(|_| malformed())
        };
        let limit = match number("limit")? {
            None => default,
            Some(0) => most,
            Some(limit) => u64::try_from(limit).ok().filter(|limit| *limit <= most).ok_or_else(|| {
                let text = format!("The value '{limit}' is not in the range of 0 to {most} for {name}.");
                Fault::malformed_query("limit", text)
            })?,
        };
        let skip = number("skip")?.unwrap_or(0);
        let skip = u64::try_from(skip).map_err(|_| {
            Fault::malformed_query(
                "skip",
                format!("The value '{skip}' is not greater than or equal to 0 for {name}."),
            )
        })?;
        Ok(Self { limit, skip, count: query.boolean("count", false)? })
    }

    /// `{"<collection>": N}` with what lies beyond `skip`.
    pub(crate) fn count_reply(&self, collection: CollectionName, total: u64) -> Reply {
        let mut answer = Map::new();
        answer.insert(collection.as_str().to_owned(), total.saturating_sub(self.skip).into());
        Reply::json(StatusCode::OK, &Value::Object(answer))
    }
}

/// The entities of a namespace.
pub(crate) async fn list(
    controller: &Controller,
    call: &Call,
    caller: &Caller,
    namespace: &EntityName,
    collection: CollectionName,
) -> Result<Reply, Fault> {
    let owner = caller.identity.namespace == *namespace;
    // Anyone may list packages; others than the owner see the published ones.
    if collection != CollectionName::Packages {
        require_owner(caller, namespace, || namespace.to_string())?;
    }
    let Some(stored) = stored_collection(collection) else { return Err(Fault::no_route()) };
    let path = EntityPath::new(namespace.clone(), None);
    page_of(controller, call, collection, stored, path, !owner).await
}

/// One page of what lies at `path`.
pub(crate) async fn page_of(
    controller: &Controller,
    call: &Call,
    collection: CollectionName,
    stored: Collection,
    path: EntityPath,
    public_only: bool,
) -> Result<Reply, Fault> {
    let limits = &controller.config.limits;
    let page = Page::read(Query(call.query.as_deref()), collection, limits.list_max, limits.list_default)?;
    let query =
        EntityQuery { collection: stored, path, public_only, skip: page.skip, limit: Some(page.limit) };
    let entities = &controller.backends.entities;
    if page.count {
        return Ok(page.count_reply(collection, entities.count(&query).await.map_err(store_fault)?));
    }
    let documents = entities.list(&query).await.map_err(store_fault)?;
    let entry = |document: &EntityDocument| {
        summary(stored, &document.body).map_err(|error| {
            tracing::error!(id = %document.id, %error, "cannot read a stored document");
            Fault::corrupted()
        })
    };
    let entries: Vec<Box<RawValue>> = documents.iter().map(entry).collect::<Result<_, _>>()?;
    Ok(Reply::raw(StatusCode::OK, json::raw(&entries)))
}

fn stored_collection(collection: CollectionName) -> Option<Collection> {
    match collection {
        CollectionName::Actions => Some(Collection::Actions),
        CollectionName::Triggers => Some(Collection::Triggers),
        CollectionName::Rules => Some(Collection::Rules),
        CollectionName::Packages => Some(Collection::Packages),
        CollectionName::Activations => None,
    }
}

fn summary(collection: Collection, body: &RawValue) -> Result<Box<RawValue>, Malformed> {
    let members: &[&str] = match collection {
        Collection::Actions => return Action::summary(body),
        Collection::Triggers => &["namespace", "name", "version", "publish", "annotations", "updated"],
        Collection::Rules => {
            &["namespace", "name", "version", "publish", "annotations", "updated", "trigger", "action"]
        }
        Collection::Packages => {
            &["namespace", "name", "version", "publish", "annotations", "updated", "binding"]
        }
    };
    let body = Members::read(body)?;
    let mut summary = body.selected(members);
    let unbound = |binding| Members::read(binding).is_ok_and(|binding| binding.is_empty());
    if summary.get("binding").is_some_and(|binding| unbound(binding)) {
        summary.insert("binding", RawValue::FALSE);
    }
    Ok(json::raw(&summary))
}

/// Triggers, rules and packages cannot be made yet, so there is none to read: reading says that it does not exist, and
/// anything else is not served.
pub(crate) async fn entity(
    controller: &Controller,
    call: &Call,
    caller: &Caller,
    namespace: &EntityName,
    collection: CollectionName,
    name: &str,
) -> Result<Reply, Fault> {
    let name = entity_name(name)?;
    require_owner(caller, namespace, || format!("{namespace}/{name}"))?;
    require(call, &Method::GET)?;
    let id = FullyQualifiedName::new(EntityPath::new(namespace.clone(), None), name);
    match controller.backends.entities.get(&id).await.map_err(store_fault)? {
        Some(stored) if Some(stored.document.collection) == stored_collection(collection) => {
            Ok(Reply::raw(StatusCode::OK, stored.document.body))
        }
        Some(_) => Err(Fault::not_in_collection()),
        None if collection == CollectionName::Packages => {
            let text = format!("The requested resource '{id}' does not exist.");
            Err(Fault::terminate(StatusCode::NOT_FOUND, text))
        }
        None => Err(Fault::not_found()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Page, String> {
        Page::read(Query(Some(query)), CollectionName::Actions, 200, 30).map_err(|fault| fault.message)
    }

    #[test]
    fn pages_have_defaults_and_bounds() {
        let page = |limit, skip| Ok(Page { limit, skip, count: false });
        assert_eq!(read(""), page(30, 0));
        assert_eq!(read("limit=0&skip=5"), page(200, 5));
        assert_eq!(read("limit=200"), page(200, 0));
    }

    #[test]
    fn faults_name_the_collection() {
        for (query, detail) in [
            (
                "limit=201",
                "limit' was malformed:\nThe value '201' is not in the range of 0 to 200 for actions.",
            ),
            (
                "limit=-1",
                "limit' was malformed:\nThe value '-1' is not in the range of 0 to 200 for actions.",
            ),
            ("limit=abc", "limit' was malformed:\nThe value 'abc' is not an integer for actions."),
            (
                "skip=-1",
                "skip' was malformed:\nThe value '-1' is not greater than or equal to 0 for actions.",
            ),
        ] {
            assert_eq!(read(query), Err(format!("The query parameter '{detail}")));
        }
    }
}
