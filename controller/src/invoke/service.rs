//! Carrying invocations out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::{ActivationId, TransactionId};
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::name::FullyQualifiedName;
use oxwhisk_core::trace::TraceContext;
use oxwhisk_invoker_api::{
    Completion, Delivery, DetachOnDrop, Dispatch, DispatchError, Kept, RecordSink, StorePolicy,
};
use oxwhisk_messaging::{Bus, BusError, Message, Topic};
use oxwhisk_trace::SpanKind;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::auth::Caller;
use crate::clock;
use crate::config::Storing;
use crate::entities::{Actions, KnownAction, ParameterCiphers};
use crate::http::fault::Fault;
use crate::http::reply::Reply;
use crate::invoke::arguments::{Arguments, ArgumentsError, merge};
use crate::invoke::dispatch::{Origin, delivery, dispatch, message};
use crate::invoke::{Fleet, Records, outcome};
use crate::telemetry::Watch;
use crate::throttle::{InFlight, Throttles};

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

/// Records that may wait to be handed over; with more than that, blocking calls are refused before they run.
const OWED: usize = 64;
/// Pause before a record that was not taken is handed over again, doubled up to the longest.
const HAND_OVER_FIRST: Duration = Duration::from_millis(50);
const HAND_OVER_LONGEST: Duration = Duration::from_secs(5);

/// An invocation whose client was told its id and waits no more.
struct Accepted {
    message: ActivationMessage,
    delivery: Delivery,
    store: StorePolicy,
}

/// All it takes to run actions.
#[derive(Debug)]
pub(crate) struct Invocations {
    pub(crate) actions: Arc<Actions>,
    pub(crate) ciphers: ParameterCiphers,
    pub(crate) storing: Storing,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) records: Arc<Records>,
    pub(crate) throttles: Arc<Throttles>,
    pub(crate) tasks: TaskTracker,
    /// Slots of invocations that are queued, until the dispatcher takes them up.
    pub(crate) queued: Mutex<HashMap<ActivationId, InFlight>>,
    /// Records that are owed and were not taken yet.
    pub(crate) owed: AtomicUsize,
    pub(crate) watch: Arc<Watch>,
}

impl Invocations {
    /// Runs the action, or queues it, and answers as the client asked. `slot` is the throttle's, held until the
    /// activation ends.
    pub(crate) async fn invoke(
        self: &Arc<Self>,
        invocation: Invocation,
        slot: InFlight,
    ) -> Result<Reply, Fault> {
        let known = self.actions.get(&invocation.action).await?;
        known.action.check_invocable(self.actions.manifest()).map_err(crate::entities::put_fault)?;
        let arguments = merge(&known.action, &invocation.payload, &self.ciphers)?;
        let id = ActivationId::generate();
        match invocation.wait {
            None => self.queue(&invocation, slot, &known, arguments, id).await,
            Some(_) if self.owed.load(Ordering::Relaxed) >= OWED => {
                Err(Fault::status(StatusCode::SERVICE_UNAVAILABLE))
            }
            Some(wait) => self.run_blocking(invocation, slot, known, arguments, id, wait).await,
        }
    }

    /// Goes on when the client goes: given up half-way, its slot would be kept for good.
    async fn queue(
        self: &Arc<Self>,
        invocation: &Invocation,
        slot: InFlight,
        known: &KnownAction,
        arguments: Arguments,
        id: ActivationId,
    ) -> Result<Reply, Fault> {
        let span = self
            .watch
            .tracer
            .child("activations send", SpanKind::Producer, invocation.trace)
            .marked("controller_kafka", invocation.received);
        let mut message = message(invocation, known, &arguments, id);
        message.traceparent = span.context().map(|trace| trace.to_string());
        // Before producing: the dispatcher may have the message before `produce` returns.
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).insert(id, slot);
        let this = Arc::clone(self);
        let produce = async move {
            let mut span = span;
            let produced = this.produce(Topic::Activations, &message).await;
            if let Err(error) = &produced {
                span.fail(|| error.to_string());
                this.take_slot(id);
            }
            produced
        };
        let produced = DetachOnDrop::new(Box::pin(produce), self.tasks.clone(), Handle::current()).await;
        produced.map(|()| outcome::accepted(id)).map_err(|error| bus_fault(&error))
    }

    pub(crate) fn take_slot(&self, id: ActivationId) -> Option<InFlight> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    pub(crate) async fn produce(&self, topic: Topic, message: &ActivationMessage) -> Result<(), BusError> {
        let payload =
            serde_json::to_vec(message).map_err(|error| BusError::Unavailable(error.to_string()))?;
        let message = Message::new(message.activation_id.to_string(), payload)
            .with_route(message.namespace.to_string())
            .with_attempt(message.attempt);
        self.bus.produce(topic, message).await
    }

    async fn run_blocking(
        self: &Arc<Self>,
        invocation: Invocation,
        slot: InFlight,
        known: Arc<KnownAction>,
        arguments: Arguments,
        id: ActivationId,
        wait: Duration,
    ) -> Result<Reply, Fault> {
        let stores = invocation.caller.limits.store_activations;
        let store = self.storing.policy(true, stores, invocation.extra_logging);
        let end_with = |response: Response| {
            let activation = self.fallback(&invocation.caller, &known, id, invocation.received, response);
            self.keep(&activation, store);
            Ok(outcome::ended(&activation, invocation.result_only))
        };
        if let Err(violation) = known.action.limits.check(&invocation.caller.limits) {
            return end_with(Response::error(Status::ApplicationError, &violation.to_string()));
        }
        let origin = Origin {
            transaction: invocation.transaction.clone(),
            received: invocation.received,
            attempt: 1,
            store,
            trace: invocation.trace,
        };
        let dispatch = match dispatch(&invocation.caller, &known, &arguments, &self.ciphers, id, origin) {
            Ok(dispatch) => dispatch,
            Err(ArgumentsError::Malformed(error)) => return Err(Fault::malformed_content(error)),
            Err(error) => {
                tracing::error!(action = %known.action.id(), %error, "cannot dispatch an activation");
                return end_with(Response::error(Status::WhiskError, &error.to_string()));
            }
        };
        let this = Arc::clone(self);
        let run = async move {
            let ended = this.run(dispatch).await;
            drop(slot);
            ended
        };
        let mut run = DetachOnDrop::new(Box::pin(run), self.tasks.clone(), Handle::current());
        match tokio::time::timeout(wait, &mut run).await {
            Ok(Ok(Completion { activation, cut_off, record_refused })) => {
                if cut_off {
                    // The caller is told so, and nobody else waits for it.
                    self.keep(&activation, store);
                }
                let answer = outcome::ended(&activation, invocation.result_only);
                if record_refused {
                    // The answer discloses the id.
                    let this = Arc::clone(self);
                    self.tasks.spawn(async move { this.hand_over(&activation).await });
                }
                Ok(answer)
            }
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_elapsed) => {
                let owed = Accepted {
                    message: message(&invocation, &known, &arguments, id),
                    delivery: delivery(&known),
                    store,
                };
                self.outlive(run, owed).await?;
                Ok(outcome::accepted(id))
            }
        }
    }

    /// Runs an activation at an invoker, watched.
    pub(crate) async fn run(&self, mut dispatch: Dispatch) -> Result<Completion, DispatchError> {
        let _running = self.watch.counts.dispatched.hold();
        let mut span = self
            .watch
            .tracer
            .child("dispatch", SpanKind::Client, dispatch.trace)
            .marked("controller_loadbalancer", dispatch.received);
        span.set("openwhisk.activation_id", || dispatch.activation_id.to_string());
        span.set("openwhisk.attempt", || dispatch.attempt);
        dispatch.trace = span.context();
        let ended = self.fleet.run(dispatch).await;
        if let Err(error) = &ended {
            self.watch.counts.refused.increment();
            span.fail(|| error.to_string());
        }
        ended
    }

    /// The client learns the id and nothing else, so from now on a record is owed: the invocation is noted durably
    /// before the answer, and goes on in a task of its own.
    async fn outlive(
        self: &Arc<Self>,
        run: DetachOnDrop<Result<Completion, DispatchError>>,
        Accepted { message, delivery, store }: Accepted,
    ) -> Result<(), Fault> {
        let noted = self.produce(Topic::InFlight, &message).await;
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let id = message.activation_id;
            match run.await {
                // Its note survives the shutdown, so it runs again at the next start.
                Ok(Completion { cut_off: true, .. }) if delivery == Delivery::AtLeastOnce => {}
                Ok(Completion { activation, record_refused, cut_off }) => {
                    if record_refused || (cut_off && matches!(this.keep(&activation, store), Kept::Refused(_))) {
                        this.hand_over(&activation).await;
                    }
                    this.note_done(&activation).await;
                }
                Err(error) => {
                    // Nobody ran it, so it is still owed: queued like a non-blocking one.
                    tracing::warn!(activation_id = %id, %error, "an accepted activation was refused, queueing it");
                    if let Err(error) = this.produce(Topic::Activations, &message).await {
                        tracing::error!(activation_id = %id, %error, "cannot queue an accepted activation");
                        return;
                    }
                    this.complete_note(id).await;
                }
            }
        });
        noted.map_err(|error| bus_fault(&error))
    }

    async fn note_done(&self, activation: &Activation) {
        self.records.settled(activation.activation_id).await;
        self.complete_note(activation.activation_id).await;
    }

    pub(crate) async fn complete_note(&self, id: ActivationId) {
        if let Err(error) = self.bus.withdraw(Topic::InFlight, &id.to_string()).await {
            // It comes again after a restart and is found to have a record.
            tracing::warn!(activation_id = %id, %error, "cannot mark an activation as done");
        }
    }

    /// A record for an activation that never came to a container.
    pub(crate) fn fallback(
        &self,
        caller: &Caller,
        known: &KnownAction,
        id: ActivationId,
        received: i64,
        response: Response,
    ) -> Arc<Activation> {
        let mut activation = fallback_record(caller, &known.action.id(), id, received, response);
        activation.version = known.action.version;
        Arc::new(activation)
    }

    /// Whether the record of a message's activation is kept.
    pub(crate) fn store_policy(&self, caller: &Caller, message: &ActivationMessage) -> StorePolicy {
        self.storing.policy(message.blocking, caller.limits.store_activations, message.extra_logging)
    }

    /// Hands over a record that is owed to somebody, again and again until it is taken, or never can be.
    pub(crate) async fn hand_over(&self, activation: &Arc<Activation>) {
        let _owed = Owed::begin(&self.owed);
        let mut pause = HAND_OVER_FIRST;
        while let Err(error) = self.records.accept(activation, None) {
            tracing::error!(activation_id = %activation.activation_id, %error, "a record that is owed is not kept");
            if error.lasting {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(HAND_OVER_LONGEST);
        }
    }

    /// Hands a record over to be stored, if `policy` wants it.
    pub(crate) fn keep(&self, activation: &Arc<Activation>, policy: StorePolicy) -> Kept {
        let kept = policy.keep(&*self.records, activation, None);
        if let Kept::Refused(error) = &kept {
            tracing::error!(activation_id = %activation.activation_id, %error, "cannot keep a record");
        }
        kept
    }
}

/// Counts one record for as long as it is owed, also if whoever waits for that gives up.
struct Owed<'a>(&'a AtomicUsize);

impl<'a> Owed<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A record with path and kind only: the action was not there, or not allowed, or not readable.
pub(crate) fn fallback_record(
    caller: &Caller,
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
        namespace: caller.identity.namespace.clone(),
        name: action.name.clone(),
        version: oxwhisk_core::version::Version::FIRST,
        subject: Arc::clone(&caller.identity.subject),
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

fn refusal(error: &DispatchError) -> Fault {
    outcome::refused(error)
}

fn bus_fault(error: &BusError) -> Fault {
    tracing::error!(%error, "the bus did not take an invocation");
    match error {
        BusError::TooLarge { size, limit } => Fault::too_large("Request", *size as u64, *limit as u64),
        BusError::Full { .. }
        | BusError::TimedOut { .. }
        | BusError::Forbidden(_)
        | BusError::Unavailable(_)
        | BusError::Closed => Fault::status(StatusCode::SERVICE_UNAVAILABLE),
    }
}
