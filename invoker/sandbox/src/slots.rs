//! Slots: namespaces with a uid, an address and a link, made ahead of need and used again.
//!
//! A slot outlives its sandbox. That is sound because a sandbox cannot change it: its network namespace belongs to the
//! launcher's user namespace, and what a sandbox made in either dies with its last process.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::SetupError;
use crate::launcher::{LaunchError, Launcher};
use crate::network::{self, Network, Tools};
use oxwhisk_sandbox_init::Request;

/// Between attempts after a slot could not be made.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// One sandbox's place.
#[derive(Debug)]
pub(crate) struct Slot {
    /// As the launcher counts, and as the host does; the same if the server is root.
    pub(crate) uid: u32,
    pub(crate) host_uid: u32,
    pub(crate) user_namespace: OwnedFd,
    pub(crate) network_namespace: OwnedFd,
    /// On its link; `None` where sandboxes have no network.
    pub(crate) address: Option<Ipv4Addr>,
}

/// How a slot is made.
#[derive(Debug)]
pub(crate) struct SlotMaker {
    pub(crate) launcher: Arc<Launcher>,
    /// `None` where sandboxes have no network.
    pub(crate) network: Option<Arc<Network>>,
    pub(crate) tools: Tools,
    /// Uids of slot 0.
    pub(crate) first_uid: u32,
    pub(crate) first_host_uid: u32,
}

impl SlotMaker {
    async fn make(&self, index: u32) -> Result<Slot, SetupError> {
        let missing = |error: LaunchError| SetupError::Missing(error.to_string());
        let uid = self.first_uid + index;
        let (_, fds) = self.launcher.call(Request::MakeSlot { uid }, Vec::new()).await.map_err(missing)?;
        let [user_namespace, network_namespace]: [OwnedFd; 2] =
            fds.try_into().map_err(|_| SetupError::Missing("the launcher sent no namespaces".into()))?;
        match &self.network {
            Some(network) => network.link(index, &network_namespace).await?,
            None => network::loopback_only(&self.tools, &network_namespace).await?,
        }
        let address = self.network.as_ref().map(|network| network.subnet().address(index));
        let host_uid = self.first_host_uid + index;
        Ok(Slot { uid, host_uid, user_namespace, network_namespace, address })
    }
}

/// Free slots, topped up in the background.
#[derive(Debug)]
pub(crate) struct SlotPool {
    state: Mutex<State>,
    /// One permit for each free slot.
    free: Semaphore,
    taken: Notify,
    spare: usize,
    max: u32,
}

#[derive(Debug, Default)]
struct State {
    free: VecDeque<Slot>,
    made: u32,
    last_error: Option<String>,
}

impl SlotPool {
    pub(crate) fn new(spare: u32, max: u32) -> Self {
        let spare = spare.clamp(1, max) as usize;
        Self { state: Mutex::default(), free: Semaphore::new(0), taken: Notify::new(), spare, max }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A free slot, waited for as long as `limit`; the error says why there is none.
    pub(crate) async fn take(&self, limit: Duration) -> Result<Slot, String> {
        let permit = tokio::time::timeout(limit, self.free.acquire()).await;
        let Ok(Ok(permit)) = permit else {
            let state = self.state();
            let reason = state.last_error.clone().unwrap_or_else(|| {
                format!("{} of at most {} sandboxes exist", state.made as usize - state.free.len(), self.max)
            });
            return Err(format!("no free sandbox slot: {reason}"));
        };
        permit.forget();
        let slot = self.state().free.pop_front();
        self.taken.notify_one();
        slot.ok_or_else(|| "no free sandbox slot, though one was counted".to_owned())
    }

    /// Whether the next one must wait until another is given back.
    pub(crate) fn is_exhausted(&self) -> bool {
        let state = self.state();
        state.free.is_empty() && state.made >= self.max
    }

    /// Gives a slot back after its last process has ended.
    pub(crate) fn give_back(&self, slot: Slot) {
        self.state().free.push_back(slot);
        self.free.add_permits(1);
    }

    /// Keeps `spare` slots free until `stop`. The first slot is made before anything else, so that a machine that cannot
    /// make one is found out at start.
    pub(crate) async fn start(
        self: &Arc<Self>,
        maker: SlotMaker,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<(), SetupError> {
        self.add(&maker, 0).await?;
        let pool = Arc::clone(self);
        tasks.spawn(async move {
            let _ = stop.run_until_cancelled(pool.keep(maker)).await;
        });
        Ok(())
    }

    async fn keep(&self, maker: SlotMaker) {
        loop {
            let (wanted, index) = {
                let state = self.state();
                (state.free.len() < self.spare && state.made < self.max, state.made)
            };
            if !wanted {
                self.taken.notified().await;
            } else if let Err(error) = self.add(&maker, index).await {
                tracing::warn!(slot = index, %error, "cannot make a sandbox slot");
                self.state().last_error = Some(error.to_string());
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }

    async fn add(&self, maker: &SlotMaker, index: u32) -> Result<(), SetupError> {
        let slot = maker.make(index).await?;
        {
            let mut state = self.state();
            state.made += 1;
            state.last_error = None;
        }
        self.give_back(slot);
        Ok(())
    }
}
