//! What is admitted to run: requests, and messages that were admitted before and come from the bus.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::{ActivationId, TransactionId};
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::name::FullyQualifiedName;
use oxwhisk_core::trace::TraceContext;
use oxwhisk_invoker_api::{Dispatch, ResponseLimits, StorePolicy};
use oxwhisk_trace::{Span, SpanKind};
use serde_json::value::RawValue;

use crate::auth::{Authenticator, Caller};
use crate::config::Storing;
use crate::entities::{Actions, KnownAction, ParameterCiphers};
use crate::http::fault::Fault;
use crate::invoke::Admitted;
use crate::invoke::admitted::fallback_record;
use crate::invoke::arguments::{Arguments, ArgumentsError, merge};
use crate::telemetry::{Dispatching, Watch};
use crate::throttle::{InFlight, Throttles, readmit};

/// One request to run an action.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) transaction: TransactionId,
    pub(crate) caller: Arc<Caller>,
    pub(crate) action: FullyQualifiedName,
    /// A JSON object.
    pub(crate) payload: Arc<RawValue>,
    /// How long the client waits for the result; `None` does not wait.
    pub(crate) wait: Option<Duration>,
    pub(crate) result_only: bool,
    pub(crate) extra_logging: bool,
    /// Milliseconds since the epoch.
    pub(crate) received: i64,
    pub(crate) trace: Option<TraceContext>,
}

/// What becomes of a message from the bus.
#[derive(Debug)]
pub enum Readmission {
    Admitted(Box<Admitted>),
    /// It cannot run any more, and its record says why.
    Instead {
        record: Arc<Activation>,
        store: StorePolicy,
    },
    /// Its namespace may no longer invoke: nobody asks for a record.
    Forgotten,
    /// The store is away: to be asked again.
    Later,
}

/// Why a dispatch cannot be made.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct NotOpened(#[from] ArgumentsError);

/// All it takes to admit.
#[derive(Debug)]
pub struct Admissions {
    pub(crate) actions: Arc<Actions>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) ciphers: ParameterCiphers,
    pub(crate) storing: Storing,
    pub(crate) throttles: Arc<dyn Throttles>,
    pub(crate) watch: Arc<Watch>,
}

impl Admissions {
    /// Finds the action and lays the payload over its parameters.
    ///
    /// # Errors
    /// When there is no such action, or it cannot be called like this.
    pub(crate) async fn admit(&self, invocation: Invocation) -> Result<Admitted, Fault> {
        let known = self.actions.get(&invocation.action).await?;
        known.action.check_invocable(self.actions.manifest()).map_err(crate::entities::put_fault)?;
        let arguments = merge(&known.action, &invocation.payload, &self.ciphers)?;
        let Invocation { transaction, caller, action, wait, extra_logging, received, trace, .. } = invocation;
        let stores = caller.limits.store_activations;
        Ok(Admitted {
            id: ActivationId::generate(),
            store: self.storing.policy(wait.is_some(), stores, extra_logging),
            transaction,
            caller,
            action,
            known,
            arguments,
            blocking: wait.is_some(),
            extra_logging,
            received,
            trace,
        })
    }

    /// Admits what was admitted before: identity and action are looked up again, so that a key that was revoked and an
    /// action that was changed meanwhile count.
    pub async fn readmit(&self, message: &ActivationMessage) -> Readmission {
        let caller = match self.authenticator.of_namespace(&message.namespace).await {
            Ok(Some(caller)) => caller,
            Ok(None) => {
                let (id, namespace) = (message.activation_id, &message.namespace);
                tracing::warn!(activation_id = %id, %namespace, "the namespace may no longer invoke");
                return Readmission::Forgotten;
            }
            Err(error) => {
                tracing::error!(%error, "cannot look an identity up");
                return Readmission::Later;
            }
        };
        let store =
            self.storing.policy(message.blocking, caller.limits.store_activations, message.extra_logging);
        let instead = |response: Response| Readmission::Instead {
            record: Arc::new(fallback_record(
                &caller.identity.namespace,
                &caller.identity.subject,
                &message.action,
                message.activation_id,
                message.received,
                response,
            )),
            store,
        };
        let known = match self.actions.find(&message.action).await {
            Ok(Some(known)) => known,
            Ok(None) => {
                let text = "Action could not be found or may have been deleted.";
                return instead(Response::error(Status::ApplicationError, text));
            }
            // The store is away. A document that is there and cannot be read will not get better by waiting.
            Err(fault)
                if fault.status == http::StatusCode::INTERNAL_SERVER_ERROR && fault != Fault::corrupted() =>
            {
                tracing::error!(action = %message.action, error = fault.message, "cannot read an action");
                return Readmission::Later;
            }
            Err(_) => {
                let text = "Action version is not compatible and cannot be invoked.";
                return instead(Response::error(Status::WhiskError, text));
            }
        };
        if let Some(response) = violation(&known, &caller) {
            return instead(response);
        }
        Readmission::Admitted(Box::new(Admitted {
            id: message.activation_id,
            transaction: message.transaction.clone(),
            caller,
            action: message.action.clone(),
            known,
            arguments: Arguments {
                merged: Arc::from(message.arguments.clone()),
                init: message.init_arguments.clone(),
                locked: message.locked_arguments.clone(),
            },
            blocking: message.blocking,
            extra_logging: message.extra_logging,
            received: message.received,
            store,
            trace: trace_of(message),
        }))
    }

    /// A dispatch of one of the platform's own actions, which is created if it is not there; it counts for no limit and
    /// no record is kept of it. `code` is JavaScript.
    ///
    /// # Errors
    /// A text for people when the action cannot be had.
    pub async fn system_dispatch(
        &self,
        name: &FullyQualifiedName,
        code: &str,
        transaction: &str,
    ) -> Result<Dispatch, String> {
        let known = match self.actions.find(name).await.map_err(|fault| fault.message)? {
            Some(known) => known,
            None => {
                self.actions.put_system_action(name, code).await.map_err(|fault| fault.message)?;
                self.actions.get(name).await.map_err(|fault| fault.message)?
            }
        };
        Ok(Dispatch {
            transaction: TransactionId::system(transaction),
            activation_id: ActivationId::generate(),
            action: Arc::clone(&known.descriptor),
            caller: oxwhisk_invoker_api::Caller {
                subject: name.path.namespace.as_str().into(),
                namespace: name.path.namespace.clone(),
                namespace_uuid: "".into(),
            },
            api_key: None,
            arguments: Arc::from(RawValue::from_string("{}".to_owned()).map_err(|error| error.to_string())?),
            init_environment: Vec::new(),
            cause: None,
            binding: None,
            received: crate::clock::now_ms(),
            attempt: 1,
            delivery: oxwhisk_invoker_api::Delivery::AtMostOnce,
            response_limits: ResponseLimits { max: 1 << 20, truncation: 1 << 10 },
            store: StorePolicy::NEVER,
            cache: None,
            ticket: None,
            trace: None,
        })
    }

    /// Why the limits that hold for it now do not let it run, as its response.
    pub(crate) fn violation(&self, admitted: &Admitted) -> Option<Response> {
        violation(&admitted.known, &admitted.caller)
    }

    /// Counts an invocation that was admitted before, whatever the limits are now.
    #[must_use]
    pub fn slot(&self, admitted: &Admitted) -> InFlight {
        readmit(&self.throttles, &admitted.caller)
    }

    /// What goes to an invoker: from here on encrypted arguments are plain. Without a ticket.
    ///
    /// # Errors
    /// When the arguments cannot be opened or separated.
    pub fn dispatch(&self, admitted: &Admitted, attempt: u32) -> Result<Dispatch, NotOpened> {
        Ok(admitted.dispatch(&self.ciphers, attempt)?)
    }

    /// Begins the span of a message of the bus, as long as it is worked off; see [`Admitted::set_trace`].
    pub fn taken_up(&self, message: &ActivationMessage) -> Span {
        let sent = trace_of(message);
        let mut span = self.watch.tracer.remote_child("activations process", SpanKind::Consumer, sent);
        span.set("openwhisk.activation_id", || message.activation_id.to_string());
        span
    }

    /// Watches an activation on its way to an invoker and back.
    pub fn dispatching(&self, dispatch: &Dispatch) -> Dispatching {
        self.watch.dispatching(dispatch)
    }
}

/// What cannot be read is no trace: it must not cost an activation.
fn trace_of(message: &ActivationMessage) -> Option<TraceContext> {
    TraceContext::parse(message.traceparent.as_deref()?)
}

fn violation(known: &KnownAction, caller: &Caller) -> Option<Response> {
    let violation = known.action.limits.check(&caller.limits).err()?;
    Some(Response::error(Status::ApplicationError, &violation.to_string()))
}
