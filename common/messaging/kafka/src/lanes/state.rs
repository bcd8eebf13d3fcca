//! What a subscription knows of its lanes, and what it has to hand out. No I/O: two threads feed it records and assignments,
//! the program takes events, and it says what to commit, what to read and what to pause.

mod group;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use oxwhisk_messaging::{Barrier, BusError, LaneEvent, LaneMessage, Partition, Topic, Wanted};

use super::lane::Lane;
use super::queue::{Load, Queue};
use crate::config::Consuming;
use crate::consumer::state::Flow;
use crate::wire::Record;

pub(super) use reading::Source;

/// What is handed out before any other message.
#[derive(Debug)]
enum Said {
    Event(LaneEvent),
    Entry(LaneMessage),
}

#[derive(Debug)]
pub(super) struct State {
    bounds: Consuming,
    lanes: BTreeMap<u32, Lane>,
    assignments: u32,
    barriers: u64,
    /// Changes of ownership, and what lies on `inflight`.
    said: VecDeque<Said>,
    entries: Load,
    activations: Queue,
    parked: Queue,
    /// `activations.parked` is looked at first the next time, so that neither waits for ever.
    parked_first: bool,
    error: Option<BusError>,
    /// Nothing more will come after `error`.
    broken: bool,
    closed: bool,
}

impl State {
    pub(super) fn new(bounds: Consuming) -> Self {
        Self {
            bounds,
            lanes: BTreeMap::new(),
            assignments: 0,
            barriers: 0,
            said: VecDeque::new(),
            entries: Load::default(),
            activations: Queue::default(),
            parked: Queue::default(),
            parked_first: false,
            error: None,
            broken: false,
            closed: false,
        }
    }

    fn say(&mut self, event: LaneEvent) {
        self.said.push_back(Said::Event(event));
    }

    fn read_of(&mut self, topic: Topic, lane: u32, record: Record, now: Duration) {
        let Some(owned) = self.lanes.get_mut(&lane) else { return };
        if let Some(message) = owned.read(topic, record, now) {
            match topic {
                Topic::Activations => self.activations.push(message),
                Topic::Parked => self.parked.push(message),
                _ => {
                    self.entries.add(&message);
                    self.said.push_back(Said::Entry(message));
                }
            }
        }
        self.advance(lane);
    }

    /// Says what is due behind what was read or handed out.
    fn advance(&mut self, lane: u32) {
        let Some(owned) = self.lanes.get_mut(&lane) else { return };
        let reached = owned.notes.as_mut().map(|notes| notes.reached()).unwrap_or_default();
        self.said.extend(reached.into_iter().map(|barrier| Said::Event(LaneEvent::Barrier(barrier))));
        if owned.catches_up() {
            self.say(LaneEvent::CaughtUp(Partition(lane)));
        }
    }

    /// What waits of a lane is dropped.
    fn forget(&mut self, lane: Partition) {
        self.activations.forget(lane);
        self.parked.forget(lane);
        let entries = &mut self.entries;
        self.said.retain(|said| match said {
            Said::Entry(entry) if entry.lane == lane => {
                entries.remove(entry);
                false
            }
            Said::Event(LaneEvent::CaughtUp(of)) => *of != lane,
            _ => true,
        });
    }

    /// What is there for the program.
    pub(super) fn next(&mut self, wanted: Wanted, max: usize) -> Result<Option<LaneEvent>, BusError> {
        if self.closed {
            return Err(BusError::Closed);
        }
        let max = max.max(1);
        if let Some(event) = self.next_said(max).or_else(|| self.next_messages(wanted, max)) {
            return Ok(Some(event));
        }
        match &self.error {
            Some(error) if self.broken => Err(error.clone()),
            Some(_) => Err(self.error.take().unwrap_or(BusError::Closed)),
            None => Ok(None),
        }
    }

    fn next_said(&mut self, max: usize) -> Option<LaneEvent> {
        let mut entries = Vec::new();
        while entries.len() < max {
            match self.said.pop_front() {
                Some(Said::Entry(entry)) => {
                    self.entries.remove(&entry);
                    entries.push(entry);
                }
                Some(Said::Event(event)) if entries.is_empty() => return Some(event),
                Some(said) => {
                    self.said.push_front(said);
                    break;
                }
                None => break,
            }
        }
        (!entries.is_empty()).then_some(LaneEvent::InFlight(entries))
    }

    fn next_messages(&mut self, wanted: Wanted, max: usize) -> Option<LaneEvent> {
        let mut order = [Topic::Activations, Topic::Parked];
        if self.parked_first {
            order.reverse();
        }
        for topic in order {
            let (queue, wanted) = match topic {
                Topic::Parked => (&mut self.parked, wanted.parked),
                _ => (&mut self.activations, wanted.activations),
            };
            let messages = if wanted { queue.take(max) } else { Vec::new() };
            if !messages.is_empty() {
                self.parked_first = topic == Topic::Activations;
                self.handed_out(&messages);
                return Some(LaneEvent::Messages { topic, messages });
            }
        }
        None
    }

    fn handed_out(&mut self, messages: &[LaneMessage]) {
        for message in messages.iter().filter(|message| message.again) {
            if let Some(owned) = self.lanes.get_mut(&message.lane.0) {
                owned.handed_out(message);
                self.advance(message.lane.0);
            }
        }
    }

    pub(super) fn done(&mut self, topic: Topic, lane: Partition, offset: u64) {
        let owned = self.lanes.get_mut(&lane.0);
        if let Some(work) = owned.and_then(|owned| owned.work(topic)) {
            work.assignment.complete(offset);
        }
    }

    pub(super) fn barrier(&mut self, lane: Partition) -> Barrier {
        self.barriers += 1;
        let barrier = Barrier(self.barriers);
        match self.lanes.get_mut(&lane.0) {
            Some(owned) => owned.ask(barrier),
            None => self.say(LaneEvent::Barrier(barrier)),
        }
        barrier
    }

    pub(super) fn oldest(&self, lane: Partition) -> Option<i64> {
        let owned = self.lanes.get(&lane.0).filter(|owned| !self.closed && owned.is_ready());
        owned?.oldest()
    }

    /// What has to change on a topic so that what waits of it keeps to its bounds.
    fn flow_of(&mut self, topic: Topic) -> Flow {
        let full = match topic {
            Topic::Activations => self.activations.load.is_full(self.bounds),
            Topic::Parked => self.parked.load.is_full(self.bounds),
            _ => self.entries.is_full(self.bounds),
        };
        let partial: usize = self.lanes.values().map(|lane| lane.partial_bytes(topic)).sum();
        // With too many halves of messages, one partition is read until it has none.
        let only = (partial > self.bounds.partial_bytes)
            .then(|| self.lanes.iter().find(|(_, lane)| lane.partial_bytes(topic) > 0))
            .flatten()
            .map(|(number, _)| *number);
        let mut flow = Flow::default();
        for (number, lane) in &mut self.lanes {
            match lane.regulate(topic, full || only.is_some_and(|only| only != *number)) {
                Some(true) => flow.pause.push(*number),
                Some(false) => flow.resume.push(*number),
                None => {}
            }
        }
        flow
    }

    fn silent_of(&self, topic: Topic, now: Duration) -> Vec<u32> {
        let silent = self.lanes.iter().filter(|(_, lane)| lane.is_silent(topic, now));
        silent.map(|(number, _)| *number).collect()
    }

    fn log_ends_of(&mut self, topic: Topic, lane: u32, end: u64, now: Duration) {
        if let Some(owned) = self.lanes.get_mut(&lane) {
            owned.log_ends(topic, end, now);
        }
    }

    fn expire_of(&mut self, topic: Topic) {
        self.lanes.values_mut().for_each(|lane| lane.expire(topic));
    }
}
