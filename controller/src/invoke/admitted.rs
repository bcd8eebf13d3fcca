//! An invocation that may run: what of it goes to an invoker, to the bus, and into a record.

use std::sync::Arc;

use oxwhisk_core::cache::{CacheAnnotation, CacheUse, CodeOwner};
use oxwhisk_core::entity::{Activation, Response};
use oxwhisk_core::id::{ActivationId, TransactionId};
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_core::size::ByteSize;
use oxwhisk_core::trace::TraceContext;
use oxwhisk_invoker_api::offers::WorkKey;
use oxwhisk_invoker_api::{ApiKey, Delivery, Dispatch, ResponseLimits, StorePolicy};
use serde_json::value::RawValue;

use crate::auth::Caller;
use crate::clock;
use crate::entities::{KnownAction, ParameterCiphers};
use crate::invoke::arguments::{Arguments, ArgumentsError, open};

/// Everything it takes to dispatch an activation, however often.
#[derive(Debug)]
pub struct Admitted {
    pub(crate) id: ActivationId,
    pub(crate) transaction: TransactionId,
    pub(crate) caller: Arc<Caller>,
    /// As it was invoked.
    pub(crate) action: FullyQualifiedName,
    pub(crate) known: Arc<KnownAction>,
    pub(crate) arguments: Arguments,
    pub(crate) blocking: bool,
    pub(crate) extra_logging: bool,
    /// Milliseconds since the epoch.
    pub(crate) received: i64,
    pub(crate) store: StorePolicy,
    /// What it happens in, where the request is traced.
    pub(crate) trace: Option<TraceContext>,
}

impl Admitted {
    #[must_use]
    pub fn id(&self) -> ActivationId {
        self.id
    }

    /// The invoking namespace.
    #[must_use]
    pub fn namespace(&self) -> &EntityName {
        &self.caller.identity.namespace
    }

    /// The uuid of its key.
    #[must_use]
    pub fn namespace_uuid(&self) -> &Arc<str> {
        &self.caller.dispatched.namespace_uuid
    }

    #[must_use]
    pub fn store(&self) -> StorePolicy {
        self.store
    }

    /// Milliseconds that the action may run.
    #[must_use]
    pub fn timeout(&self) -> u64 {
        self.known.action.limits.timeout
    }

    /// What its action's author asked for with the annotation `delivery`.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        delivery(&self.known)
    }

    /// Which containers it can run in.
    #[must_use]
    pub fn work_key(&self) -> WorkKey {
        WorkKey::of(&self.known.descriptor, self.namespace())
    }

    /// From here on it happens in this span.
    pub fn set_trace(&mut self, trace: Option<TraceContext>) {
        self.trace = trace;
    }

    /// See [`crate::Admissions::dispatch`].
    pub(crate) fn dispatch(
        &self,
        ciphers: &ParameterCiphers,
        attempt: u32,
    ) -> Result<Dispatch, ArgumentsError> {
        let opened = open(&self.arguments, ciphers)?;
        let (caller, known) = (&self.caller, &self.known);
        let api_key = known.action.provides_api_key().then(|| ApiKey(caller.identity.auth.compact()));
        let bytes = |size: ByteSize| usize::try_from(size.as_bytes()).unwrap_or(usize::MAX);
        Ok(Dispatch {
            transaction: self.transaction.clone(),
            activation_id: self.id,
            action: Arc::clone(&known.descriptor),
            caller: caller.dispatched.clone(),
            api_key,
            arguments: opened.run,
            init_environment: opened.environment,
            cause: None,
            binding: None,
            received: self.received,
            attempt,
            delivery: self.delivery(),
            response_limits: ResponseLimits {
                max: bytes(caller.limits.payload),
                truncation: bytes(caller.limits.truncation),
            },
            store: self.store,
            cache: self.cache(),
            ticket: None,
            trace: self.trace,
        })
    }

    /// What its action's author asks for and the invoking namespace gives.
    fn cache(&self) -> Option<CacheUse> {
        // Nobody can make bindings yet, so none gives the code of others more than the keys of its own action.
        let binding = CacheAnnotation::Absent;
        let owner = CodeOwner::of(&self.known.action.namespace.namespace, self.namespace(), &binding);
        CacheUse::decide(&self.known.cache, owner, &self.caller.limits.cache)
    }

    /// What the bus keeps; encrypted arguments stay encrypted.
    #[must_use]
    pub fn message(&self) -> ActivationMessage {
        let identity = &self.caller.identity;
        ActivationMessage {
            transaction: self.transaction.clone(),
            activation_id: self.id,
            action: self.action.clone(),
            revision: Some(self.known.revision.clone()),
            binding: None,
            subject: identity.subject.to_string(),
            namespace: identity.namespace.clone(),
            namespace_uuid: identity.auth.uuid.clone(),
            arguments: RawValue::to_owned(&self.arguments.merged),
            init_arguments: self.arguments.init.clone(),
            locked_arguments: self.arguments.locked.clone(),
            blocking: self.blocking,
            cause: None,
            received: self.received,
            attempt: 1,
            extra_logging: self.extra_logging,
            delivery: self.delivery(),
            counted_by: None,
            traceparent: self.trace.map(|trace| trace.to_string()),
        }
    }

    /// A record for an activation that never came to a container.
    #[must_use]
    pub fn record(&self, response: Response) -> Arc<Activation> {
        let identity = &self.caller.identity;
        let (namespace, subject) = (&identity.namespace, &identity.subject);
        let action = self.known.action.id();
        let mut record = fallback_record(namespace, subject, &action, self.id, self.received, response);
        record.version = self.known.action.version;
        Arc::new(record)
    }
}

/// What the action's author asked for with the annotation `delivery`, else what the deployment says.
pub(crate) fn delivery(known: &KnownAction) -> Delivery {
    match known.action.annotations.string("delivery").as_deref() {
        Some("at-most-once") => Delivery::AtMostOnce,
        Some("at-least-once") => Delivery::AtLeastOnce,
        _ => known.delivery,
    }
}

/// A record for a message whose activation has no result and gets none.
#[must_use]
pub fn record_instead(message: &ActivationMessage, response: Response) -> Arc<Activation> {
    let subject = Arc::from(message.subject.as_str());
    Arc::new(fallback_record(
        &message.namespace,
        &subject,
        &message.action,
        message.activation_id,
        message.received,
        response,
    ))
}

/// A record with path and kind only: the action was not there, or not allowed, or not readable.
pub(crate) fn fallback_record(
    namespace: &EntityName,
    subject: &Arc<str>,
    action: &FullyQualifiedName,
    id: ActivationId,
    received: i64,
    response: Response,
) -> Activation {
    let mut annotations = oxwhisk_core::parameters::Parameters::new();
    annotations.set("path", &action.to_string());
    annotations.set("kind", "unknown");
    let now = clock::now_ms().max(received);
    Activation {
        namespace: namespace.clone(),
        name: action.name.clone(),
        version: oxwhisk_core::version::Version::FIRST,
        subject: Arc::clone(subject),
        activation_id: id,
        start: now,
        end: now,
        duration: Some(0),
        cause: None,
        response,
        logs: Vec::new(),
        annotations,
        publish: false,
    }
}
