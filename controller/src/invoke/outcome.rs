//! What a client gets for an activation that has ended, and for one that nobody could run.

use http::StatusCode;
use oxwhisk_core::entity::{Activation, Status};
use oxwhisk_core::id::ActivationId;
use serde_json::json;

use crate::http::reply::Reply;

/// The answer of a blocking invocation: the record without logs, or only its result. An array result always stands alone.
pub(crate) fn ended(activation: &Activation, result_only: bool) -> Reply {
    let status = match activation.response.status {
        Status::Success => StatusCode::OK,
        Status::ApplicationError | Status::DeveloperError => StatusCode::BAD_GATEWAY,
        Status::WhiskError => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let result = activation.response.result.as_deref();
    let is_array = result.is_some_and(|result| result.get().trim_start().starts_with('['));
    let body = match result {
        Some(result) if result_only || is_array => result.get().to_owned(),
        None if result_only => "{}".to_owned(),
        _ => activation.to_api_without_logs(),
    };
    Reply::json_text(status, body).with_activation(activation.activation_id)
}

/// The answer when only the id is known: it was queued, or the wait for it is over.
pub(crate) fn accepted(id: ActivationId) -> Reply {
    Reply::json(StatusCode::ACCEPTED, &json!({"activationId": id})).with_activation(id)
}
