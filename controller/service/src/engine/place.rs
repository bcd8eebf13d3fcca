//! From "place it" to an invoker: whom to ask, who waits, what comes back.

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use oxwhisk_controller::{Admissions, Admitted, Readmission, Refused};
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_core::record::RecordKind;
use oxwhisk_dispatch::{Call, Event, Stage};
use oxwhisk_invoker_api::StorePolicy;
use oxwhisk_invoker_remote::client::Outgoing;
use oxwhisk_loadbalancer::balancer::{Effect as Balanced, Refusal, Work};
use oxwhisk_loadbalancer::fleet::Outcome;
use oxwhisk_trace::Span;

use super::Core;
use super::live::{At, Ready, Returned};
use super::state::State;
use super::step::Due;

impl State {
    /// It runs on no invoker (any more), as far as the balancer counts.
    pub(super) fn leave_invoker(&mut self, id: ActivationId, outcome: Option<Outcome>, now: Instant) {
        let Some(live) = self.live.get_mut(&id) else { return };
        let (Some(at), Some(ready)) = (live.at.take(), &live.ready) else { return };
        let key = Arc::clone(&ready.key);
        if let Some(talk) = self.talks.get_mut(&at.invoker) {
            talk.running = talk.running.saturating_sub(1);
        }
        let effects = self.balancer.ended(at.invoker, &key, outcome, now);
        self.after_balance.extend(effects);
    }
}

impl Core {
    pub(super) fn place(self: &Arc<Self>, state: &mut State, id: ActivationId, due: &mut Due) {
        let now = Instant::now();
        let Some(live) = state.live.get_mut(&id) else { return };
        let Some(ready) = &live.ready else { return self.prepare(state, id) };
        let key = Arc::clone(&ready.key);
        // Not as long as its client waits: that ends with a 202, and it stands in line all the same.
        let deadline = now + self.config.line.wait_limit;
        let work = Work { key: Arc::clone(&key), deadline, payload: id };
        let at = live.at.take();
        if let (Some(at), Some(Returned { invoker, free })) = (at, live.returned.take())
            && at.invoker == invoker
        {
            if let Some(talk) = state.talks.get_mut(&invoker) {
                talk.running = talk.running.saturating_sub(1);
            }
            if at.from_line {
                let effects = state.balancer.returned(invoker, work, free, now);
                return self.balance(state, effects, due);
            }
            state.balancer.refused(invoker, &key, free);
            live.tried.push(invoker);
        } else if let Some(at) = at {
            live.at = Some(at);
            state.leave_invoker(id, None, now);
        }
        let Some(live) = state.live.get_mut(&id) else { return };
        let probes = state.balancer.probe(&key, salt(id));
        if let Some(invoker) = probes.as_slice().iter().find(|invoker| !live.tried.contains(invoker)) {
            state.balancer.begin(*invoker, &key);
            live.at = Some(At { invoker: *invoker, from_line: false, offer: None });
            due.push_back(Event::Placed { id, invoker: *invoker });
            return;
        }
        live.tried.clear();
        match state.balancer.wait(work, now) {
            Ok(effects) => self.balance(state, effects, due),
            Err((_, refusal)) => self.refused(state, id, refusal, due),
        }
    }

    /// Does what the balancer says.
    pub(super) fn balance(
        self: &Arc<Self>,
        state: &mut State,
        effects: Vec<Balanced<ActivationId>>,
        due: &mut Due,
    ) {
        for effect in effects {
            match effect {
                Balanced::Serve { work, invoker, offer } => {
                    let id = work.payload;
                    let waits = state.stage(id) == Some(Stage::Placing);
                    match state.live.get_mut(&id).filter(|live| waits && live.at.is_none()) {
                        Some(live) => {
                            live.at = Some(At { invoker, from_line: true, offer });
                            due.push_back(Event::Placed { id, invoker });
                        }
                        // Its client has gone.
                        None => {
                            let unused = state.balancer.ended(invoker, &work.key, None, Instant::now());
                            state.after_balance.extend(unused);
                            offer.into_iter().for_each(|offer| state.send(invoker, Outgoing::Decline(offer)));
                        }
                    }
                }
                Balanced::Refuse { work, refusal } => self.refused(state, work.payload, refusal, due),
                Balanced::Want { invoker, want, key, count } => {
                    state.send(invoker, Outgoing::Want { want, key, count });
                }
                Balanced::Decline { invoker, offer } => state.send(invoker, Outgoing::Decline(offer)),
                Balanced::Fleet(effect) => self.follow_fleet(state, effect, due),
            }
        }
        let later = std::mem::take(&mut state.after_balance);
        if !later.is_empty() {
            self.balance(state, later, due);
        }
    }

    /// The dispatcher had another use for the place: somebody holds the activation already.
    pub(super) fn undo_unused_place(
        self: &Arc<Self>,
        state: &mut State,
        id: ActivationId,
        invoker: InvokerId,
        due: &mut Due,
    ) {
        let goes_there =
            |stage| matches!(stage, Stage::Dispatched { invoker: at, adopted: false, .. } if at == invoker);
        if state.stage(id).is_some_and(goes_there) {
            return;
        }
        let offer = state.live.get(&id).and_then(|live| live.at?.offer);
        offer.into_iter().for_each(|offer| state.send(invoker, Outgoing::Decline(offer)));
        state.leave_invoker(id, None, Instant::now());
        self.balance(state, Vec::new(), due);
    }

    /// Nobody takes it now. A client that waits for nothing but this is told so; what is owed is offered again later.
    fn refused(self: &Arc<Self>, state: &mut State, id: ActivationId, refusal: Refusal, due: &mut Due) {
        let waits = state.dispatcher.entry(id).is_some_and(|entry| entry.call == Some(Call::Waiting));
        let Some(live) = state.live.get_mut(&id) else { return };
        if let Some(mut dispatching) = live.dispatching.take() {
            dispatching.refused(&refusal);
        }
        if waits {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let text = (status == StatusCode::TOO_MANY_REQUESTS).then(|| refusal.to_string());
            tracing::warn!(activation_id = %id, %refusal, "an activation was refused");
            live.answer(Err(Refused { status, text }));
            due.push_back(Event::CallerGone(id));
            return;
        }
        let mut pause = live.pause;
        live.pause = (pause * 2).min(self.config.retry_longest);
        let this = Arc::clone(self);
        self.spawn(async move {
            if this.pause(&mut pause).await.is_none() {
                return;
            }
            let mut state = this.state();
            let waits = state.live.get(&id).is_some_and(|live| live.at.is_none());
            if waits && state.stage(id) == Some(Stage::Placing) {
                let mut due = Due::new();
                this.place(&mut state, id, &mut due);
                this.handle_all(&mut state, due);
            }
        });
    }

    /// Looks identity and action of a message up, then places it; or records why it cannot run.
    fn prepare(self: &Arc<Self>, state: &mut State, id: ActivationId) {
        let Some(live) = state.live.get_mut(&id) else { return };
        let Some(message) = live.message.clone().filter(|_| !live.preparing) else { return };
        live.preparing = true;
        let this = Arc::clone(self);
        self.spawn(async move {
            let Some(admissions) = this.admissions.get() else { return };
            let span = admissions.taken_up(&message);
            let mut pause = this.config.retry_first;
            let readmission = loop {
                match admissions.readmit(&message).await {
                    Readmission::Later => {
                        if this.pause(&mut pause).await.is_none() {
                            return;
                        }
                    }
                    known => break known,
                }
            };
            match readmission {
                Readmission::Admitted(mut admitted) => {
                    admitted.set_trace(span.context());
                    this.prepared(admissions, *admitted, span).await;
                }
                Readmission::Instead { record, store } => this.record_instead(&record, store).await,
                Readmission::Forgotten => this.recorded(id),
                Readmission::Later => {}
            }
        });
    }

    /// `taken_up` is the span of its message.
    async fn prepared(self: &Arc<Self>, admissions: &Admissions, admitted: Admitted, taken_up: Span) {
        let id = admitted.id();
        match admissions.dispatch(&admitted, 1) {
            Ok(dispatch) => {
                let dispatching = admissions.dispatching(&dispatch);
                let mut state = self.state();
                let Some(live) = state.live.get_mut(&id) else { return };
                live.preparing = false;
                if live.counted_by.is_none() {
                    live.slot.get_or_insert_with(|| admissions.slot(&admitted));
                }
                live.ready = Some(Ready::new(admitted, dispatch));
                (live.dispatching, live.taken_up) = (Some(dispatching), Some(taken_up));
                if state.stage(id) == Some(Stage::Placing) {
                    let mut due = Due::new();
                    self.place(&mut state, id, &mut due);
                    self.handle_all(&mut state, due);
                }
            }
            Err(error) => {
                tracing::error!(activation_id = %id, %error, "cannot dispatch an activation");
                let response = Response::error(Status::WhiskError, &error.to_string());
                self.record_instead(&admitted.record(response), admitted.store()).await;
            }
        }
    }

    /// It does not run, and its record says why.
    async fn record_instead(self: &Arc<Self>, record: &Arc<Activation>, store: StorePolicy) {
        let id = record.activation_id;
        if store.stores(record.response.status)
            && let Err(error) = self.parts.records.record(record, RecordKind::Result, None).await
        {
            // The message stays on the bus.
            tracing::error!(activation_id = %id, %error, "a record that is owed is not kept");
            return;
        }
        self.recorded(id);
    }

    pub(super) fn recorded(self: &Arc<Self>, id: ActivationId) {
        let mut state = self.state();
        self.handle(&mut state, Event::Recorded(id));
    }
}

/// Different for each activation.
fn salt(id: ActivationId) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
