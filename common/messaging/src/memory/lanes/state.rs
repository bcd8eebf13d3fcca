//! Which member owns which lane, and what each is to be told.

use std::collections::{BTreeMap, VecDeque};

use super::lane::Lane;
use crate::{Barrier, LaneEvent, Message, Partition, Topic, Wanted};

/// Names a subscription.
pub(super) type MemberId = u64;

#[derive(Debug)]
pub(super) struct State {
    lanes: Vec<Lane>,
    owners: Vec<Option<MemberId>>,
    /// Those that subscribed, with what they are to be told before anything else.
    members: BTreeMap<MemberId, VecDeque<LaneEvent>>,
    subscriptions: MemberId,
    barriers: u64,
    now: i64,
}

impl State {
    pub(super) fn new(lanes: u32) -> Self {
        Self {
            lanes: (0..lanes).map(Lane::new).collect(),
            owners: (0..lanes).map(|_| None).collect(),
            members: BTreeMap::new(),
            subscriptions: 0,
            barriers: 0,
            now: i64::MIN,
        }
    }

    pub(super) fn lane(&mut self, lane: Partition) -> Option<&mut Lane> {
        self.lanes.get_mut(lane.0 as usize)
    }

    pub(super) fn depth(&self, topic: Topic) -> usize {
        self.lanes.iter().map(|lane| lane.depth(topic)).sum()
    }

    /// `None`: there is no such lane.
    pub(super) fn append(
        &mut self,
        topic: Topic,
        lane: Partition,
        message: Message,
        now: i64,
    ) -> Option<u64> {
        // The bus's time never goes back.
        self.now = self.now.max(now);
        let at = self.now;
        Some(self.lane(lane)?.append(topic, message, at))
    }

    pub(super) fn withdraw(&mut self, lane: Partition, key: &str, now: i64) -> Option<()> {
        self.now = self.now.max(now);
        let at = self.now;
        self.lane(lane)?.withdraw(key, at);
        Some(())
    }

    pub(super) fn join(&mut self) -> MemberId {
        self.subscriptions += 1;
        self.members.insert(self.subscriptions, VecDeque::new());
        self.deal();
        self.subscriptions
    }

    pub(super) fn is_member(&self, member: MemberId) -> bool {
        self.members.contains_key(&member)
    }

    pub(super) fn leave(&mut self, member: MemberId) {
        if self.members.remove(&member).is_some() {
            (0..self.lanes.len()).for_each(|lane| self.take_from(lane, member));
            self.deal();
        }
    }

    fn take_from(&mut self, lane: usize, member: MemberId) {
        if self.owners[lane] == Some(member) {
            self.owners[lane] = None;
            let said = self.lanes[lane].revoke();
            if let Some(told) = self.members.get_mut(&member) {
                told.extend(said);
            }
        }
    }

    fn owned(&self, member: MemberId) -> usize {
        self.owners.iter().filter(|owner| **owner == Some(member)).count()
    }

    /// Everybody has as many lanes as the others, or one more, and as few as possible change hands.
    fn deal(&mut self) {
        loop {
            let least = self.members.keys().copied().min_by_key(|member| self.owned(*member));
            let most = self.members.keys().copied().max_by_key(|member| self.owned(*member));
            let (Some(least), Some(most)) = (least, most) else { return };
            let free = self.owners.iter().position(Option::is_none);
            let lane = free.or_else(|| {
                let uneven = self.owned(most) > self.owned(least) + 1;
                uneven.then(|| self.owners.iter().position(|owner| *owner == Some(most))).flatten()
            });
            let Some(lane) = lane else { return };
            self.take_from(lane, most);
            self.owners[lane] = Some(least);
            self.lanes[lane].assign();
            if let Some(told) = self.members.get_mut(&least) {
                told.push_back(LaneEvent::Assigned(Partition(lane as u32)));
            }
        }
    }

    /// Whether the member owns the lane.
    pub(super) fn owns(&self, member: MemberId, lane: Partition) -> bool {
        self.owners.get(lane.0 as usize).is_some_and(|owner| *owner == Some(member))
    }

    pub(super) fn barrier(&mut self, member: MemberId, lane: Partition) -> Barrier {
        self.barriers += 1;
        let barrier = Barrier(self.barriers);
        if self.owns(member, lane) {
            self.lanes[lane.0 as usize].barrier(barrier);
        } else if let Some(told) = self.members.get_mut(&member) {
            told.push_back(LaneEvent::Barrier(barrier));
        }
        barrier
    }

    pub(super) fn event(&mut self, member: MemberId, wanted: Wanted, max: usize) -> Option<LaneEvent> {
        if let Some(event) = self.members.get_mut(&member)?.pop_front() {
            return Some(event);
        }
        // What lies on `inflight` of one lane never waits behind messages of another.
        [Wanted::default(), wanted].into_iter().find_map(|wanted| {
            let lanes = self.lanes.iter_mut().zip(&self.owners);
            let mut owned = lanes.filter(|(_, owner)| **owner == Some(member));
            owned.find_map(|(lane, _)| lane.event(wanted, max.max(1)))
        })
    }
}
