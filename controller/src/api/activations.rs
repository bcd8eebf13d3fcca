//! `/namespaces/{ns}/activations/...`: read only.

use http::{Method, StatusCode};
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_store::ActivationQuery;
use serde_json::json;

use crate::Controller;
use crate::api::lists::Page;
use crate::api::{require, require_owner};
use crate::auth::Caller;
use crate::controller::Call;
use crate::entities::store_fault;
use crate::http::fault::Fault;
use crate::http::path::{ActivationPart, CollectionName};
use crate::http::query::Query;
use crate::http::reply::Reply;
use crate::invoke::Found;

/// The records of a namespace, last started first.
pub(crate) async fn list(
    controller: &Controller,
    call: &Call,
    caller: &Caller,
    namespace: &EntityName,
) -> Result<Reply, Fault> {
    require_owner(caller, namespace, || namespace.to_string())?;
    let query = Query(call.query.as_deref());
    let limits = &controller.config.limits;
    let page = Page::read(query, CollectionName::Activations, limits.list_max, limits.list_default)?;
    let docs = query.boolean("docs", false)?;
    let filter = ActivationQuery {
        namespace: namespace.clone(),
        name: read_name(query)?,
        since: read_time(query, "since")?,
        upto: read_time(query, "upto")?,
        skip: page.skip,
        limit: Some(page.limit),
    };
    if page.count && docs {
        let text = "The parameter 'docs' is not permitted with 'count'.";
        return Err(Fault::terminate(StatusCode::BAD_REQUEST, text));
    }
    controller.backends.records.caught_up(namespace).await;
    let store = &controller.backends.activations;
    if page.count {
        return Ok(
            page.count_reply(CollectionName::Activations, store.count(&filter).await.map_err(store_fault)?)
        );
    }
    if !docs {
        let entries = store.summaries(&filter).await.map_err(store_fault)?;
        return Ok(array(&entries));
    }
    let documents = store.documents(&filter).await.map_err(store_fault)?;
    Ok(Reply::json_text(StatusCode::OK, full_list(documents)?))
}

fn array(texts: &[String]) -> Reply {
    Reply::json_text(StatusCode::OK, format!("[{}]", texts.join(",")))
}

/// Records with their logs are large: one is read at a time, and gone when it is in the answer.
fn full_list(documents: Vec<String>) -> Result<String, Fault> {
    let mut list = String::from("[");
    for (index, document) in documents.into_iter().enumerate() {
        if index > 0 {
            list.push(',');
        }
        list.push_str(&read(&document)?.to_api());
    }
    list.push(']');
    Ok(list)
}

/// `activations/{id}`
pub(crate) async fn record(
    controller: &Controller,
    call: &Call,
    caller: &Caller,
    namespace: &EntityName,
    id: &str,
) -> Result<Reply, Fault> {
    let record = find(controller, call, caller, namespace, id).await?;
    Ok(Reply::json_text(StatusCode::OK, record.to_api()))
}

/// `activations/{id}/{logs|result}`
pub(crate) async fn part(
    controller: &Controller,
    call: &Call,
    caller: &Caller,
    namespace: &EntityName,
    id: &str,
    part: ActivationPart,
) -> Result<Reply, Fault> {
    let record = find(controller, call, caller, namespace, id).await?;
    Ok(match part {
        ActivationPart::Logs => Reply::json(StatusCode::OK, &json!({"logs": record.logs})),
        ActivationPart::Result => Reply::json_text(StatusCode::OK, record.response_to_api()),
    })
}

async fn find(
    controller: &Controller,
    call: &Call,
    caller: &Caller,
    namespace: &EntityName,
    id: &str,
) -> Result<Activation, Fault> {
    let id: ActivationId = id
        .parse()
        .map_err(|error: oxwhisk_core::id::ActivationIdError| Fault::validation(error.to_string()))?;
    require_owner(caller, namespace, || format!("{namespace}/{id}"))?;
    require(call, &Method::GET)?;
    if let Some(record) = held_or_stored(controller, namespace, id).await? {
        return Ok(record);
    }
    let elsewhere = controller.backends.elsewhere.as_ref().ok_or_else(Fault::not_found)?;
    if let Some(record) = elsewhere.find(namespace, id).await {
        return Ok(record);
    }
    // A record may have gone from another controller to the store between the two looks.
    held_or_stored(controller, namespace, id).await?.ok_or_else(Fault::not_found)
}

async fn held_or_stored(
    controller: &Controller,
    namespace: &EntityName,
    id: ActivationId,
) -> Result<Option<Activation>, Fault> {
    match controller.backends.records.find(namespace, id).await.map_err(store_fault)? {
        Some(Found::Record(record)) => Ok(Some(Activation::clone(&record))),
        Some(Found::Document(document)) => read(&document).map(Some),
        None => Ok(None),
    }
}

fn read(document: &str) -> Result<Activation, Fault> {
    Activation::from_document(document).map_err(|error| {
        tracing::error!(%error, "cannot read a stored record");
        Fault::corrupted()
    })
}

/// `name` or `package/name`; blank is no filter.
fn read_name(query: Query<'_>) -> Result<Option<String>, Fault> {
    let Some(name) = query.get("name").filter(|name| !name.trim().is_empty()) else { return Ok(None) };
    let segments: Vec<&str> = name.split('/').collect();
    if segments.len() > 2 || segments.iter().any(|segment| EntityName::new(segment).is_err()) {
        let text = format!("Parameter may be a 'simple' name or 'package-name/simple' name: {name}");
        return Err(Fault::malformed_query("name", text));
    }
    Ok(Some(name.into_owned()))
}

/// Milliseconds since the epoch, whatever the text says.
fn read_time(query: Query<'_>, name: &str) -> Result<Option<i64>, Fault> {
    let Some(text) = query.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        Fault::malformed_query(name, format!("Parameter is not a valid value for epoch seconds: {text}"))
    })
}
