//! What a subscription knows of its partitions, and what it has to hand out. No I/O: the poll loop feeds it records and
//! assignments, the program takes events and gives completions, and it says what to commit and which partitions to pause.

pub(crate) mod assignment;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use oxwhisk_messaging::{BusError, Delivery, DeliveryId, Event, Partition, Topic};

use super::group::Group;
use crate::config::Consuming;
use crate::wire::Record;
use assignment::{Assignment, Outcome};

/// Where a partition is taken up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// The group's commit, if there is any.
    pub(crate) committed: Option<(u64, String)>,
    /// The first record that is still there, and the one after the last.
    pub(crate) low: u64,
    pub(crate) high: u64,
    /// A time before that was asked for, in milliseconds since the epoch, whatever clocks differ by.
    pub(crate) at: i64,
}

/// What is to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) topic: Topic,
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    pub(crate) metadata: String,
}

/// Partitions to be read no more for now, and those to be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) pause: Vec<u32>,
    pub(crate) resume: Vec<u32>,
}

#[derive(Debug)]
enum Entry {
    Said(Event),
    Message(Delivery),
}

#[derive(Debug)]
pub(crate) struct State {
    bounds: Consuming,
    topic: Topic,
    partitions: BTreeMap<u32, Assignment>,
    assignments: u32,
    queue: VecDeque<Entry>,
    messages: usize,
    bytes: usize,
    /// Enough waits to be taken; reading goes on when half of it is gone.
    full: bool,
    error: Option<BusError>,
    /// Nothing more will come after `error`.
    broken: bool,
    closed: bool,
}

fn size(delivery: &Delivery) -> usize {
    delivery.key.len() + delivery.payload.len()
}

impl State {
    pub(crate) fn new(bounds: Consuming, topic: Topic) -> Self {
        Self {
            bounds,
            topic,
            partitions: BTreeMap::new(),
            assignments: 0,
            queue: VecDeque::new(),
            messages: 0,
            bytes: 0,
            full: false,
            error: None,
            broken: false,
            closed: false,
        }
    }

    fn caught_up(&mut self, partition: u32) {
        if self.partitions.get_mut(&partition).is_some_and(Assignment::catches_up) {
            self.queue.push_back(Entry::Said(Event::CaughtUp(Partition(partition))));
        }
    }

    /// Those that wait to be taken are taken out, of the others the holder is told.
    fn withdraw(&mut self, mut ids: Vec<DeliveryId>) {
        self.drop_messages(|delivery| {
            let before = ids.len();
            ids.retain(|id| *id != delivery.id);
            ids.len() < before
        });
        if !ids.is_empty() {
            self.queue.push_back(Entry::Said(Event::Withdrawn(ids)));
        }
    }

    fn drop_messages(&mut self, mut drops: impl FnMut(&Delivery) -> bool) {
        let (mut messages, mut bytes) = (0, 0);
        self.queue.retain(|entry| match entry {
            Entry::Message(delivery) if drops(delivery) => {
                messages += 1;
                bytes += size(delivery);
                false
            }
            _ => true,
        });
        self.messages -= messages;
        self.bytes -= bytes;
    }

    pub(crate) fn complete(&mut self, ids: &[DeliveryId]) {
        for id in ids {
            let assignment = self.partitions.get_mut(&id.partition.0);
            if let Some(assignment) = assignment.filter(|assignment| assignment.number() == id.assignment) {
                assignment.complete(id.offset);
            }
        }
    }

    /// What is there for the program.
    pub(crate) fn next(&mut self, max: usize) -> Result<Option<Event>, BusError> {
        if self.closed {
            return Err(BusError::Closed);
        }
        let mut deliveries = Vec::new();
        while deliveries.len() < max.max(1) {
            match self.queue.pop_front() {
                Some(Entry::Message(delivery)) => {
                    self.messages -= 1;
                    self.bytes -= size(&delivery);
                    deliveries.push(delivery);
                }
                Some(Entry::Said(event)) if deliveries.is_empty() => return Ok(Some(event)),
                Some(said) => {
                    self.queue.push_front(said);
                    break;
                }
                None => break,
            }
        }
        if !deliveries.is_empty() {
            return Ok(Some(Event::Messages(deliveries)));
        }
        match &self.error {
            Some(error) if self.broken => Err(error.clone()),
            Some(_) => Err(self.error.take().unwrap_or(BusError::Closed)),
            None => Ok(None),
        }
    }
}

impl Group for State {
    fn assign(&mut self, partition: u32) {
        self.assignments += 1;
        self.partitions.insert(partition, Assignment::new(self.assignments, self.bounds));
    }

    fn revoke(&mut self, partition: u32) {
        let Some(assignment) = self.partitions.remove(&partition) else { return };
        let of_it = Partition(partition);
        self.drop_messages(|delivery| delivery.id.partition == of_it);
        self.queue
            .retain(|entry| !matches!(entry, Entry::Said(Event::CaughtUp(partition)) if *partition == of_it));
        if assignment.is_ready() {
            self.queue.push_back(Entry::Said(Event::Revoked(of_it)));
        }
    }

    fn unknown(&self) -> Vec<u32> {
        self.partitions
            .iter()
            .filter(|(_, assignment)| !assignment.is_ready())
            .map(|(number, _)| *number)
            .collect()
    }

    fn take_up(&mut self, partition: u32, starts: &[Start], now: Duration) {
        let (Some(assignment), [start]) = (self.partitions.get_mut(&partition), starts) else { return };
        let (early, fault) = assignment.take_up(start);
        if let Some(fault) = fault {
            tracing::error!(
                partition,
                fault,
                "a commit on Kafka cannot be read: what was done beyond it is done again"
            );
        }
        self.queue.push_back(Entry::Said(Event::Assigned(Partition(partition))));
        self.caught_up(partition);
        for record in early {
            self.read(partition, record, now);
        }
    }

    fn read(&mut self, partition: u32, record: Record, now: Duration) {
        let Some(assignment) = self.partitions.get_mut(&partition) else { return };
        match assignment.read(Partition(partition), record, self.topic.holds_notes(), now) {
            Outcome::Nothing => {}
            Outcome::Message(delivery) => {
                self.messages += 1;
                self.bytes += size(&delivery);
                self.queue.push_back(Entry::Message(delivery));
            }
            Outcome::Withdrawn(ids) => self.withdraw(ids),
        }
        self.caught_up(partition);
    }

    fn commits(&mut self) -> Vec<Commit> {
        let changed = self
            .partitions
            .iter_mut()
            .filter_map(|(number, assignment)| assignment.commit(self.topic, *number));
        changed.collect()
    }

    fn not_committed(&mut self, commit: &Commit) {
        if let Some(assignment) = self.partitions.get_mut(&commit.partition) {
            assignment.not_committed();
        }
    }

    fn flow(&mut self) -> Flow {
        let Consuming { pending_messages, pending_bytes, partial_bytes, .. } = self.bounds;
        self.full = if self.full {
            self.messages > pending_messages / 2 || self.bytes > pending_bytes / 2
        } else {
            self.messages >= pending_messages || self.bytes >= pending_bytes
        };
        let partial: usize = self.partitions.values().map(Assignment::partial_bytes).sum();
        // With too many halves of messages, one partition is read until it has none.
        let only = (partial > partial_bytes)
            .then(|| self.partitions.iter().find(|(_, assignment)| assignment.partial_bytes() > 0))
            .flatten()
            .map(|(number, _)| *number);
        let mut flow = Flow::default();
        for (number, assignment) in &mut self.partitions {
            let held_up = self.full || only.is_some_and(|only| only != *number);
            match assignment.regulate(held_up) {
                Some(true) => flow.pause.push(*number),
                Some(false) => flow.resume.push(*number),
                None => {}
            }
        }
        flow
    }

    fn is_held_up(&self) -> bool {
        self.partitions.values().any(Assignment::is_paused)
    }

    fn silent(&self, now: Duration) -> Vec<u32> {
        let silent = self.partitions.iter().filter(|(_, assignment)| assignment.is_silent(now));
        silent.map(|(number, _)| *number).collect()
    }

    fn log_ends(&mut self, partition: u32, end: u64, now: Duration) {
        if let Some(assignment) = self.partitions.get_mut(&partition) {
            assignment.log_ends(end, now);
        }
    }

    fn expire(&mut self) {
        for (number, assignment) in &mut self.partitions {
            assignment.expire(Partition(*number));
        }
    }

    fn fail(&mut self, error: BusError, lasting: bool) {
        if !self.broken {
            self.error = Some(error);
            self.broken = lasting;
        }
    }

    fn close(&mut self) {
        self.closed = true;
    }
}
