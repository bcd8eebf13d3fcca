//! Dispatches as an invoker gets them.

use std::sync::Arc;

use bytes::Bytes;
use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::entity::StoreLevel;
use oxwhisk_core::id::TransactionId;
use oxwhisk_core::limits::ActionLimits;
use oxwhisk_core::trace::TraceContext;
use oxwhisk_invoker_api::{
    ActionDescriptor, ApiKey, CacheUse, Caller, Dispatch, ResponseLimits, StorePolicy,
};
use oxwhisk_proto::dispatch::v1::store_policy::Level;
use oxwhisk_proto::dispatch::v1::{self as wire, dispatch_activation};
use oxwhisk_ticket::{Claims, Ticket};
use serde_json::value::RawValue;

use crate::convert::Malformed;

/// Where the arguments of a received dispatch are.
#[derive(Debug)]
pub(crate) enum Arguments {
    Here(Bytes),
    Put,
}

/// A dispatch as it came, its arguments still to be joined to it.
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

impl Received {
    /// The dispatch with its arguments, a JSON object or array.
    pub(crate) fn into_dispatch(self, arguments: Bytes) -> Result<Dispatch, Malformed> {
        let malformed = |error: &dyn std::fmt::Display| Malformed::new("arguments", error);
        let text = String::from_utf8(arguments.into()).map_err(|error| malformed(&error))?;
        let arguments = RawValue::from_string(text).map_err(|error| malformed(&error))?;
        let Self { claims, ticket, action, rest, .. } = self;
        let cache = rest.cache.map(|used| cache_from_message(used, &claims)).transpose()?;
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
            cache,
            ticket: Some(ticket),
            // What cannot be read is no trace: it must not cost an activation.
            trace: TraceContext::parse(&rest.traceparent),
        })
    }

    pub(crate) fn delivery(&self) -> Delivery {
        if self.rest.at_most_once { Delivery::AtMostOnce } else { Delivery::AtLeastOnce }
    }
}

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

fn cache_from_message(used: wire::CacheUse, claims: &Claims) -> Result<CacheUse, Malformed> {
    let grant = match (used.refusal, claims.cache) {
        (Some(refusal), _) => Err(refusal),
        (None, Some(grant)) => Ok(grant),
        (None, None) => return Err(Malformed::new("cache", "the ticket grants nothing of it")),
    };
    Ok(CacheUse { grant, required: used.required })
}

fn store_from_message(policy: wire::StorePolicy) -> StorePolicy {
    let level = match policy.level() {
        Level::Unspecified | Level::Never => None,
        Level::Always => Some(StoreLevel::Always),
        Level::Failures => Some(StoreLevel::Failures),
        Level::FailuresNotApplicationErrors => Some(StoreLevel::FailuresNotApplicationErrors),
    };
    StorePolicy { level, log_unstored: policy.log_unstored }
}
