//! `/namespaces/{ns}/actions/...`: create, read, delete, invoke.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use oxwhisk_core::entity::ActionPut;
use oxwhisk_core::exec::Exec;
use oxwhisk_core::json;
use oxwhisk_core::name::{EntityName, EntityPath, FullyQualifiedName};
use oxwhisk_core::size::ByteSize;
use oxwhisk_invoker_api::ChangedAction;
use oxwhisk_store::Collection;
use serde_json::value::RawValue;

use crate::Controller;
use crate::api::{entity_name, lists, require, require_owner};
use crate::auth::Caller;
use crate::clock;
use crate::controller::Call;
use crate::entities::{Written, check_put, store_fault};
use crate::http::fault::Fault;
use crate::http::path::CollectionName;
use crate::http::query::Query;
use crate::http::reply::Reply;
use crate::http::upload::RequestBody;
use crate::http::{body, json_fault};
use crate::invoke::{Invocation, read_payload};
use crate::throttle::admit;

const EXTRA_LOGGING: &str = "x-ow-extra-logging";

/// `actions/{name}`
pub(crate) async fn entity(
    controller: &Controller,
    call: Call,
    caller: Arc<Caller>,
    namespace: EntityName,
    name: &str,
) -> Result<Reply, Fault> {
    let name = entity_name(name)?;
    let owned = require_owner(&caller, &namespace, || format!("{namespace}/{name}"));
    let id = FullyQualifiedName::new(EntityPath::new(namespace.clone(), None), name);
    match call.method {
        Method::GET => {
            owned?;
            get(controller, &call, &id).await
        }
        Method::PUT => {
            owned?;
            put(controller, call, &caller, id).await
        }
        Method::DELETE => {
            owned?;
            delete(controller, id).await
        }
        Method::POST => invoke(controller, call, caller, id, owned).await,
        _ => Err(Fault::no_route()),
    }
}

async fn get(controller: &Controller, call: &Call, id: &FullyQualifiedName) -> Result<Reply, Fault> {
    let with_code = Query(call.query.as_deref()).boolean("code", true)?;
    let known = controller.actions.get(id).await?;
    let answer = if with_code {
        controller.actions.with_code(&known).await?.to_api(true)
    } else {
        known.action.to_api(false)
    };
    Ok(Reply::raw(StatusCode::OK, answer))
}

async fn put(
    controller: &Controller,
    call: Call,
    caller: &Caller,
    id: FullyQualifiedName,
) -> Result<Reply, Fault> {
    let overwrite = Query(call.query.as_deref()).boolean("overwrite", false)?;
    let body = body::read(call.body, &call.headers, controller.config.max_request).await?;
    body::require_json(&call.headers, &body)?;
    let put = read_put(controller, &body, &id)?;
    drop(body);
    if matches!(put.exec, Some(Exec::Sequence { .. })) {
        // Stored, it could be neither run nor read: this release knows no sequences.
        let text = "actions of kind 'sequence' are not supported by this release";
        return Err(Fault::terminate(StatusCode::BAD_REQUEST, text));
    }
    check_put(&put, &caller.limits, &controller.config.limits)?;
    let (actions, engine) = (Arc::clone(&controller.actions), Arc::clone(&controller.backends.engine));
    let change = async move {
        let Written { action, revision } = actions.put(id.clone(), put, overwrite).await?;
        engine.invalidate(&ChangedAction { id, current: Some(revision) });
        Ok::<_, Fault>(action)
    };
    let action = controller.to_the_end(change).await?;
    if !controller.config.features.require_response_payload {
        return Ok(Reply::text("OK"));
    }
    Ok(Reply::raw(StatusCode::OK, action.to_api(true)))
}

fn read_put(controller: &Controller, body: &[u8], id: &FullyQualifiedName) -> Result<ActionPut, Fault> {
    json::check_depth(body).map_err(Fault::malformed_content)?;
    let json: &RawValue = serde_json::from_slice(body)
        .map_err(|error| Fault::malformed_content(json_fault::describe(body, &error)))?;
    ActionPut::from_json(json, &controller.config.manifest, &id.path.namespace)
        .map_err(Fault::malformed_content)
}

async fn delete(controller: &Controller, id: FullyQualifiedName) -> Result<Reply, Fault> {
    let (actions, engine) = (Arc::clone(&controller.actions), Arc::clone(&controller.backends.engine));
    let change = async move {
        let action = actions.delete(&id).await?;
        engine.invalidate(&ChangedAction { id, current: None });
        Ok::<_, Fault>(action)
    };
    let action = controller.to_the_end(change).await?;
    if !controller.config.features.require_response_payload {
        return Ok(Reply::no_content());
    }
    Ok(Reply::raw(StatusCode::OK, action.to_api(true)))
}

/// Throttles come first, so that a caller over its limits learns nothing else; then whether it may.
async fn invoke(
    controller: &Controller,
    call: Call,
    caller: Arc<Caller>,
    id: FullyQualifiedName,
    allowed: Result<(), Fault>,
) -> Result<Reply, Fault> {
    let received = clock::now_ms();
    let said = admit(&controller.backends.throttles, &caller, received).await;
    let slot = controller.watch.admitted(&caller, said)?;
    allowed?;
    let query = Query(call.query.as_deref());
    let most = controller.config.limits.blocking_wait;
    let timeout = read_timeout(query, most)?;
    let (blocking, result_only) = (query.boolean("blocking", false)?, query.boolean("result", false)?);
    // Before the action is looked up, as in OpenWhisk: what is no payload is malformed whatever it was meant for.
    let payload =
        payload(call.body, &call.headers, controller.config.max_request, caller.limits.payload).await?;
    let invocation = Invocation {
        transaction: call.transaction,
        caller,
        action: id,
        payload,
        wait: blocking.then_some(timeout),
        result_only,
        extra_logging: extra_logging(&call.headers),
        received,
        trace: call.trace,
    };
    let invoking = controller.invocations.invoke(invocation, slot);
    controller.watch.invocation(blocking, received, invoking).await
}

/// Reads a request body of at most `limit` as the payload of an invocation.
async fn payload(
    body: RequestBody,
    headers: &HeaderMap,
    max_request: u64,
    limit: ByteSize,
) -> Result<Arc<RawValue>, Fault> {
    let limit = limit.as_bytes();
    let check = |size| if size > limit { Err(Fault::too_large("Request", size, limit)) } else { Ok(()) };
    body::announced_length(headers).map_or(Ok(()), check)?;
    let body = body::read(body, headers, max_request).await?;
    body::require_json(headers, &body)?;
    check(body.len() as u64)?;
    read_payload(&body)
}

fn read_timeout(query: Query<'_>, most: Duration) -> Result<Duration, Fault> {
    let Some(text) = query.get("timeout").filter(|text| !text.is_empty()) else { return Ok(most) };
    let most_ms = most.as_millis();
    let milliseconds: Option<u64> =
        text.parse().ok().filter(|wait| (1..=most_ms).contains(&u128::from(*wait)));
    milliseconds.map(Duration::from_millis).ok_or_else(|| {
        let text = format!("Timeout must be number of milliseconds up to {most_ms}.");
        Fault::malformed_query("timeout", text)
    })
}

fn extra_logging(headers: &HeaderMap) -> bool {
    headers.get(EXTRA_LOGGING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"on"))
}

/// `actions/{package}/`
pub(crate) async fn in_package(
    controller: &Controller,
    call: &Call,
    caller: &Caller,
    namespace: &EntityName,
    package: &str,
) -> Result<Reply, Fault> {
    let package = entity_name(package)?;
    require(call, &Method::GET)?;
    require_package(controller, caller, namespace, &package, || format!("{namespace}/{package}")).await?;
    let path = EntityPath::new(namespace.clone(), Some(package));
    lists::page_of(controller, call, CollectionName::Actions, Collection::Actions, path, false).await
}

/// `actions/{package}/{name}`: packages cannot be made yet, so this finds that there is none.
pub(crate) async fn packaged(
    controller: &Controller,
    call: &Call,
    caller: &Arc<Caller>,
    namespace: &EntityName,
    package: &str,
    name: &str,
) -> Result<Reply, Fault> {
    let (package, name) = (entity_name(package)?, entity_name(name)?);
    if !matches!(call.method, Method::GET | Method::PUT | Method::DELETE | Method::POST) {
        return Err(Fault::no_route());
    }
    let _slot = match call.method {
        Method::POST => {
            let said = admit(&controller.backends.throttles, caller, clock::now_ms()).await;
            Some(controller.watch.admitted(caller, said)?)
        }
        _ => None,
    };
    let resource = || match call.method {
        Method::GET | Method::POST => format!("{namespace}/{package}"),
        _ => format!("{namespace}/{package}/{name}"),
    };
    require_package(controller, caller, namespace, &package, resource).await?;
    Err(Fault::no_route())
}

/// # Errors
/// 403 to others than the owner, who do not learn what there is; 404 or 409 to the owner.
async fn require_package(
    controller: &Controller,
    caller: &Caller,
    namespace: &EntityName,
    package: &EntityName,
    resource: impl FnOnce() -> String,
) -> Result<(), Fault> {
    require_owner(caller, namespace, resource)?;
    let id = FullyQualifiedName::new(EntityPath::new(namespace.clone(), None), package.clone());
    match controller.backends.entities.get(&id).await.map_err(store_fault)? {
        None => Err(Fault::not_found()),
        Some(stored) if stored.document.collection == Collection::Packages => Ok(()),
        Some(_) => Err(Fault::not_in_collection()),
    }
}
