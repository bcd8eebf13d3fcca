//! Dispatches. What identifies one stands in its ticket and nowhere else.

use std::sync::Arc;

use bytes::Bytes;

use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::entity::StoreLevel;
use oxwhisk_core::id::TransactionId;
use oxwhisk_core::limits::ActionLimits;
use oxwhisk_core::trace::TraceContext;
#[cfg(feature = "client")]
use oxwhisk_invoker_api::offers::OfferId;
use oxwhisk_invoker_api::{ActionDescriptor, ApiKey, Caller, Dispatch, ResponseLimits, StorePolicy};
use oxwhisk_proto::dispatch::v1::store_policy::Level;
use oxwhisk_proto::dispatch::v1::{self as wire, dispatch_activation};
use oxwhisk_ticket::{Claims, Ticket};
use serde_json::value::RawValue;

use super::Malformed;

/// A dispatch for the wire. `put`: its arguments went ahead.
#[cfg(feature = "client")]
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
    }
}

#[cfg(feature = "client")]
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

#[cfg(feature = "client")]
fn store_to_message(policy: StorePolicy) -> wire::StorePolicy {
    let level = match policy.level {
        None => Level::Never,
        Some(StoreLevel::Always) => Level::Always,
        Some(StoreLevel::Failures) => Level::Failures,
        Some(StoreLevel::FailuresNotApplicationErrors) => Level::FailuresNotApplicationErrors,
    };
    wire::StorePolicy { level: level.into(), log_unstored: policy.log_unstored }
}

/// Where the arguments of a received dispatch are.
#[cfg(feature = "server")]
#[derive(Debug)]
pub(crate) enum Arguments {
    Here(Bytes),
    Put,
}

/// A dispatch as it came, its arguments still to be joined to it.
#[cfg(feature = "server")]
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) claims: Claims,
    pub(crate) ticket: Ticket,
    pub(crate) arguments: Arguments,
    action: Arc<ActionDescriptor>,
    rest: wire::DispatchActivation,
}

/// Reads a dispatch. The ticket is believed as it stands: it came from a controller, which this end has seen the
/// certificate of.
#[cfg(feature = "server")]
pub(crate) fn from_message(mut message: wire::DispatchActivation) -> Result<Received, Malformed> {
    let ticket = Ticket::from_bytes(std::mem::take(&mut message.ticket).into());
    let claims = ticket.unverified().map_err(|error| Malformed::new("ticket", error))?;
    let arguments = match message.arguments.take() {
        Some(dispatch_activation::Arguments::Json(json)) => Arguments::Here(json),
        Some(dispatch_activation::Arguments::Put(_)) => Arguments::Put,
        None => return Err(Malformed::new("dispatch", "it has no arguments")),
    };
    let action = message.action.take().ok_or_else(|| Malformed::new("dispatch", "it has no action"))?;
    let action = Arc::new(action_from_message(action, &claims)?);
    Ok(Received { claims, ticket, arguments, action, rest: message })
}

#[cfg(feature = "server")]
impl Received {
    /// The dispatch with its arguments, a JSON object or array.
    pub(crate) fn into_dispatch(self, arguments: Bytes) -> Result<Dispatch, Malformed> {
        let malformed = |error: &dyn std::fmt::Display| Malformed::new("arguments", error);
        let text = String::from_utf8(arguments.into()).map_err(|error| malformed(&error))?;
        let arguments = RawValue::from_string(text).map_err(|error| malformed(&error))?;
        let Self { claims, ticket, action, rest, .. } = self;
        let cause = rest.cause.map(|id| id.parse()).transpose();
        let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        Ok(Dispatch {
            transaction: TransactionId::from_service(&rest.transaction),
            activation_id: claims.activation_id,
            action,
            caller: Caller {
                subject: claims.subject,
                namespace: claims.namespace,
                namespace_uuid: claims.namespace_uuid,
            },
            api_key: rest.api_key.map(ApiKey),
            arguments: arguments.into(),
            init_environment: rest.init_environment.into_iter().map(|v| (v.name, v.value)).collect(),
            cause: cause.map_err(|error| Malformed::new("cause", error))?,
            binding: rest.binding,
            received: rest.received,
            attempt: claims.attempt,
            delivery: if rest.at_most_once { Delivery::AtMostOnce } else { Delivery::AtLeastOnce },
            response_limits: ResponseLimits {
                max: bytes(rest.max_response),
                truncation: bytes(rest.truncation),
            },
            store: store_from_message(rest.store.unwrap_or_default()),
            ticket: Some(ticket),
            // What cannot be read is no trace: it must not cost an activation.
            trace: TraceContext::parse(&rest.traceparent),
        })
    }

    pub(crate) fn delivery(&self) -> Delivery {
        if self.rest.at_most_once { Delivery::AtMostOnce } else { Delivery::AtLeastOnce }
    }
}

#[cfg(feature = "server")]
fn action_from_message(action: wire::Action, claims: &Claims) -> Result<ActionDescriptor, Malformed> {
    Ok(ActionDescriptor {
        id: claims.action.clone(),
        version: action.version.parse().map_err(|error| Malformed::new("version", error))?,
        revision: claims.revision.clone(),
        kind: action.kind,
        image: action.image.parse().map_err(|error| Malformed::new("image", error))?,
        user_provided_image: action.user_provided_image,
        sentinelled_logs: action.sentinelled_logs,
        main: action.main,
        binary: action.binary,
        has_code: action.has_code,
        limits: ActionLimits {
            timeout: action.timeout,
            memory: action.memory,
            logs: action.logs,
            concurrency: action.concurrency,
            // Not the invoker's to heed.
            instances: None,
        },
    })
}

#[cfg(feature = "server")]
fn store_from_message(policy: wire::StorePolicy) -> StorePolicy {
    let level = match policy.level() {
        Level::Unspecified | Level::Never => None,
        Level::Always => Some(StoreLevel::Always),
        Level::Failures => Some(StoreLevel::Failures),
        Level::FailuresNotApplicationErrors => Some(StoreLevel::FailuresNotApplicationErrors),
    };
    StorePolicy { level, log_unstored: policy.log_unstored }
}
