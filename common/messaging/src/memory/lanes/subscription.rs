//! What a member takes from its lanes, and says of them.

use std::sync::Arc;

use async_trait::async_trait;

use super::Shared;
use super::shared::Ended;
use super::state::MemberId;
use crate::{Barrier, BusError, LaneControl, LaneEvent, LaneSubscription, Partition, Topic, Wanted};

#[derive(Debug)]
pub(super) struct MemoryLaneSubscription {
    control: Arc<MemoryControl>,
    ended: Ended,
}

impl MemoryLaneSubscription {
    pub(super) fn new(shared: &Arc<Shared>, member: MemberId, ended: Ended) -> Self {
        Self { control: Arc::new(MemoryControl { shared: Arc::clone(shared), member }), ended }
    }
}

#[async_trait]
impl LaneSubscription for MemoryLaneSubscription {
    async fn next(&mut self, wanted: Wanted, max: usize) -> Result<LaneEvent, BusError> {
        let MemoryControl { shared, member } = &*self.control;
        let mut news = shared.news.subscribe();
        loop {
            if let Some(why) = &*self.ended.borrow_and_update() {
                return Err(why.clone());
            }
            if let Some(event) = shared.state().event(*member, wanted, max) {
                return Ok(event);
            }
            tokio::select! {
                _ = news.changed() => {}
                _ = self.ended.changed() => {}
            }
        }
    }

    fn control(&self) -> Arc<dyn LaneControl> {
        Arc::clone(&self.control) as Arc<dyn LaneControl>
    }
}

impl Drop for MemoryLaneSubscription {
    fn drop(&mut self) {
        self.control.shared.leave(self.control.member);
    }
}

#[derive(Debug)]
struct MemoryControl {
    shared: Arc<Shared>,
    member: MemberId,
}

impl LaneControl for MemoryControl {
    fn done(&self, topic: Topic, lane: Partition, offset: u64) {
        let mut state = self.shared.state();
        if state.owns(self.member, lane)
            && let Some(lane) = state.lane(lane)
        {
            lane.done(topic, offset);
        }
        drop(state);
        self.shared.changed();
    }

    fn barrier(&self, lane: Partition) -> Barrier {
        let barrier = self.shared.state().barrier(self.member, lane);
        self.shared.changed();
        barrier
    }

    fn oldest(&self, lane: Partition) -> Option<i64> {
        let mut state = self.shared.state();
        if !state.owns(self.member, lane) {
            return None;
        }
        state.lane(lane)?.oldest()
    }
}
