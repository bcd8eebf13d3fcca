//! Carries out what [`Membership`] decides. One task owns it, so that all are told in one order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use oxwhisk_controller::RecordsHere;
use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::Incarnation;
use oxwhisk_grpc::Dialer;
use oxwhisk_proto::peer::v1::Leaving;
use oxwhisk_proto::peer::v1::peer_message::Message as Wire;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::identity::Introduced;
use super::link::{Link, PeerClient};
use super::membership::{Effect, Membership, SessionId};
use super::throttles::ClusterThrottles;
use super::{MembershipListener, PeerIdentity, PeerOptions};

/// What happens to the membership.
#[derive(Debug)]
pub(super) enum Input {
    Heartbeat(PeerIdentity, bool),
    /// Its certificate was seen.
    Met(Introduced),
    Linked(Incarnation, SessionId),
    Unlinked {
        incarnation: Incarnation,
        session: SessionId,
        heard: Instant,
    },
    Refused(Incarnation),
    Left(Incarnation),
}

/// What the parts share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) own: PeerIdentity,
    pub(super) dialer: Dialer,
    pub(super) records: Arc<dyn RecordsHere>,
    pub(super) options: PeerOptions,
    pub(super) throttles: Arc<ClusterThrottles>,
    inputs: mpsc::Sender<Input>,
    /// Since the start.
    listener: OnceLock<Arc<dyn MembershipListener>>,
    leaving: AtomicBool,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Those that may be running, for whoever asks.
    contacts: Mutex<BTreeMap<Incarnation, Contact>>,
    /// The channel is listened to, and since when.
    listening: watch::Sender<Option<Instant>>,
    /// Everybody that is known is talked to.
    linked: watch::Sender<bool>,
}

#[derive(Clone, Debug)]
struct Contact {
    peer: PeerIdentity,
    /// It was met, so it can be asked.
    client: Option<PeerClient>,
}

impl Shared {
    pub(super) fn new(
        own: PeerIdentity,
        dialer: Dialer,
        records: Arc<dyn RecordsHere>,
        options: PeerOptions,
        inputs: mpsc::Sender<Input>,
    ) -> Self {
        let throttles = Arc::new(ClusterThrottles::new(own.member(), options.throttles));
        Self {
            own,
            dialer,
            records,
            options,
            throttles,
            inputs,
            listener: OnceLock::new(),
            leaving: AtomicBool::new(false),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            contacts: Mutex::default(),
            listening: watch::Sender::new(None),
            linked: watch::Sender::new(true),
        }
    }

    /// Runs until everything ends.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        })
    }

    /// Tells the directory, which is soon there for it.
    pub(super) async fn input(&self, input: Input) {
        // An error says that everything ends.
        let _ = self.inputs.send(input).await;
    }

    /// A second one is passed over.
    pub(super) fn listened_by(&self, listener: Arc<dyn MembershipListener>) {
        let _ = self.listener.set(listener);
    }

    pub(super) fn ended(&self, ids: &[ActivationId]) {
        if let Some(listener) = self.listener.get() {
            listener.ended(ids);
        }
    }

    fn contacts(&self) -> MutexGuard<'_, BTreeMap<Incarnation, Contact>> {
        self.contacts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_present(&self, incarnation: Incarnation) -> bool {
        self.contacts().contains_key(&incarnation)
    }

    pub(super) fn peer(&self, incarnation: Incarnation) -> Option<PeerIdentity> {
        self.contacts().get(&incarnation).map(|contact| contact.peer.clone())
    }

    /// Those that were met.
    pub(super) fn clients(&self) -> Vec<(PeerIdentity, PeerClient)> {
        let contacts = self.contacts();
        contacts
            .values()
            .filter_map(|contact| Some((contact.peer.clone(), contact.client.clone()?)))
            .collect()
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        self.throttles.say(&Wire::Leaving(Leaving {}));
    }

    pub(super) fn listens(&self) {
        self.listening.send_if_modified(|since| since.is_none() && since.replace(Instant::now()).is_none());
    }

    /// Every other controller has sent a heartbeat since this one listens, and is talked to.
    pub(super) async fn settled(&self) {
        let mut listening = self.listening.subscribe();
        let Ok(since) = listening.wait_for(Option::is_some).await.map(|since| *since) else { return };
        // A heartbeat may be late by half its interval.
        let heard = since.unwrap_or_else(Instant::now) + self.options.heartbeat.mul_f64(1.5);
        tokio::time::sleep_until(heard.into()).await;
        // An error says that everything ends.
        let _ = self.linked.subscribe().wait_for(|linked| *linked).await;
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) async fn close(&self, limit: Duration) -> bool {
        self.stop();
        self.tasks.close();
        tokio::time::timeout(limit, self.tasks.wait()).await.is_ok()
    }
}

#[derive(Debug)]
pub(super) struct Directory {
    shared: Arc<Shared>,
    listener: Arc<dyn MembershipListener>,
    membership: Membership,
    links: BTreeMap<Incarnation, CancellationToken>,
}

impl Directory {
    pub(super) fn new(shared: Arc<Shared>, listener: Arc<dyn MembershipListener>) -> Self {
        let membership = Membership::new(shared.own.clone(), shared.options.silence);
        Self { shared, listener, membership, links: BTreeMap::new() }
    }

    pub(super) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        loop {
            let deadline = self.membership.next_deadline(Instant::now());
            let silence = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            let effects = tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.take(input),
                    None => return,
                },
                () = silence => self.membership.tick(Instant::now()),
            };
            effects.into_iter().for_each(|effect| self.perform(effect));
            self.shared.linked.send_replace(self.membership.is_settled());
        }
    }

    fn take(&mut self, input: Input) -> Vec<Effect> {
        let (membership, now) = (&mut self.membership, Instant::now());
        match input {
            Input::Heartbeat(peer, leaving) => membership.heartbeat(peer, leaving, now),
            Input::Met(Introduced { peer, leaving: false }) => membership.met(peer, now),
            Input::Met(Introduced { peer, leaving: true }) => membership.left(peer.incarnation, now),
            Input::Linked(incarnation, session) => membership.linked(incarnation, session, now),
            Input::Unlinked { incarnation, session, heard } => {
                self.listener.cut_off(incarnation);
                membership.unlinked(incarnation, session, heard, now)
            }
            Input::Refused(incarnation) => membership.refused(incarnation, now),
            Input::Left(incarnation) => membership.left(incarnation, now),
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Approach(peer) => self.approach(peer),
            Effect::Abandon(peer) => {
                self.links.remove(&peer.incarnation).iter().for_each(CancellationToken::cancel);
                self.shared.contacts().remove(&peer.incarnation);
                self.shared.throttles.hang_up(&peer.member());
            }
            Effect::Joined(peer) => {
                tracing::info!(controller = peer.name, address = peer.address, "a controller has joined");
                if let Some(contact) = self.shared.contacts().get_mut(&peer.incarnation) {
                    contact.client = PeerClient::to(&self.shared, &peer).ok();
                }
                self.listener.joined(&peer);
            }
            Effect::Gone(incarnation, why) => {
                tracing::info!(incarnation = incarnation.0, "a controller is gone: {why}");
                self.listener.gone(incarnation);
            }
            Effect::Members(view) => {
                let members: Vec<String> = view.members().iter().map(ToString::to_string).collect();
                tracing::info!(?members, "controllers that decide about limits together");
                self.shared.throttles.members(view.clone());
                self.listener.members(&view);
            }
        }
    }

    fn approach(&mut self, peer: PeerIdentity) {
        let over = self.shared.stop.child_token();
        self.shared.contacts().insert(peer.incarnation, Contact { peer: peer.clone(), client: None });
        if let Some(earlier) = self.links.insert(peer.incarnation, over.clone()) {
            earlier.cancel();
        }
        match PeerClient::to(&self.shared, &peer) {
            Ok(client) => {
                let link = Link::new(Arc::clone(&self.shared), peer, client);
                self.shared.spawn(async move {
                    over.run_until_cancelled(link.keep()).await;
                });
            }
            // Its heartbeats end, or tell something better.
            Err(error) => tracing::warn!(controller = peer.name, %error, "a controller cannot be called"),
        }
    }
}
