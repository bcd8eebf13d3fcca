//! One partition for as long as it is ours.

use std::collections::HashMap;
use std::time::Duration;

use oxwhisk_messaging::{Delivery, DeliveryId, Partition, Topic};

use super::{Commit, Start};
use crate::chunk::{Assembler, Whole};
use crate::config::Consuming;
use crate::times::Times;
use crate::tracker::{Admission, Bounds, Tracker};
use crate::wire::{Content, Record};

#[derive(Debug)]
pub(crate) struct Assignment {
    /// Tells the assignments of a partition apart.
    number: u32,
    bounds: Consuming,
    /// `None` until it is known what was done.
    tracker: Option<Tracker>,
    /// Read before that.
    early: Vec<Record>,
    assembler: Assembler,
    /// The records of deliveries that came in chunks, by the last one's offset.
    chunks: HashMap<u64, Vec<u64>>,
    /// Offsets of the notes that are not completed, by key, and the keys by offset.
    notes: HashMap<String, Vec<u64>>,
    keys: HashMap<u64, String>,
    times: Times,
    /// The first record to be read and the end of the partition, when it was taken up.
    first: u64,
    high: u64,
    caught_up: bool,
    changed: bool,
    paused: bool,
    /// More is outstanding than may be; it is read again when a quarter of that is done.
    crowded: bool,
}

/// What came of a record.
#[derive(Debug)]
pub(crate) enum Outcome {
    Nothing,
    Message(Delivery),
    Withdrawn(Vec<DeliveryId>),
}

impl Assignment {
    pub(crate) fn new(number: u32, bounds: Consuming) -> Self {
        Self {
            number,
            bounds,
            tracker: None,
            early: Vec::new(),
            assembler: Assembler::default(),
            chunks: HashMap::new(),
            notes: HashMap::new(),
            keys: HashMap::new(),
            times: Times::default(),
            first: 0,
            high: 0,
            caught_up: false,
            changed: false,
            // The poll loop pauses what it is given until it is taken up.
            paused: true,
            crowded: false,
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.tracker.is_some()
    }

    /// Returns what was read too early, and what is wrong with the commit.
    pub(crate) fn take_up(&mut self, start: &Start) -> (Vec<Record>, Option<String>) {
        let (committed, metadata) = start.committed.clone().unwrap_or((start.low, String::new()));
        let bounds = Bounds { metadata: self.bounds.metadata, outstanding: self.bounds.outstanding };
        let (mut tracker, fault) = Tracker::resume(committed, &metadata, bounds);
        tracker.cut(start.low);
        (self.first, self.high) = (tracker.position(), start.high);
        self.tracker = Some(tracker);
        if !self.is_behind() {
            self.times.begin_at(start.at);
        }
        (std::mem::take(&mut self.early), fault)
    }

    /// Whether something that was there when the partition was taken up is still to be read.
    pub(crate) fn is_behind(&self) -> bool {
        self.tracker.as_ref().is_none_or(|tracker| tracker.position() < self.high)
    }

    /// The next record to be read.
    pub(crate) fn position(&self) -> u64 {
        self.tracker.as_ref().map_or(0, Tracker::position)
    }

    /// Whether it is known from when on there is something to be done here: see [`Times::first`].
    pub(crate) fn knows_its_time(&self) -> bool {
        self.tracker.is_some() && (self.first >= self.high || self.times.first.is_some())
    }

    pub(crate) fn times(&self) -> &Times {
        &self.times
    }

    /// Whether everything that was there has now been read; true once.
    pub(crate) fn catches_up(&mut self) -> bool {
        let position = self.tracker.as_ref().map_or(0, Tracker::position);
        let now = self.tracker.is_some() && !self.caught_up && position >= self.high;
        self.caught_up |= now;
        now
    }

    pub(crate) fn read(
        &mut self,
        partition: Partition,
        record: Record,
        holds_notes: bool,
        now: Duration,
    ) -> Outcome {
        let Some(tracker) = &mut self.tracker else {
            self.early.push(record);
            return Outcome::Nothing;
        };
        let fresh = tracker.admit(record.offset) == Admission::Fresh;
        self.times.read(record.offset, record.at, fresh);
        if !fresh {
            return Outcome::Nothing;
        }
        let Record { offset, key, attempt, content, .. } = record;
        let chunk = match content {
            Content::Chunk(chunk) => chunk,
            Content::Tombstone => {
                let notes = self.notes.get(&key).cloned().unwrap_or_default();
                notes.iter().for_each(|note| self.complete(*note));
                self.complete(offset);
                let ids = notes.into_iter().map(|note| self.id(partition, note));
                return Outcome::Withdrawn(ids.collect());
            }
        };
        let taken = self.assembler.take(chunk, now);
        self.give_up(partition, &taken.given_up);
        let Some(Whole { offsets, payload }) = taken.whole else { return Outcome::Nothing };
        let first = offsets.first().copied().unwrap_or(offset);
        if offsets.len() > 1 {
            self.chunks.insert(offset, offsets);
        }
        if holds_notes {
            self.notes.entry(key.clone()).or_default().push(offset);
            self.keys.insert(offset, key.clone());
        }
        let id = self.id(partition, offset);
        Outcome::Message(Delivery { id, key, attempt, again: first < self.high, payload })
    }

    fn id(&self, partition: Partition, offset: u64) -> DeliveryId {
        DeliveryId { partition, assignment: self.number, offset }
    }

    /// Records of messages that never will be complete: nobody was told that Kafka has them.
    fn give_up(&mut self, partition: Partition, offsets: &[u64]) {
        for offset in offsets {
            tracing::info!(
                partition = partition.0,
                offset,
                "part of a message that its producer gave up, left out"
            );
            self.complete(*offset);
        }
    }

    /// The records of a delivery are done.
    pub(crate) fn complete(&mut self, offset: u64) {
        let Some(tracker) = &mut self.tracker else { return };
        for offset in self.chunks.remove(&offset).unwrap_or_else(|| vec![offset]) {
            self.changed |= tracker.complete(offset);
            self.times.done(offset);
        }
        if let Some(key) = self.keys.remove(&offset)
            && let Some(notes) = self.notes.get_mut(&key)
        {
            notes.retain(|note| *note != offset);
            if notes.is_empty() {
                self.notes.remove(&key);
            }
        }
    }

    pub(crate) fn commit(&mut self, topic: Topic, partition: u32) -> Option<Commit> {
        let tracker = self.tracker.as_ref().filter(|_| self.changed)?;
        self.changed = false;
        Some(Commit { topic, partition, offset: tracker.committed(), metadata: tracker.metadata() })
    }

    pub(crate) fn not_committed(&mut self) {
        self.changed = true;
    }

    pub(crate) fn partial_bytes(&self) -> usize {
        self.assembler.bytes()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether to pause (`true`) or to read again (`false`).
    pub(crate) fn regulate(&mut self, held_up: bool) -> Option<bool> {
        let tracker = self.tracker.as_ref()?;
        self.crowded = if self.crowded { !tracker.is_relaxed() } else { tracker.room() == 0 };
        let pause = held_up || self.crowded;
        (pause != std::mem::replace(&mut self.paused, pause)).then_some(pause)
    }

    pub(crate) fn is_silent(&self, now: Duration) -> bool {
        self.assembler.silent(now, self.bounds.chunk_patience)
    }

    pub(crate) fn log_ends(&mut self, end: u64, now: Duration) {
        self.assembler.log_ends(end, now, self.bounds.chunk_patience);
    }

    /// Gives up what should have been complete by now.
    pub(crate) fn expire(&mut self, partition: Partition) {
        let position = self.tracker.as_ref().map_or(0, Tracker::position);
        let offsets = self.assembler.give_up(position);
        self.give_up(partition, &offsets);
    }
}
