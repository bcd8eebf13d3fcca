//! Limits for the whole cluster: drives [`Node`] with requests, messages of other controllers and the time.
//!
//! One lock holds the node, the conversations and with them the order of messages: what the node says is put into the
//! conversations' queues before anybody else may make it say more. Nothing waits under the lock, and those who waited are
//! told after it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use oxwhisk_controller::{Admission, InFlight, NotAdmitted, Throttles};
use oxwhisk_proto::peer::v1::PeerMessage;
use oxwhisk_proto::peer::v1::peer_message::Message as Wire;
use oxwhisk_throttle::{Account, Config, Effect, Limits, Member, Message, Node, Now, Slot, View};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::convert::to_wire;
use super::membership::SessionId;

/// Between two looks at the time.
const SHORTEST: Duration = Duration::from_millis(1);

type Decided = Result<InFlight, NotAdmitted>;
type Waiter = oneshot::Sender<Decided>;
type Outcome = (Waiter, Result<Slot, NotAdmitted>);

#[derive(Debug)]
pub(super) struct ClusterThrottles {
    state: Mutex<State>,
    /// Counts beginnings and ends of conversations.
    changes: watch::Sender<u64>,
    /// The next deadline may be earlier than it was.
    earlier: Notify,
    /// No request waits longer; the node's own patience ends before that.
    longest: Duration,
}

#[derive(Debug)]
struct State {
    node: Node<Waiter>,
    /// The one conversation with each controller that there is one with.
    sessions: HashMap<Member, Session>,
    next_session: u64,
    /// When the time has something to do, as far as whoever keeps it knows.
    armed: Instant,
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    unsent: mpsc::Sender<PeerMessage>,
    over: CancellationToken,
}

/// A conversation that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) id: SessionId,
    /// It is to end.
    pub(super) over: CancellationToken,
}

impl State {
    /// Sends what is to be sent, in order; answers what is to be told.
    fn perform(&mut self, effects: Vec<Effect<Waiter>>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { to, message } => self.send(&to, message),
                Effect::Admit { waiter, slot } => outcomes.push((waiter, Ok(slot))),
                Effect::Refuse { waiter, violation } => outcomes.push((waiter, Err(violation.into()))),
                Effect::Unavailable { waiter } => outcomes.push((waiter, Err(NotAdmitted::Undecided))),
            }
        }
        outcomes
    }

    /// Without a conversation it is lost, and so it is told with the beginning of the next one.
    fn send(&self, to: &Member, message: Message) {
        let Some(session) = self.sessions.get(to).filter(|session| !session.over.is_cancelled()) else {
            return;
        };
        for message in to_wire(message) {
            if session.unsent.try_send(PeerMessage { message: Some(message) }).is_err() {
                tracing::warn!(controller = %to, "a controller does not take its messages");
                session.over.cancel();
                return;
            }
        }
    }

    fn is_current(&self, with: &Member, session: SessionId) -> bool {
        self.sessions.get(with).is_some_and(|current| current.id == session)
    }
}

impl ClusterThrottles {
    pub(super) fn new(own: Member, config: Config) -> Self {
        let now = Instant::now();
        let state = State {
            node: Node::new(own, config, now),
            sessions: HashMap::new(),
            next_session: 0,
            armed: now,
        };
        Self {
            state: Mutex::new(state),
            changes: watch::Sender::new(0),
            earlier: Notify::new(),
            longest: config.patience + Duration::from_secs(5),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one thing with the node, and all that follows from it.
    fn step(self: &Arc<Self>, event: impl FnOnce(&mut Node<Waiter>, Now) -> Vec<Effect<Waiter>>) {
        let mut state = self.lock();
        let outcomes = self.step_in(&mut state, event);
        drop(state);
        self.tell(outcomes);
    }

    fn step_in(
        &self,
        state: &mut State,
        event: impl FnOnce(&mut Node<Waiter>, Now) -> Vec<Effect<Waiter>>,
    ) -> Vec<Outcome> {
        let effects = event(&mut state.node, now());
        self.follow(state, effects)
    }

    fn follow(&self, state: &mut State, effects: Vec<Effect<Waiter>>) -> Vec<Outcome> {
        let outcomes = state.perform(effects);
        let next = state.node.next_deadline();
        if next < state.armed {
            state.armed = next;
            self.earlier.notify_one();
        }
        outcomes
    }

    /// Tells those who waited. What was admitted for one who waits no more is given back, which may admit others.
    fn tell(self: &Arc<Self>, outcomes: Vec<Outcome>) {
        let mut outcomes = VecDeque::from(outcomes);
        while let Some((waiter, outcome)) = outcomes.pop_front() {
            let decided = outcome.map(|slot| InFlight::new(Arc::clone(self) as Arc<dyn Throttles>, slot));
            if let Err(Ok(unwanted)) = waiter.send(decided)
                && let Some(slot) = unwanted.into_slot()
            {
                let mut state = self.lock();
                outcomes.extend(self.step_in(&mut state, |node, now| node.release(slot, now)));
            }
        }
    }

    /// Other controllers decide with this one than before.
    pub(super) fn members(self: &Arc<Self>, view: View) {
        self.step(|node, now| node.members(view, now));
    }

    /// A conversation with `peer` has begun; an earlier one ends, and what it still brings is not heard.
    pub(super) fn begin(self: &Arc<Self>, peer: &Member, unsent: mpsc::Sender<PeerMessage>) -> Begun {
        let over = CancellationToken::new();
        let mut state = self.lock();
        let id = SessionId(state.next_session);
        state.next_session += 1;
        let session = Session { id, unsent, over: over.clone() };
        if let Some(earlier) = state.sessions.insert(peer.clone(), session) {
            earlier.over.cancel();
        }
        // What was said without a conversation is lost like what was in one that broke.
        let outcomes = self.step_in(&mut state, |node, now| node.session_lost(peer, now));
        drop(state);
        self.tell(outcomes);
        self.changed();
        Begun { id, over }
    }

    /// It has ended. Says whether no later one has taken its place.
    pub(super) fn end(self: &Arc<Self>, peer: &Member, session: SessionId) -> bool {
        let mut state = self.lock();
        if !state.is_current(peer, session) {
            return false;
        }
        state.sessions.remove(peer);
        let outcomes = self.step_in(&mut state, |node, now| node.session_lost(peer, now));
        drop(state);
        self.tell(outcomes);
        self.changed();
        true
    }

    /// Not under the lock of the state: who waits for a change looks at that.
    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Waits for a conversation with `peer`, which is to begin `within` that time, and then for its end. Says whether there
    /// was one.
    pub(super) async fn conversed(&self, peer: &Member, within: Duration) -> bool {
        let mut changes = self.changes.subscribe();
        let has_one = || self.lock().sessions.contains_key(peer);
        let begun = changes.wait_for(|_| has_one());
        if tokio::time::timeout(within, begun).await.is_err() {
            return false;
        }
        // As long as it lasts: it has its own limit on silence.
        let _ = changes.wait_for(|_| !has_one()).await;
        true
    }

    /// Ends the conversation with `peer`, if there is one.
    pub(super) fn hang_up(&self, peer: &Member) {
        if let Some(session) = self.lock().sessions.get(peer) {
            session.over.cancel();
        }
    }

    /// A message of the conversation `session`. Says whether that one still counts.
    pub(super) fn received(self: &Arc<Self>, from: &Member, session: SessionId, message: Message) -> bool {
        let mut state = self.lock();
        if !state.is_current(from, session) {
            return false;
        }
        let outcomes = self.step_in(&mut state, |node, now| node.received(from, message, now));
        drop(state);
        self.tell(outcomes);
        true
    }

    /// Says something to everybody, behind all that was said before.
    pub(super) fn say(&self, message: &Wire) {
        for session in self.lock().sessions.values() {
            // Who does not take its messages will notice by the silence.
            let _ = session.unsent.try_send(PeerMessage { message: Some(message.clone()) });
        }
    }

    /// Says to one controller what it can do without.
    pub(super) fn say_to(&self, to: &Member, message: Wire) {
        if let Some(session) = self.lock().sessions.get(to)
            && session.unsent.try_send(PeerMessage { message: Some(message) }).is_err()
        {
            tracing::debug!(controller = %to, "a controller does not take its messages; it is not told something");
        }
    }

    /// Lets the time pass, until it is dropped.
    pub(super) async fn keep_time(self: Arc<Self>) {
        loop {
            let armed = self.lock().armed;
            tokio::select! {
                () = tokio::time::sleep_until(armed.into()) => {}
                () = self.earlier.notified() => continue,
            }
            let mut state = self.lock();
            // For as long as it takes to tick nobody needs to wake this task.
            state.armed = Instant::now();
            let outcomes = self.step_in(&mut state, Node::tick);
            state.armed = state.node.next_deadline().max(Instant::now() + SHORTEST);
            drop(state);
            self.tell(outcomes);
        }
    }
}

impl Throttles for ClusterThrottles {
    fn admit(self: Arc<Self>, account: Account, limits: Limits, received: i64) -> Admission {
        let (waiter, mut decided) = oneshot::channel();
        self.step(|node, now| node.admit(account, limits, waiter, Now { wall: received, ..now }));
        match decided.try_recv() {
            Ok(decided) => Admission::Now(decided),
            Err(oneshot::error::TryRecvError::Closed) => Admission::Now(Err(NotAdmitted::Undecided)),
            Err(oneshot::error::TryRecvError::Empty) => {
                let longest = self.longest;
                Admission::Later(Box::pin(async move {
                    match tokio::time::timeout(longest, decided).await {
                        Ok(Ok(decided)) => decided,
                        // Nobody keeps the time any more.
                        Ok(Err(_)) | Err(_) => Err(NotAdmitted::Undecided),
                    }
                }))
            }
        }
    }

    fn readmit(self: Arc<Self>, account: Account, limits: Limits) -> InFlight {
        let mut state = self.lock();
        let (slot, effects) = state.node.readmit(account, limits, now());
        let outcomes = self.follow(&mut state, effects);
        drop(state);
        self.tell(outcomes);
        InFlight::new(self, slot)
    }

    fn release(self: Arc<Self>, slot: Slot) {
        self.step(|node, now| node.release(slot, now));
    }
}

fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { wall: i64::try_from(since.as_millis()).unwrap_or(i64::MAX), steady: Instant::now() }
}
