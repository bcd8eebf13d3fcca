//! One lane's `inflight` for as long as it is ours.
//!
//! Everything on it is handed out, whether it still counts or not: whoever owns the lane puts it together. What is decided
//! here is where a next owner has to begin, which is the oldest note that was not withdrawn. A mark holds nothing back.

use std::collections::HashMap;
use std::time::Duration;

use oxwhisk_messaging::{Barrier, LaneMessage, Partition, Topic};

use crate::chunk::{Assembler, Whole};
use crate::clock::SKEW;
use crate::config::Consuming;
use crate::consumer::state::{Commit, Start};
use crate::tracker::{Bounds, Tracker};
use crate::wire::{Content, Record};

/// A barrier that was asked for, with the end of the lane's `inflight` when that is known.
#[derive(Clone, Copy, Debug)]
struct Pending {
    barrier: Barrier,
    end: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Notes {
    lane: Partition,
    patience: Duration,
    low: u64,
    /// The end when the lane was taken up.
    high: u64,
    tracker: Tracker,
    assembler: Assembler,
    /// The records of the notes that are not withdrawn, by key.
    open: HashMap<String, Vec<u64>>,
    /// The next record to be read; `None` until it is known from where on. Not the tracker's: reading may begin before what
    /// was committed.
    next: Option<u64>,
    barriers: Vec<Pending>,
    changed: bool,
    paused: bool,
}

impl Notes {
    pub(super) fn new(lane: Partition, start: &Start, bounds: Consuming) -> Self {
        let committed = start.committed.as_ref().map_or(start.low, |(offset, _)| *offset);
        // Notes are few and withdrawn soon, so nothing is kept of what is done beyond the oldest of them.
        let (mut tracker, _) =
            Tracker::resume(committed, "", Bounds { metadata: 0, outstanding: usize::MAX });
        tracker.cut(start.low);
        Self {
            lane,
            patience: bounds.chunk_patience,
            low: start.low,
            high: start.high,
            tracker,
            assembler: Assembler::default(),
            open: HashMap::new(),
            next: None,
            barriers: Vec::new(),
            changed: false,
            paused: false,
        }
    }

    /// The time to look for where reading begins: that of the oldest message that is not done, less what clocks may differ by.
    pub(super) fn time_to_look_for(oldest: i64) -> i64 {
        oldest.saturating_sub(SKEW).max(0)
    }

    /// Reading begins: at the oldest note, or at `since`, the first record of the time of the oldest message.
    pub(super) fn begin(&mut self, since: Option<u64>) {
        let committed = self.tracker.committed();
        self.next = Some(since.map_or(committed, |since| since.min(committed)).max(self.low));
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    pub(super) fn is_behind(&self) -> bool {
        self.next.is_none_or(|next| next < self.high)
    }

    pub(super) fn read(&mut self, record: Record, now: Duration) -> Option<LaneMessage> {
        let Record { offset, key, attempt, transient, at, content } = record;
        self.next = Some(offset + 1);
        self.tracker.admit(offset);
        let payload = match content {
            Content::Tombstone => {
                self.open.remove(&key).into_iter().flatten().for_each(|note| self.over(note));
                self.over(offset);
                None
            }
            Content::Chunk(chunk) => {
                let taken = self.assembler.take(chunk, now);
                taken.given_up.into_iter().for_each(|chunk| self.over(chunk));
                let Whole { offsets, payload } = taken.whole?;
                if transient {
                    offsets.into_iter().for_each(|record| self.over(record));
                } else {
                    self.open.entry(key.clone()).or_default().extend(offsets);
                }
                Some(payload)
            }
        };
        Some(LaneMessage { lane: self.lane, offset, key, attempt, again: offset < self.high, at, payload })
    }

    fn over(&mut self, offset: u64) {
        self.changed |= self.tracker.complete(offset);
    }

    pub(super) fn commit(&mut self) -> Option<Commit> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let (topic, partition) = (Topic::InFlight, self.lane.0);
        Some(Commit { topic, partition, offset: self.tracker.committed(), metadata: String::new() })
    }

    pub(super) fn not_committed(&mut self) {
        self.changed = true;
    }

    pub(super) fn ask(&mut self, barrier: Barrier) {
        self.barriers.push(Pending { barrier, end: None });
    }

    /// Barriers of which the end is still to be asked for.
    pub(super) fn asked(&self) -> impl Iterator<Item = Barrier> {
        self.barriers.iter().filter(|pending| pending.end.is_none()).map(|pending| pending.barrier)
    }

    /// These were asked for before `inflight` was found to end here.
    pub(super) fn ends(&mut self, barriers: &[Barrier], end: u64) {
        let asked = self.barriers.iter_mut().filter(|pending| barriers.contains(&pending.barrier));
        asked.for_each(|pending| pending.end = Some(end));
    }

    /// Barriers that everything before them has been read of.
    pub(super) fn reached(&mut self) -> Vec<Barrier> {
        let Some(next) = self.next else { return Vec::new() };
        let is_reached = |pending: &mut Pending| pending.end.is_some_and(|end| end <= next);
        self.barriers.extract_if(.., is_reached).map(|pending| pending.barrier).collect()
    }

    /// The lane is lost.
    pub(super) fn barriers(self) -> impl Iterator<Item = Barrier> {
        self.barriers.into_iter().map(|pending| pending.barrier)
    }

    /// Whether to pause (`true`) or to read again (`false`).
    pub(super) fn regulate(&mut self, held_up: bool) -> Option<bool> {
        self.next?;
        (held_up != std::mem::replace(&mut self.paused, held_up)).then_some(held_up)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(super) fn is_silent(&self, now: Duration) -> bool {
        self.assembler.silent(now, self.patience)
    }

    pub(super) fn log_ends(&mut self, end: u64, now: Duration) {
        self.assembler.log_ends(end, now, self.patience);
    }

    /// Gives up what should have been complete by now.
    pub(super) fn expire(&mut self) {
        let given_up = self.assembler.give_up(self.next.unwrap_or(0));
        given_up.into_iter().for_each(|chunk| self.over(chunk));
    }
}
