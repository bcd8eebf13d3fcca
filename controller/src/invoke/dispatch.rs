//! What goes to an invoker for one activation, and what goes on the bus for one that is to run later.

use std::sync::Arc;

use oxwhisk_core::id::{ActivationId, TransactionId};
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::size::ByteSize;
use oxwhisk_core::trace::TraceContext;
use oxwhisk_invoker_api::{ApiKey, Delivery, Dispatch, ResponseLimits, StorePolicy};
use serde_json::value::RawValue;

use crate::auth::Caller;
use crate::entities::{KnownAction, ParameterCiphers};
use crate::invoke::arguments::{Arguments, ArgumentsError, open};
use crate::invoke::service::Invocation;

/// Where an activation comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) transaction: TransactionId,
    /// Milliseconds since the epoch.
    pub(crate) received: i64,
    pub(crate) attempt: u32,
    pub(crate) store: StorePolicy,
    pub(crate) trace: Option<TraceContext>,
}

/// What goes to an invoker: from here on encrypted arguments are plain.
///
/// # Errors
/// When the arguments cannot be opened or separated.
pub(crate) fn dispatch(
    caller: &Caller,
    known: &KnownAction,
    arguments: &Arguments,
    ciphers: &ParameterCiphers,
    id: ActivationId,
    origin: Origin,
) -> Result<Dispatch, ArgumentsError> {
    let opened = open(arguments, ciphers)?;
    let api_key = known.action.provides_api_key().then(|| ApiKey(caller.identity.auth.compact()));
    let bytes = |size: ByteSize| usize::try_from(size.as_bytes()).unwrap_or(usize::MAX);
    Ok(Dispatch {
        transaction: origin.transaction,
        activation_id: id,
        action: Arc::clone(&known.descriptor),
        caller: caller.dispatched.clone(),
        api_key,
        arguments: opened.run,
        init_environment: opened.environment,
        cause: None,
        binding: None,
        received: origin.received,
        attempt: origin.attempt,
        delivery: delivery(known),
        response_limits: ResponseLimits {
            max: bytes(caller.limits.payload),
            truncation: bytes(caller.limits.truncation),
        },
        store: origin.store,
        ticket: None,
        trace: origin.trace,
    })
}

/// What the action's author asked for with the annotation `delivery`.
pub(crate) fn delivery(known: &KnownAction) -> Delivery {
    match known.action.annotations.string("delivery").as_deref() {
        Some("at-most-once") => Delivery::AtMostOnce,
        _ => Delivery::AtLeastOnce,
    }
}

/// What the bus keeps; encrypted arguments stay encrypted.
pub(crate) fn message(
    invocation: &Invocation,
    known: &KnownAction,
    arguments: &Arguments,
    id: ActivationId,
) -> ActivationMessage {
    let identity = &invocation.caller.identity;
    ActivationMessage {
        transaction: invocation.transaction.clone(),
        activation_id: id,
        action: invocation.action.clone(),
        revision: Some(known.revision.clone()),
        binding: None,
        subject: identity.subject.to_string(),
        namespace: identity.namespace.clone(),
        namespace_uuid: identity.auth.uuid.clone(),
        arguments: RawValue::to_owned(&arguments.merged),
        init_arguments: arguments.init.clone(),
        locked_arguments: arguments.locked.clone(),
        blocking: invocation.wait.is_some(),
        cause: None,
        received: invocation.received,
        attempt: 1,
        extra_logging: invocation.extra_logging,
        delivery: delivery(known),
        traceparent: invocation.trace.map(|trace| trace.to_string()),
    }
}
