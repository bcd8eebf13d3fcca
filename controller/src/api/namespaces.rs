//! `/namespaces` and the limits of one.

use http::{Method, StatusCode};
use oxwhisk_core::name::EntityName;
use serde_json::json;

use crate::api::{require, require_owner};
use crate::auth::Caller;
use crate::controller::Call;
use crate::http::fault::Fault;
use crate::http::reply::Reply;

/// The namespace of the key that was used: an array of one.
pub(crate) fn list(call: &Call, caller: &Caller) -> Result<Reply, Fault> {
    require(call, &Method::GET)?;
    Ok(Reply::json(StatusCode::OK, &json!([caller.identity.namespace])))
}

/// The limits in force.
pub(crate) fn limits(call: &Call, caller: &Caller, namespace: &EntityName) -> Result<Reply, Fault> {
    require(call, &Method::GET)?;
    require_owner(caller, namespace, || namespace.to_string())?;
    Ok(Reply::json(StatusCode::OK, &caller.limits.to_json(&caller.identity.limits)))
}
