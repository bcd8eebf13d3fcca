//! Everything the engine knows, under one lock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use oxwhisk_controller::InvokerState;
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::name::EntityName;
use oxwhisk_dispatch::{Dispatcher, Guards, Incarnation, Lane, Message, Stage};
use oxwhisk_invoker_remote::client::{Conversation, Outgoing};
use oxwhisk_loadbalancer::balancer::Balancer;
use oxwhisk_loadbalancer::fleet::Kinds;
use oxwhisk_loadbalancer::{LimitedQueue, Placement};
use oxwhisk_messaging::{Barrier, Wanted};

use super::EngineConfig;
use super::counts::Counts;
use super::live::Live;
use super::parked::Parked;

/// An invoker that is talked to.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) conversation: Conversation,
    pub(super) address: String,
    /// As it said in its welcome.
    pub(super) kinds: Kinds,
    /// Activations of this controller that run there.
    pub(super) running: u64,
    /// It said that it takes no more and ends.
    pub(super) stops: bool,
}

/// Another controller's note.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) by: Incarnation,
    pub(super) lane: Lane,
    pub(super) message: Arc<ActivationMessage>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) dispatcher: Dispatcher,
    pub(super) balancer: Balancer<ActivationId>,
    pub(super) live: HashMap<ActivationId, Live>,
    /// Those that wait for their turn.
    pub(super) queue: LimitedQueue<ActivationId>,
    /// Popped from the queue and not ended.
    pub(super) outside: usize,
    /// Messages of lanes by namespace that are in memory and have not had their turn.
    backlog: HashMap<EntityName, usize>,
    pub(super) parked: Parked,
    /// Messages of lanes in memory, and their bytes.
    pub(super) read: usize,
    pub(super) read_bytes: usize,
    /// Blocking calls whose clients wait.
    pub(super) calls: usize,
    pub(super) talks: HashMap<InvokerId, Talk>,
    /// What is looked up once the lane's `inflight` has been read to where it ended when that was asked for.
    pub(super) checks: HashMap<Barrier, Message>,
    /// Notes of controllers that live.
    pub(super) notes: HashMap<ActivationId, Note>,
    /// Results of activations that have no entry, until they are acknowledged.
    pub(super) strays: HashMap<ActivationId, Arc<Activation>>,
    pub(super) counts: Counts,
    pub(super) owned: Vec<Lane>,
    /// Test actions that run, and where.
    pub(super) tests: HashMap<ActivationId, InvokerId>,
    pub(super) draining: bool,
    /// What the consumer of lanes was told last that there is room for.
    pub(super) told: Wanted,
    /// What the balancer said in passing, to be done when the step is.
    pub(super) after_balance: Vec<oxwhisk_loadbalancer::balancer::Effect<ActivationId>>,
    /// What the timekeeper waits for.
    pub(super) armed: Option<Instant>,
}

impl State {
    pub(super) fn new(config: &EngineConfig, policy: Box<dyn Placement>) -> Self {
        let incarnation = config.identity.incarnation;
        Self {
            dispatcher: Dispatcher::new(incarnation, config.max_attempts, Guards::default()),
            balancer: Balancer::new(config.fleet.clone(), config.line, policy),
            live: HashMap::new(),
            queue: LimitedQueue::new(config.outside_per_namespace),
            outside: 0,
            backlog: HashMap::new(),
            parked: Parked::default(),
            read: 0,
            read_bytes: 0,
            calls: 0,
            talks: HashMap::new(),
            checks: HashMap::new(),
            notes: HashMap::new(),
            strays: HashMap::new(),
            counts: Counts::new(incarnation),
            owned: Vec::new(),
            tests: HashMap::new(),
            draining: false,
            told: Wanted::default(),
            after_balance: Vec::new(),
            armed: None,
        }
    }

    /// Notes of a controller that is gone become activations of whoever owns their lanes.
    pub(super) fn revive_notes_of(&mut self, by: Incarnation) {
        let pause = std::time::Duration::from_millis(50);
        let revived: Vec<_> = self.notes.extract_if(|_, note| note.by == by).collect();
        for (id, note) in revived {
            if !self.live.contains_key(&id) {
                self.insert(id, Live::message(note.message, 0, pause));
            }
        }
    }

    pub(super) fn stage(&self, id: ActivationId) -> Option<Stage> {
        self.dispatcher.entry(id).map(|entry| entry.stage)
    }

    pub(super) fn send(&self, invoker: InvokerId, outgoing: Outgoing) {
        if let Some(talk) = self.talks.get(&invoker) {
            talk.conversation.send(outgoing);
        }
    }

    pub(super) fn tell_all(&self, mut outgoing: impl FnMut() -> Outgoing) {
        self.talks.values().for_each(|talk| talk.conversation.send(outgoing()));
    }

    pub(super) fn close_conversations(&mut self) {
        self.talks.clear();
    }

    /// Whether no client waits, and nothing that was sent to an invoker is unfinished.
    pub(super) fn is_quiet(&self) -> bool {
        let goes_on = |stage: Stage| {
            matches!(
                stage,
                Stage::Dispatched { .. }
                    | Stage::Ended { .. }
                    | Stage::Recording { .. }
                    | Stage::Replacing { .. }
            )
        };
        let mut entries = self.dispatcher.entries();
        !entries.any(|entry| entry.call.is_some() || goes_on(entry.stage))
    }

    /// Whether an invoker that stops may yet say what it has cut off, or what was said is not yet where it outlives this process.
    pub(super) fn awaits_cut_off(&self) -> bool {
        let stops = |invoker: &InvokerId| self.talks.get(invoker).is_some_and(|talk| talk.stops);
        let mut entries = self.dispatcher.entries();
        entries.any(|entry| match entry.stage {
            Stage::Dispatched { invoker, .. } => stops(&invoker),
            Stage::Recording { .. } | Stage::Replacing { .. } | Stage::Burying => true,
            _ => false,
        })
    }

    pub(super) fn listed(&self) -> Vec<InvokerState> {
        let state = |info: oxwhisk_loadbalancer::fleet::InvokerInfo| InvokerState {
            name: info.to_string(),
            state: info.listed_state(),
        };
        self.balancer.fleet().list().map(state).collect()
    }

    /// Forgets what no entry stands for any more; answers how many.
    pub(super) fn sweep_all(&mut self, now: Instant) -> VecDeque<ActivationId> {
        let gone = self.live.keys().filter(|id| self.dispatcher.entry(**id).is_none());
        let gone: VecDeque<ActivationId> = gone.copied().collect();
        gone.iter().for_each(|id| self.forget(*id, now));
        gone
    }

    /// Forgets an activation, which may go on elsewhere.
    pub(super) fn forget(&mut self, id: ActivationId, now: Instant) {
        self.leave_outside(id);
        self.leave_backlog(id);
        self.leave_invoker(id, None, now);
        if let Some(mut live) = self.live.remove(&id) {
            if let Some(dispatching) = &mut live.dispatching {
                dispatching.lost();
            }
            if let Some(bytes) = live.read {
                self.read -= 1;
                self.read_bytes -= bytes;
            }
            if live.is_call {
                self.calls -= 1;
            }
        }
    }

    /// It has ended: it counts no longer for its namespace.
    pub(super) fn release(&mut self, id: ActivationId) {
        let Some(live) = self.live.get_mut(&id) else { return };
        live.slot = None;
        if let Some(by) = live.counted_by.take() {
            self.counts.end(by, id);
        }
        self.leave_outside(id);
    }

    fn leave_outside(&mut self, id: ActivationId) {
        let Some(live) = self.live.get_mut(&id) else { return };
        if let Some(namespace) = live.outside.take() {
            self.outside -= 1;
            self.queue.done(&namespace);
        }
    }

    /// Messages of a namespace that wait for their turn, those that invokers are asked about included.
    pub(super) fn backlog_of(&self, namespace: &EntityName) -> usize {
        self.backlog.get(namespace).copied().unwrap_or_default()
    }

    /// Its turn has come, or it is somebody else's.
    pub(super) fn leave_backlog(&mut self, id: ActivationId) {
        let Some(live) = self.live.get_mut(&id) else { return };
        let Some(message) = live.message.as_ref().filter(|_| std::mem::take(&mut live.in_backlog)) else {
            return;
        };
        if let Some(count) = self.backlog.get_mut(&message.namespace) {
            *count -= 1;
            if *count == 0 {
                self.backlog.remove(&message.namespace);
            }
        }
    }

    pub(super) fn insert(&mut self, id: ActivationId, mut live: Live) {
        if let (Some(bytes), Some(message)) = (live.read, &live.message) {
            self.read += 1;
            self.read_bytes += bytes;
            *self.backlog.entry(message.namespace.clone()).or_default() += 1;
            live.in_backlog = true;
        }
        if live.is_call {
            self.calls += 1;
        }
        self.live.insert(id, live);
    }
}
