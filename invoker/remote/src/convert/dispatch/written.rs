//! Dispatches on their way to an invoker.

use bytes::Bytes;
use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::entity::StoreLevel;
use oxwhisk_invoker_api::offers::OfferId;
use oxwhisk_invoker_api::{ActionDescriptor, CacheUse, Dispatch, StorePolicy};
use oxwhisk_proto::dispatch::v1::store_policy::Level;
use oxwhisk_proto::dispatch::v1::{self as wire, dispatch_activation};
use oxwhisk_ticket::Ticket;

/// A dispatch for the wire. `put`: its arguments went ahead.
pub(crate) fn to_message(
    dispatch: &Dispatch,
    ticket: &Ticket,
    offer: Option<OfferId>,
    put: bool,
) -> wire::DispatchActivation {
    let arguments = match put {
        true => dispatch_activation::Arguments::Put(true),
        false => {
            dispatch_activation::Arguments::Json(Bytes::copy_from_slice(dispatch.arguments.get().as_bytes()))
        }
    };
    let variable =
        |(name, value): &(String, String)| wire::Variable { name: name.clone(), value: value.clone() };
    wire::DispatchActivation {
        ticket: Bytes::copy_from_slice(ticket.as_bytes()),
        transaction: dispatch.transaction.to_string(),
        action: Some(action_to_message(&dispatch.action)),
        arguments: Some(arguments),
        init_environment: dispatch.init_environment.iter().map(variable).collect(),
        api_key: dispatch.api_key.as_ref().map(|key| key.0.clone()),
        cause: dispatch.cause.map(|id| id.to_string()),
        binding: dispatch.binding.clone(),
        received: dispatch.received,
        at_most_once: dispatch.delivery == Delivery::AtMostOnce,
        max_response: dispatch.response_limits.max as u64,
        truncation: dispatch.response_limits.truncation as u64,
        store: Some(store_to_message(dispatch.store)),
        traceparent: dispatch.trace.map(|trace| trace.to_string()).unwrap_or_default(),
        offer: offer.map(|offer| offer.0),
        cache: dispatch.cache.as_ref().map(cache_to_message),
    }
}

/// The grant goes by the ticket.
fn cache_to_message(used: &CacheUse) -> wire::CacheUse {
    wire::CacheUse { required: used.required, refusal: used.grant.as_ref().err().cloned() }
}

fn action_to_message(action: &ActionDescriptor) -> wire::Action {
    wire::Action {
        version: action.version.to_string(),
        kind: action.kind.clone(),
        image: action.image.to_string(),
        user_provided_image: action.user_provided_image,
        sentinelled_logs: action.sentinelled_logs,
        main: action.main.clone(),
        binary: action.binary,
        has_code: action.has_code,
        timeout: action.limits.timeout,
        memory: action.limits.memory,
        logs: action.limits.logs,
        concurrency: action.limits.concurrency,
    }
}

fn store_to_message(policy: StorePolicy) -> wire::StorePolicy {
    let level = match policy.level {
        None => Level::Never,
        Some(StoreLevel::Always) => Level::Always,
        Some(StoreLevel::Failures) => Level::Failures,
        Some(StoreLevel::FailuresNotApplicationErrors) => Level::FailuresNotApplicationErrors,
    };
    wire::StorePolicy { level: level.into(), log_unstored: policy.log_unstored }
}
