//! What the group's member does with the state: `activations`, and all commits.

use std::time::Duration;

use oxwhisk_messaging::{BusError, LaneEvent, Partition, Topic};

use super::State;
use crate::consumer::group::Group;
use crate::consumer::state::{Commit, Flow, Start};
use crate::lanes::lane::Lane;
use crate::wire::Record;

impl Group for State {
    fn assign(&mut self, lane: u32) {
        self.assignments += 1;
        self.lanes.insert(lane, Lane::new(lane, self.assignments, self.bounds));
    }

    fn revoke(&mut self, lane: u32) {
        let Some(lost) = self.lanes.remove(&lane) else { return };
        let was_ready = lost.is_ready();
        self.forget(Partition(lane));
        for barrier in lost.barriers() {
            self.say(LaneEvent::Barrier(barrier));
        }
        if was_ready {
            self.say(LaneEvent::Revoked(Partition(lane)));
        }
    }

    fn unknown(&self) -> Vec<u32> {
        self.lanes.iter().filter(|(_, lane)| !lane.is_ready()).map(|(number, _)| *number).collect()
    }

    fn take_up(&mut self, lane: u32, starts: &[Start], now: Duration) {
        let Some(owned) = self.lanes.get_mut(&lane) else { return };
        let Ok(starts) = starts.try_into() else { return };
        let early = owned.take_up(starts, self.bounds);
        self.say(LaneEvent::Assigned(Partition(lane)));
        for record in early {
            self.read_of(Topic::Activations, lane, record, now);
        }
    }

    fn read(&mut self, lane: u32, record: Record, now: Duration) {
        self.read_of(Topic::Activations, lane, record, now);
    }

    fn commits(&mut self) -> Vec<Commit> {
        self.lanes.values_mut().flat_map(Lane::commits).collect()
    }

    fn not_committed(&mut self, commit: &Commit) {
        if let Some(owned) = self.lanes.get_mut(&commit.partition) {
            owned.not_committed(commit.topic);
        }
    }

    fn flow(&mut self) -> Flow {
        self.flow_of(Topic::Activations)
    }

    fn is_held_up(&self) -> bool {
        self.lanes.values().any(|lane| lane.is_paused(Topic::Activations))
    }

    fn silent(&self, now: Duration) -> Vec<u32> {
        self.silent_of(Topic::Activations, now)
    }

    fn log_ends(&mut self, lane: u32, end: u64, now: Duration) {
        self.log_ends_of(Topic::Activations, lane, end, now);
    }

    fn expire(&mut self) {
        self.expire_of(Topic::Activations);
    }

    /// A member that cannot go on has lost its lanes, whether the group has said so or not.
    fn fail(&mut self, error: BusError, lasting: bool) {
        if self.broken {
            return;
        }
        if lasting {
            let lanes: Vec<u32> = self.lanes.keys().copied().collect();
            lanes.into_iter().for_each(|lane| self.revoke(lane));
        }
        self.error = Some(error);
        self.broken = lasting;
    }

    fn close(&mut self) {
        self.closed = true;
    }
}
