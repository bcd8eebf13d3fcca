//! Invokers: heard of by heartbeat, then talked to.

use std::sync::Arc;
use std::time::Instant;

use oxwhisk_core::heartbeat::{Heartbeat, InvokerHeartbeat};
use oxwhisk_core::id::InvokerId;
use oxwhisk_dispatch::{Event, RecordState, Refusal, Said};
use oxwhisk_grpc::{Expected, Identity, Role};
use oxwhisk_invoker_remote::client::{Conversation, Heard, Listener, Room, Welcome};
use oxwhisk_loadbalancer::fleet::{self, FleetEffect, Kinds, Outcome, Report};
use oxwhisk_messaging::{BusError, Channel, Heard as Published};

use super::Core;
use super::live::Returned;
use super::state::{State, Talk};
use super::step::{Due, outcome};

/// Listens to heartbeats until the engine is closed.
pub(super) async fn listen(core: Arc<Core>) {
    let mut pause = core.config.retry_first;
    loop {
        let back = core.config.fleet.offline_after;
        let listener = core.closed.run_until_cancelled(core.parts.bus.listen(Channel::Health, back)).await;
        let mut listener = match listener {
            None | Some(Err(BusError::Closed)) => return,
            Some(Ok(listener)) => listener,
            Some(Err(error)) => {
                tracing::warn!(%error, "heartbeats cannot be heard");
                if core.pause(&mut pause).await.is_none() {
                    return;
                }
                continue;
            }
        };
        loop {
            match core.closed.run_until_cancelled(listener.next()).await {
                None | Some(Err(BusError::Closed)) => return,
                Some(Ok(Published::Message { payload, .. })) => core.beat(&payload),
                Some(Ok(Published::Missed)) => {}
                Some(Err(error)) => {
                    tracing::warn!(%error, "heartbeats cannot be heard");
                    break;
                }
            }
        }
        if core.pause(&mut pause).await.is_none() {
            return;
        }
    }
}

impl Core {
    fn beat(self: &Arc<Self>, payload: &[u8]) {
        let heartbeat = match serde_json::from_slice(payload) {
            Ok(Heartbeat::Invoker(heartbeat)) => heartbeat,
            Ok(Heartbeat::Controller(_)) => return,
            Err(error) => {
                tracing::debug!(%error, "a heartbeat cannot be read");
                return;
            }
        };
        let id = heartbeat.id;
        let mut state = self.state();
        match state.balancer.heartbeat(of_invoker(heartbeat), Instant::now()) {
            Ok(effects) => {
                let mut due = Due::from([Event::InvokerKnown(id)]);
                self.balance(&mut state, effects, &mut due);
                self.handle_all(&mut state, due);
            }
            Err(error) => tracing::warn!(%error, "a heartbeat is passed over"),
        }
    }

    pub(super) fn follow_fleet(self: &Arc<Self>, state: &mut State, effect: FleetEffect, due: &mut Due) {
        match effect {
            FleetEffect::Connect { invoker, address } => {
                // It may be a new one.
                self.fleet_changed.send_replace(());
                self.talk(state, invoker, &address);
            }
            FleetEffect::SendTestAction { invoker } => self.test(state, invoker),
            FleetEffect::Changed { invoker, from, to } => {
                self.fleet_changed.send_replace(());
                tracing::info!(%invoker, from = from.as_str(), to = to.as_str(), "an invoker's health changed");
            }
            FleetEffect::Lost { invoker, how } => {
                tracing::warn!(%invoker, ?how, "an invoker is lost");
                due.push_back(Event::InvokerGone(invoker));
            }
        }
    }

    /// Opens a conversation, unless there is one with the same address.
    fn talk(self: &Arc<Self>, state: &mut State, invoker: InvokerId, address: &str) {
        if state.talks.get(&invoker).is_some_and(|talk| talk.address == address) {
            return;
        }
        let expected = match Identity::new(Role::Invoker, invoker.to_string()) {
            Ok(identity) => Expected::Peer(identity),
            Err(error) => return tracing::warn!(%invoker, %error, "an invoker has no name"),
        };
        let channel = match self.parts.dialer.dial(address, expected) {
            Ok(channel) => channel,
            Err(error) => return tracing::warn!(%invoker, address, %error, "an invoker's address is no good"),
        };
        let conversation = Conversation::open(
            invoker,
            self.config.identity.clone(),
            channel,
            self.config.conversation.clone(),
            Arc::new(Ear(Arc::clone(self))),
            self.talking.clone(),
        );
        let talk =
            Talk { conversation, address: address.to_owned(), kinds: Kinds::All, running: 0, stops: false };
        state.talks.insert(invoker, talk);
    }

    fn hear(self: &Arc<Self>, invoker: InvokerId, heard: Heard) {
        let now = Instant::now();
        let mut told = None;
        let mut state = self.state();
        let mut due = Due::new();
        match heard {
            Heard::Welcome(welcome) => self.welcome(&mut state, invoker, welcome, now),
            Heard::Said(said) => due.push_back(Event::Said { invoker, said }),
            Heard::Ended { id, ended, record, logs_follow } => {
                if let Some(of) = state.tests.remove(&id) {
                    let effects = state.balancer.tested(of, outcome(&record), now);
                    self.balance(&mut state, effects, &mut due);
                } else if !ended.cut_off && ended.record != RecordState::Unwanted && !logs_follow {
                    // One without its logs is not shown as if there were none.
                    self.parts.records.recent(Arc::clone(&record));
                }
                if let Some(live) = state.live.get_mut(&id) {
                    told = live.ended(record.response.status);
                    live.result = Some(Arc::clone(&record));
                    // What was cut off may run again.
                    if !ended.cut_off {
                        state.release(id);
                    }
                    state.leave_invoker(id, Some(outcome(&record)), now);
                } else {
                    state.strays.insert(id, record);
                }
                due.push_back(Event::Said { invoker, said: Said::Ended { id, ended } });
            }
            Heard::NotRun { said, text, memory, free } => {
                tracing::debug!(%invoker, text, memory, free, "an invoker did not run an activation");
                if let Said::Refused { id, why } = said {
                    if let Some(live) = state.live.get_mut(&id) {
                        live.returned = Some(Returned { invoker, free });
                    } else if let Some(of) = state.tests.remove(&id) {
                        // Full is well: it runs others' work. Its room is known by its reports.
                        let outcome = match why {
                            Refusal::NoRoom | Refusal::Full => Outcome::Success,
                            Refusal::Malformed | Refusal::Draining => Outcome::SystemError,
                        };
                        let effects = state.balancer.tested(of, outcome, now);
                        self.balance(&mut state, effects, &mut due);
                    }
                }
                due.push_back(Event::Said { invoker, said });
            }
            Heard::Offer(offer) => {
                let effects = state.balancer.offered(invoker, offer);
                self.balance(&mut state, effects, &mut due);
            }
            Heard::Room(room) => {
                let kinds = state.talks.get_mut(&invoker).map_or(Kinds::All, |talk| {
                    talk.stops = room.draining;
                    talk.kinds.clone()
                });
                let effects = state.balancer.report(invoker, report(room, kinds), now);
                self.balance(&mut state, effects, &mut due);
            }
            Heard::Broken => {
                let effects = state.balancer.stream_closed(invoker, false, now);
                self.balance(&mut state, effects, &mut due);
                due.push_back(Event::StreamBroken(invoker));
            }
            Heard::Dead => {
                let effects = state.balancer.stream_closed(invoker, true, now);
                self.balance(&mut state, effects, &mut due);
            }
        }
        self.handle_all(&mut state, due);
        // Its span is told when nobody waits for the lock any more.
        drop(state);
        drop(told);
    }

    /// The dispatcher first: whatever is placed there next has to find it ready.
    fn welcome(self: &Arc<Self>, state: &mut State, invoker: InvokerId, welcome: Welcome, now: Instant) {
        let Welcome { incarnation, resumed, held, room, kinds } = welcome;
        let kinds = kinds_of(kinds);
        if let Some(talk) = state.talks.get_mut(&invoker) {
            talk.kinds = kinds.clone();
        }
        self.handle_all(
            state,
            Due::from([
                Event::InvokerKnown(invoker),
                Event::Said { invoker, said: Said::Welcome { resumed, held } },
            ]),
        );
        match state.balancer.stream_opened(invoker, incarnation, report(room, kinds), now) {
            Ok(mut effects) => {
                // Another process than before: the welcome has told already what is gone with that.
                effects.retain(|effect| {
                    !matches!(effect, oxwhisk_loadbalancer::balancer::Effect::Fleet(FleetEffect::Lost { .. }))
                });
                let mut due = Due::new();
                self.balance(state, effects, &mut due);
                self.handle_all(state, due);
            }
            Err(error) => tracing::warn!(%error, "an invoker is passed over"),
        }
    }
}

/// Hears invokers for the engine.
#[derive(Debug)]
struct Ear(Arc<Core>);

impl Listener for Ear {
    fn heard(&self, invoker: InvokerId, heard: Heard) {
        self.0.hear(invoker, heard);
    }
}

fn kinds_of(kinds: Vec<String>) -> Kinds {
    if kinds.is_empty() { Kinds::All } else { Kinds::Only(Arc::new(kinds.into_iter().collect())) }
}

fn report(room: Room, kinds: Kinds) -> Report {
    let capacity = room.capacity;
    Report {
        enabled: !room.draining,
        kinds,
        memory: capacity.memory,
        free: capacity.memory.saturating_sub(capacity.busy),
    }
}

fn of_invoker(heartbeat: InvokerHeartbeat) -> fleet::Heartbeat {
    let InvokerHeartbeat { id, name, address, version, enabled, kinds, memory, free, .. } = heartbeat;
    fleet::Heartbeat {
        id,
        name: name.into(),
        address: address.into(),
        version: version.into(),
        report: Report { enabled, kinds: kinds_of(kinds), memory, free },
    }
}
