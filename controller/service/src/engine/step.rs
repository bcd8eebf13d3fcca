//! Events in, effects done: what takes no time here, everything else by a task.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use oxwhisk_controller::Called;
use oxwhisk_core::cache::{CACHE_ERROR, CacheUse};
use oxwhisk_core::entity::{Activation, Status};
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_dispatch::{Effect, Event, Message, Order, Source, Stage};
use oxwhisk_invoker_remote::client::Outgoing;
use oxwhisk_loadbalancer::fleet::Outcome;
use oxwhisk_messaging::{Partition, Topic};
use oxwhisk_ticket::{Claims, TicketError};

use super::state::State;
use super::{Core, unavailable};

/// Events that others gave rise to, in order.
pub(super) type Due = VecDeque<Event>;

/// Which activation an event is about; `None` may be any number.
fn subject(event: &Event) -> Option<ActivationId> {
    match event {
        Event::Submit(message) | Event::Call(message) => Some(message.id),
        Event::Polled { message, .. } | Event::NoteRead { message, .. } => Some(message.id),
        Event::Submitted(id)
        | Event::WaitOver(id)
        | Event::CallerGone(id)
        | Event::NoteFailed(id)
        | Event::NoteWithdrawn(id)
        | Event::Turn(id)
        | Event::Buried(id)
        | Event::Recorded(id) => Some(*id),
        Event::NoteDurable { id, .. }
        | Event::MarkRead { id, .. }
        | Event::Checked { id, .. }
        | Event::Placed { id, .. }
        | Event::Replaced { id, .. } => Some(*id),
        Event::Said { said, .. } => subject_of(said),
        Event::Assigned(_)
        | Event::Revoked(_)
        | Event::ControllerGone(_)
        | Event::InvokerKnown(_)
        | Event::StreamBroken(_)
        | Event::InvokerGone(_)
        | Event::Drain => None,
    }
}

fn subject_of(said: &oxwhisk_dispatch::Said) -> Option<ActivationId> {
    use oxwhisk_dispatch::Said;
    match said {
        Said::Welcome { .. } | Said::Holding { .. } => None,
        Said::Refused { id, .. } | Said::Ended { id, .. } => Some(*id),
        Said::Unknown(id) | Said::Started(id) | Said::RecordDurable(id) => Some(*id),
    }
}

impl Core {
    /// Lets something happen, and everything that follows from it at once.
    pub(super) fn handle(self: &Arc<Self>, state: &mut State, event: Event) {
        self.handle_all(state, Due::from([event]));
    }

    pub(super) fn handle_all(self: &Arc<Self>, state: &mut State, mut due: Due) {
        loop {
            while let Some(event) = due.pop_front() {
                let about = subject(&event);
                let placed = match &event {
                    Event::Placed { id, invoker } => Some((*id, *invoker)),
                    _ => None,
                };
                for effect in state.dispatcher.handle(event) {
                    self.perform(state, effect, &mut due);
                }
                if let Some((id, invoker)) = placed {
                    self.undo_unused_place(state, id, invoker, &mut due);
                }
                self.sweep(state, about);
            }
            if !state.after_balance.is_empty() {
                self.balance(state, Vec::new(), &mut due);
            }
            self.give_turns(state, &mut due);
            if due.is_empty() {
                break;
            }
        }
        self.tell_ended(state);
        self.arm(state);
    }

    /// Forgets what the dispatcher has settled.
    fn sweep(&self, state: &mut State, about: Option<ActivationId>) {
        let now = Instant::now();
        match about {
            Some(id) if state.dispatcher.entry(id).is_some() => {
                // Whoever waits for quiet waits for less than an end.
                if state.draining {
                    self.ended.send_replace(());
                }
                return;
            }
            Some(id) => state.forget(id, now),
            None => drop(state.sweep_all(now)),
        }
        self.ended.send_replace(());
        // The consumer of lanes sleeps on: most of what ends is no message of theirs.
        if self.wanted_in(state) != state.told {
            self.wanted.notify_one();
        }
    }

    fn perform(self: &Arc<Self>, state: &mut State, effect: Effect, due: &mut Due) {
        match effect {
            // Whoever submits produces by itself, and is told by its own call.
            Effect::Produce(_) => {}
            Effect::Accept(id) => answer(state, id, |_| Ok(Called::Accepted)),
            Effect::Answer(id) => answer(state, id, |live| {
                live.result.clone().map_or_else(|| Err(unavailable()), |result| Ok(Called::Ended(result)))
            }),
            Effect::Fail(id) => answer(state, id, |_| Err(unavailable())),
            Effect::ProduceNote(message) => self.produce_note(state, message),
            Effect::MarkStarted(message) => self.produce_mark(message),
            Effect::CheckRecord(message) => self.check(state, message),
            Effect::Enqueue(message) => enqueue(state, message, due),
            Effect::Place(message) => self.place(state, message.id, due),
            Effect::Send { invoker, order: Order::Dispatch(message) } => {
                self.dispatch(state, invoker, message, due);
            }
            Effect::Send { invoker, order } => {
                if let Order::Acknowledge(id) = order {
                    state.strays.remove(&id);
                }
                state.send(invoker, Outgoing::Order(order));
            }
            Effect::Replace { message, by } => self.replace(state, message, by),
            Effect::ProduceDeadLetter(message) => self.bury(state, message),
            Effect::WriteRecord { id, kind } => self.write_record(state, id, kind),
            Effect::MarkDone(position) => {
                let topic = match position.source {
                    Source::Queue => Topic::Activations,
                    Source::Parked => Topic::Parked,
                    // Notes are withdrawn.
                    Source::Note => return,
                };
                if let Some(lanes) = self.lanes.get() {
                    lanes.done(topic, Partition(position.lane.0), position.offset.cast_unsigned());
                }
            }
            Effect::Settled(id) => state.release(id),
            Effect::Withdraw { id, lane } => self.withdraw(id, lane),
        }
    }

    /// Writes a dispatch to the invoker's stream, with its ticket.
    fn dispatch(self: &Arc<Self>, state: &mut State, invoker: InvokerId, message: Message, due: &mut Due) {
        let Some(admissions) = self.admissions.get() else { return };
        let Some(live) = state.live.get_mut(&message.id) else { return };
        let Some(ready) = &live.ready else { return };
        let mut dispatch = ready.dispatch.clone();
        dispatch.attempt = message.attempt;
        live.dispatching.get_or_insert_with(|| admissions.dispatching(&ready.dispatch)).sent(&mut dispatch);
        let offer = live.at.and_then(|at| at.offer);
        match self.ticket(&dispatch, invoker, ready.admitted.timeout()) {
            Ok(ticket) => {
                dispatch.ticket = Some(ticket.clone());
                if let Some(talk) = state.talks.get_mut(&invoker) {
                    talk.running += 1;
                    talk.conversation.send(Outgoing::Dispatch(Box::new(dispatch), ticket, offer));
                }
            }
            Err(error) => {
                // Its names are longer than any that could have been stored.
                tracing::error!(activation_id = %message.id, %error, "no ticket can be made for an activation");
                due.push_back(Event::Recorded(message.id));
            }
        }
    }

    pub(super) fn ticket(
        &self,
        dispatch: &oxwhisk_invoker_api::Dispatch,
        invoker: InvokerId,
        timeout: u64,
    ) -> Result<oxwhisk_ticket::Ticket, TicketError> {
        let slack = i64::try_from(self.config.ticket_slack.as_millis()).unwrap_or(i64::MAX);
        let timeout = i64::try_from(timeout).unwrap_or(i64::MAX);
        self.parts.tickets.issue(&Claims {
            activation_id: dispatch.activation_id,
            namespace: dispatch.caller.namespace.clone(),
            namespace_uuid: Arc::clone(&dispatch.caller.namespace_uuid),
            subject: Arc::clone(&dispatch.caller.subject),
            action: dispatch.action.id.clone(),
            revision: dispatch.action.revision.clone(),
            invoker,
            attempt: dispatch.attempt,
            deadline: now_ms().saturating_add(timeout).saturating_add(slack),
            cache: dispatch.cache.as_ref().and_then(CacheUse::granted),
        })
    }

    /// Lets those run whose turn it is, and brings back parked messages of namespaces that have little queued.
    fn give_turns(&self, state: &mut State, due: &mut Due) {
        while state.outside < self.config.outside && !state.draining {
            let Some((namespace, id)) = state.queue.pop() else { break };
            match state.live.get_mut(&id) {
                Some(live)
                    if state.dispatcher.entry(id).is_some_and(|entry| entry.stage == Stage::Queued) =>
                {
                    live.outside = Some(namespace);
                    state.outside += 1;
                    due.push_back(Event::Turn(id));
                }
                _ => state.queue.done(&namespace),
            }
        }
        if due.is_empty() && state.parked.len() > 0 && !state.draining {
            self.unpark(state, due);
        }
    }

    /// Tells the timekeeper of an earlier deadline.
    pub(super) fn arm(&self, state: &mut State) {
        let next = state.balancer.next_deadline();
        if next.is_some_and(|next| state.armed.is_none_or(|armed| next < armed)) {
            state.armed = next;
            self.rearm.notify_one();
        }
    }
}

fn answer(
    state: &mut State,
    id: ActivationId,
    with: impl FnOnce(&super::live::Live) -> Result<Called, oxwhisk_controller::Refused>,
) {
    if let Some(live) = state.live.get_mut(&id) {
        let answer = with(live);
        live.answer(answer);
    }
}

fn enqueue(state: &mut State, message: Message, due: &mut Due) {
    let Some(live) = state.live.get(&message.id) else { return };
    match &live.message {
        Some(queued) => {
            let bytes = live.read.unwrap_or_default();
            state.queue.push(queued.namespace.clone(), message.id, bytes);
        }
        // A call of this controller's that has a note by now: it has waited.
        None => due.push_back(Event::Turn(message.id)),
    }
}

/// How an activation ended, as the invoker's health counts it. That one could not be without the cache is not held against
/// its invoker: what an author asks for may be had nowhere.
pub(super) fn outcome(record: &Activation) -> Outcome {
    match record.response.status {
        Status::WhiskError if record.annotations.get(CACHE_ERROR).is_none() => Outcome::SystemError,
        _ => Outcome::Success,
    }
}

/// Milliseconds since the epoch.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use oxwhisk_core::entity::Response;
    use oxwhisk_core::name::EntityName;
    use oxwhisk_core::parameters::Parameters;
    use oxwhisk_core::version::Version;

    use super::*;

    #[test]
    fn what_the_cache_failed_is_not_held_against_the_invoker() {
        let ended = |status, annotations| {
            outcome(&Activation {
                namespace: EntityName::new("me").unwrap(),
                name: EntityName::new("hello").unwrap(),
                version: Version::FIRST,
                subject: "me".into(),
                activation_id: ActivationId::generate(),
                start: 0,
                end: 0,
                duration: None,
                cause: None,
                response: Response::error(status, "no"),
                logs: Vec::new(),
                annotations,
                publish: false,
            })
        };
        let mut of_cache = Parameters::new();
        of_cache.set(CACHE_ERROR, "away");
        assert_eq!(ended(Status::WhiskError, Parameters::new()), Outcome::SystemError);
        assert_eq!(ended(Status::WhiskError, of_cache), Outcome::Success);
        assert_eq!(ended(Status::DeveloperError, Parameters::new()), Outcome::Success);
    }
}
