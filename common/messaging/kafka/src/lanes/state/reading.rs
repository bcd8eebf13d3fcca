//! What the client without a group does with the state: it reads `activations.parked` and `inflight` of the lanes that are
//! ours.

use std::time::Duration;

use oxwhisk_messaging::{Barrier, Topic};

use super::State;
use crate::consumer::state::Flow;
use crate::lanes::notes::Notes;
use crate::wire::Record;

/// One partition that is to be read, for one assignment of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub(crate) topic: Topic,
    pub(crate) lane: u32,
    pub(crate) assignment: u32,
}

impl State {
    /// Everything that is to be read, and from where on if it is not read yet.
    pub(crate) fn sources(&self) -> Vec<(Source, u64)> {
        let mut sources = Vec::new();
        for (number, lane) in self.lanes.iter().filter(|(_, lane)| lane.is_ready()) {
            let source = |topic| Source { topic, lane: *number, assignment: lane.number };
            sources.push((source(Topic::Parked), lane.parked.assignment.position()));
            let next = lane.notes.as_ref().and_then(Notes::next);
            sources.extend(next.map(|next| (source(Topic::InFlight), next)));
        }
        sources
    }

    fn is_ours(&self, source: Source) -> bool {
        self.lanes.get(&source.lane).is_some_and(|lane| lane.number == source.assignment)
    }

    /// The client reads it now.
    pub(crate) fn reads(&mut self, source: Source) {
        let owned = self.lanes.get_mut(&source.lane).filter(|lane| lane.number == source.assignment);
        if let Some(work) = owned.and_then(|owned| owned.work(source.topic)) {
            work.reading = true;
        }
    }

    /// Records of a lane that was lost meanwhile are passed over.
    pub(crate) fn read_from(&mut self, source: Source, record: Record, now: Duration) {
        if self.is_ours(source) {
            self.read_of(source.topic, source.lane, record, now);
        }
    }

    /// Lanes whose `inflight` could be read if it was known from where on, with the time to look for, if any.
    pub(crate) fn beginning(&self) -> Vec<(Source, Option<i64>)> {
        let beginning = self.lanes.iter().filter_map(|(number, lane)| {
            let source = Source { topic: Topic::InFlight, lane: *number, assignment: lane.number };
            Some((source, lane.begins_with()?.map(Notes::time_to_look_for)))
        });
        beginning.collect()
    }

    /// `since`: the first record at the time that was looked for, if there is one.
    pub(crate) fn begin(&mut self, source: Source, since: Option<u64>) {
        if !self.is_ours(source) {
            return;
        }
        if let Some(notes) = self.lanes.get_mut(&source.lane).and_then(|lane| lane.notes.as_mut()) {
            notes.begin(since);
        }
        self.advance(source.lane);
    }

    /// Barriers of which it is not known yet where they are.
    pub(crate) fn asked(&self) -> Vec<(u32, Vec<Barrier>)> {
        let asked = self.lanes.iter().filter_map(|(number, lane)| {
            let barriers: Vec<Barrier> = lane.notes.iter().flat_map(Notes::asked).collect();
            (!barriers.is_empty()).then_some((*number, barriers))
        });
        asked.collect()
    }

    pub(crate) fn ends(&mut self, lane: u32, barriers: &[Barrier], end: u64) {
        if let Some(notes) = self.lanes.get_mut(&lane).and_then(|lane| lane.notes.as_mut()) {
            notes.ends(barriers, end);
        }
        self.advance(lane);
    }

    /// As [`crate::consumer::group::Group::flow`], of the topics that are read here.
    pub(crate) fn reader_flow(&mut self, topic: Topic) -> Flow {
        self.flow_of(topic)
    }

    pub(crate) fn is_reader_held_up(&self) -> bool {
        let is_paused = |topic| self.lanes.values().any(|lane| lane.is_paused(topic));
        is_paused(Topic::Parked) || is_paused(Topic::InFlight)
    }

    pub(crate) fn reader_silent(&self, topic: Topic, now: Duration) -> Vec<u32> {
        self.silent_of(topic, now)
    }

    pub(crate) fn reader_log_ends(&mut self, topic: Topic, lane: u32, end: u64, now: Duration) {
        self.log_ends_of(topic, lane, end, now);
    }

    pub(crate) fn reader_expires(&mut self, topic: Topic) {
        self.expire_of(topic);
    }
}
