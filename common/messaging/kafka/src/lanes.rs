//! Consuming lanes: `activations` as a member of the group, and for each partition that comes from it `activations.parked`
//! and `inflight` of that number, read by a second client without a group. All commits go through the member, so those of
//! a process that has lost its lanes are refused.

mod lane;
mod notes;
mod queue;
mod reader;
mod state;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use oxwhisk_messaging::{
    Barrier, BusError, LaneControl, LaneEvent, LaneSubscription, Partition, Topic, Wanted,
};
use tokio::sync::watch;

use crate::config::KafkaConfig;
use crate::consumer::group::{Member, Shared};
use crate::consumer::start;
use crate::error::ConfigError;
use crate::status::Status;
use state::State;

/// The topics whose partitions follow those of `activations`.
const FOLLOW: &[Topic] = &[Topic::Parked, Topic::InFlight];

/// The two threads of a subscription.
pub(crate) struct Running {
    shared: Arc<Shared<State>>,
    /// Become true when a thread has ended: the member's behind its last commit.
    ended: [watch::Receiver<bool>; 2],
}

impl Running {
    pub(crate) fn is_subscribed(&self) -> bool {
        !self.shared.is_stopped()
    }

    pub(crate) fn close(&self) {
        self.shared.close();
    }

    /// Ends without a last commit.
    pub(crate) fn abandon(&self) {
        self.shared.abandon();
    }

    pub(crate) async fn ended(&mut self) {
        for ended in &mut self.ended {
            // An error says that the thread is gone.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }
}

/// Begins to consume.
pub(crate) fn begin(
    config: &KafkaConfig,
    status: &Arc<Status>,
) -> Result<(Running, KafkaLanes), ConfigError> {
    let shared = Arc::new(Shared::new(State::new(config.consuming)));
    let reading = reader::start(config, status, &shared)?;
    let member = Member { topic: Topic::Activations, follow: FOLLOW };
    let member = start(config, member, status, &shared).inspect_err(|_| shared.stop())?;
    let running = Running { shared: Arc::clone(&shared), ended: [member, reading] };
    Ok((running, KafkaLanes { control: Arc::new(KafkaControl(shared)) }))
}

pub(crate) struct KafkaLanes {
    control: Arc<KafkaControl>,
}

impl fmt::Debug for KafkaLanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLanes").finish_non_exhaustive()
    }
}

#[async_trait]
impl LaneSubscription for KafkaLanes {
    async fn next(&mut self, wanted: Wanted, max: usize) -> Result<LaneEvent, BusError> {
        let shared = &self.control.0;
        loop {
            if let Some(event) = shared.state().next(wanted, max)? {
                return Ok(event);
            }
            shared.arrived().await;
        }
    }

    fn control(&self) -> Arc<dyn LaneControl> {
        Arc::clone(&self.control) as Arc<dyn LaneControl>
    }
}

impl Drop for KafkaLanes {
    fn drop(&mut self) {
        self.control.0.stop();
    }
}

struct KafkaControl(Arc<Shared<State>>);

impl fmt::Debug for KafkaControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaControl").finish_non_exhaustive()
    }
}

impl LaneControl for KafkaControl {
    /// Committed within the commit interval.
    fn done(&self, topic: Topic, lane: Partition, offset: u64) {
        self.0.state().done(topic, lane, offset);
    }

    fn barrier(&self, lane: Partition) -> Barrier {
        let barrier = self.0.state().barrier(lane);
        self.0.tell();
        barrier
    }

    fn oldest(&self, lane: Partition) -> Option<i64> {
        self.0.state().oldest(lane)
    }
}
