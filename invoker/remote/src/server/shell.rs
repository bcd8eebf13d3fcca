//! Does what the keeper decides.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::{Ended, Incarnation, KeeperEffect, KeeperEvent, Order, RecordState, Refusal, Said};
use oxwhisk_invoker_api::offers::{OfferId, RoomSignal};
use oxwhisk_invoker_api::{Completion, Dispatch, DispatchError, RecordContext, RoomWatch, StorePolicy};
use oxwhisk_messaging::Bus;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::arguments::PutArguments;
use super::conversation::Conversing;
use super::outbox::Outbox;
use super::reply::Explanation;
use super::state::{Conversation, Ordered, State, Work};
use super::{InvokerIdentity, InvokerServerOptions, reply, rooms};

/// Between two messages about room.
const CAPACITY_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Shell {
    pub(super) identity: InvokerIdentity,
    pub(super) options: InvokerServerOptions,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) put: PutArguments,
    invoker: OnceLock<Arc<dyn RoomWatch>>,
    state: Mutex<State>,
    /// Told when an activation was forgotten.
    forgotten: Notify,
    /// Told when controllers should be told of room.
    report: Notify,
    /// Told when room may have come free that somebody wants.
    pub(super) room: Arc<RoomSignal>,
    /// Told when the first offer is held.
    pub(super) offers_held: Notify,
    /// Told when it begins to drain.
    pub(super) drained: Notify,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Shell {
    pub(super) fn new(identity: InvokerIdentity, bus: Arc<dyn Bus>, options: InvokerServerOptions) -> Self {
        Self {
            put: PutArguments::new(options.max_put, options.put_timeout),
            state: Mutex::new(State::new(options.max_held, rooms::book(&options, 0))),
            identity,
            options,
            bus,
            invoker: OnceLock::new(),
            forgotten: Notify::new(),
            report: Notify::new(),
            room: Arc::default(),
            offers_held: Notify::new(),
            drained: Notify::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    pub(super) fn attach(self: &Arc<Self>, invoker: Arc<dyn RoomWatch>) {
        invoker.watch(Arc::clone(&self.room));
        {
            // Under the lock, so that no dispatch finds the invoker before the book knows how large it is.
            let mut state = self.state();
            if self.invoker.set(Arc::clone(&invoker)).is_err() {
                return;
            }
            state.book = rooms::book(&self.options, invoker.capacity().memory);
        }
        let this = Arc::clone(self);
        self.tasks.spawn(async move { this.stop.run_until_cancelled(this.tell_room()).await });
        let this = Arc::clone(self);
        self.tasks.spawn(async move { this.stop.run_until_cancelled(this.give_out_room()).await });
        self.report.notify_one();
    }

    pub(super) fn invoker(&self) -> Option<&Arc<dyn RoomWatch>> {
        self.invoker.get()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn held(&self) -> usize {
        self.state().keeper.len()
    }

    /// Has the keeper decide on what happened, and does that. Never waits.
    pub(super) fn handle(self: &Arc<Self>, event: KeeperEvent) {
        let mut state = self.state();
        self.handle_in(&mut state, event);
    }

    pub(super) fn handle_in(self: &Arc<Self>, state: &mut State, event: KeeperEvent) {
        for effect in state.keeper.handle(event) {
            match effect {
                KeeperEffect::Say { to, said } => self.say(state, to, &said),
                KeeperEffect::Run(message) => self.run(state, message.id),
                // Records are handed over where they are made; what is refused there is handed over again.
                KeeperEffect::WriteRecord(_) => {}
                KeeperEffect::Forget(id) => {
                    state.work.remove(&id);
                    self.forgotten.notify_waiters();
                }
            }
        }
    }

    /// A controller that does not read what it is told has its conversation ended; it comes back and is told anew.
    fn say(&self, state: &mut State, to: Incarnation, said: &Said) {
        let message = match said {
            Said::Ended { id, ended } => {
                let work = state.work.get(id).map(|work| (work.document.clone(), work.logs_follow));
                let (document, logs_follow) = work.unwrap_or_default();
                reply::ended(*id, *ended, document, logs_follow)
            }
            Said::Refused { id, why } => {
                let explanation = state.work.get(id).and_then(|work| work.refusal.clone());
                reply::refused(*id, *why, explanation.unwrap_or_default(), self.free(state))
            }
            Said::Welcome { resumed, held } => {
                let capacity = self.capacity(state);
                reply::hello(&self.identity, *resumed, held, capacity, state.keeper.is_draining())
            }
            Said::Holding { round, held } => reply::holding(*round, held),
            Said::Unknown(id) => reply::unknown(*id),
            Said::Started(id) => reply::started(*id),
            Said::RecordDurable(id) => reply::recorded(*id),
        };
        let unsent = |conversation: &Conversation| conversation.outbound.try_send(Ok(message)).is_err();
        if state.conversations.get(&to).is_some_and(unsent) {
            tracing::warn!(controller = to.0, "a controller does not take what it is told");
            self.hang_up(state, to);
        }
    }

    /// An order of a controller that is no dispatch.
    pub(super) fn order(self: &Arc<Self>, from: &Conversing, order: Order) {
        let mut state = self.state();
        if state.is_latest(from.by, from.number) {
            self.handle_in(&mut state, KeeperEvent::Ordered { from: from.by, order });
        }
    }

    /// A dispatch, which may name an offer. What is held already is not replaced by a second one.
    pub(super) fn dispatch(
        self: &Arc<Self>,
        from: &Conversing,
        message: oxwhisk_dispatch::Message,
        dispatch: Dispatch,
        offer: Option<OfferId>,
    ) {
        let mut state = self.state();
        if !state.is_latest(from.by, from.number) {
            return;
        }
        let (id, by) = (message.id, from.by);
        state.work.entry(id).or_insert_with(|| Work::new(Ordered { dispatch, by, offer }));
        let order = Order::Dispatch(message);
        self.handle_in(&mut state, KeeperEvent::Ordered { from: from.by, order });
        if state.keeper.phase(id).is_none() {
            state.work.remove(&id);
        }
        // Where it was attached to what runs already, or refused before it came to that.
        if let Some(offer) = offer {
            self.drop_offer(&mut state, by, offer);
        }
    }

    fn run(self: &Arc<Self>, state: &mut State, id: ActivationId) {
        let Some(ordered) = state.work.get_mut(&id).and_then(|work| work.ordered.take()) else { return };
        let Dispatch { store: policy, ticket, trace, .. } = &ordered.dispatch;
        let (policy, ticket, trace) = (*policy, ticket.clone(), *trace);
        match self.take_in(state, ordered) {
            Ok(activating) => {
                let this = Arc::clone(self);
                self.tasks.spawn(async move {
                    match activating.await {
                        Ok(completion) => {
                            let of = RecordContext { ticket: ticket.as_ref(), trace };
                            this.completed(&completion, policy, of).await;
                        }
                        Err(error) => this.not_run(&mut this.state(), id, &error),
                    }
                    this.report.notify_one();
                });
            }
            Err(error) => self.not_run(state, id, &error),
        }
    }

    async fn completed(
        self: &Arc<Self>,
        completion: &Completion,
        policy: StorePolicy,
        of: RecordContext<'_>,
    ) {
        let wanted = policy.stores(completion.activation.response.status);
        self.ended(completion, wanted);
        if completion.record_refused && wanted {
            Outbox(Arc::clone(self)).hand_over(&completion.activation, of).await;
        }
    }

    fn ended(self: &Arc<Self>, completion: &Completion, wanted: bool) {
        let Completion { activation, logs_follow, cut_off, .. } = completion;
        let id = activation.activation_id;
        let document = activation.to_document(activation.end).into();
        let mut state = self.state();
        let Some(work) = state.work.get_mut(&id) else { return };
        (work.document, work.logs_follow) = (document, *logs_follow);
        let record = match (wanted, work.durable) {
            (false, _) => RecordState::Unwanted,
            (true, true) => RecordState::Durable,
            (true, false) => RecordState::Pending,
        };
        let ended = Ended { cut_off: *cut_off, record };
        self.handle_in(&mut state, KeeperEvent::Ended { id, ended });
    }

    fn not_run(self: &Arc<Self>, state: &mut State, id: ActivationId, error: &DispatchError) {
        let (why, memory) = match error {
            DispatchError::NoRoom { memory, .. } => (Refusal::NoRoom, *memory),
            DispatchError::Draining => (Refusal::Draining, 0),
            DispatchError::Unreachable(_) => (Refusal::NoRoom, 0),
        };
        if let Some(work) = state.work.get_mut(&id) {
            work.refusal = Some(Explanation { text: error.to_string(), memory });
        }
        self.handle_in(state, KeeperEvent::NotRun { id, why });
    }

    /// A record of it is on the bus.
    pub(super) fn durable(self: &Arc<Self>, id: ActivationId) {
        let mut state = self.state();
        if let Some(work) = state.work.get_mut(&id) {
            work.durable = true;
        }
        self.handle_in(&mut state, KeeperEvent::RecordDurable(id));
    }

    /// Tells controllers about room after it may have changed, at most ten times a second.
    async fn tell_room(&self) {
        loop {
            self.report.notified().await;
            tokio::time::sleep(CAPACITY_PAUSE).await;
            let state = self.state();
            let message = reply::capacity(self.capacity(&state), state.keeper.is_draining());
            for conversation in state.conversations.values() {
                // Another one follows.
                let _ = conversation.outbound.try_send(Ok(message.clone()));
            }
        }
    }

    pub(super) fn drain(self: &Arc<Self>) {
        self.handle(KeeperEvent::Drain);
        self.report.notify_one();
        self.drained.notify_one();
    }

    pub(super) async fn close(self: &Arc<Self>, grace: Duration) -> bool {
        self.drain();
        let emptied = async {
            loop {
                let forgotten = self.forgotten.notified();
                tokio::pin!(forgotten);
                forgotten.as_mut().enable();
                if self.held() == 0 {
                    return;
                }
                forgotten.await;
            }
        };
        let emptied = tokio::time::timeout(grace, emptied).await.is_ok();
        self.stop.cancel();
        self.state().conversations.clear();
        self.tasks.close();
        let ended = tokio::time::timeout(grace, self.tasks.wait()).await.is_ok();
        emptied && ended
    }
}
