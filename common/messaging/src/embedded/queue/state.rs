//! What a topic has in memory. Messages are on disk before they are here; here are those that wait to be handed out, as
//! far as the bounds allow, and the ids up to which that is so.

use std::collections::{HashSet, VecDeque};

use crate::course::Course;
use crate::{BusError, Delivery, DeliveryId, Event, Topic};

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Messages produced and not completed.
    pub(super) depth: u64,
    pub(super) pending_messages: usize,
    pub(super) pending_bytes: usize,
}

/// Messages that are to be deleted: completed ones, and the keys of withdrawn ones.
#[derive(Debug, Default)]
pub(super) struct Completions {
    pub(super) ids: Vec<u64>,
    pub(super) keys: Vec<String>,
}

/// Messages that were deleted.
#[derive(Debug, Default)]
pub(super) struct Deleted {
    pub(super) completed: Vec<u64>,
    pub(super) withdrawn: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct State {
    bounds: Bounds,
    depth: u64,
    next_id: u64,
    /// The last message committed.
    last: u64,
    /// Messages up to this id are in memory, handed out or gone. Below `last`, the next ones are to be read from disk.
    cursor: u64,
    pending: VecDeque<Delivery>,
    pending_bytes: usize,
    completions: Completions,
    /// Completed, and perhaps not deleted yet: not to be handed out when read from disk.
    completing: HashSet<u64>,
    /// Deleted while a page was being read, in which they may therefore be.
    gone_while_reading: Option<HashSet<u64>>,
    flush_scheduled: bool,
    subscribed: bool,
    course: Course,
    /// The last message handed out to this subscription.
    handed_out: u64,
    closed: bool,
}

/// What is there for a subscription.
pub(super) enum Next {
    Event(Event),
    /// Messages behind `after` up to `upto` have to be read first.
    Read {
        after: u64,
        upto: u64,
        bounds: Bounds,
    },
    Nothing,
}

impl State {
    pub(super) fn new(bounds: Bounds, depth: u64, last: u64) -> Self {
        Self {
            bounds,
            depth,
            next_id: last + 1,
            last,
            cursor: 0,
            pending: VecDeque::new(),
            pending_bytes: 0,
            completions: Completions::default(),
            completing: HashSet::new(),
            gone_while_reading: None,
            flush_scheduled: false,
            subscribed: false,
            course: Course::default(),
            handed_out: 0,
            closed: false,
        }
    }

    pub(super) fn reserve(&mut self, topic: Topic) -> Result<(), BusError> {
        if self.closed {
            return Err(BusError::Closed);
        }
        if self.depth >= self.bounds.depth {
            return Err(BusError::Full { topic: topic.name() });
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn give_back(&mut self) {
        self.depth -= 1;
    }

    /// The id of the next message; asked for in the order of the writes.
    pub(super) fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// A message is on disk. Called in the order of the ids.
    pub(super) fn committed(&mut self, message: Delivery) {
        let in_memory = self.cursor == self.last;
        self.last = message.id.offset;
        let room = self.pending.len() < self.bounds.pending_messages
            && self.pending_bytes < self.bounds.pending_bytes;
        if self.subscribed && in_memory && room {
            self.cursor = self.last;
            self.push(message);
        }
    }

    fn push(&mut self, message: Delivery) {
        self.pending_bytes += message.payload.len();
        self.pending.push_back(message);
    }

    pub(super) fn next(&mut self, max: usize) -> Result<Next, BusError> {
        if self.closed {
            return Err(BusError::Closed);
        }
        let boundary = self.course.boundary();
        let old_is_pending = self.pending.front().is_some_and(|message| message.id.offset < boundary);
        if let Some(event) = self.course.due(old_is_pending || self.cursor + 1 < boundary) {
            return Ok(Next::Event(event));
        }
        if self.pending.is_empty() {
            if self.cursor == self.last {
                return Ok(Next::Nothing);
            }
            self.gone_while_reading = Some(HashSet::new());
            return Ok(Next::Read { after: self.cursor, upto: self.last, bounds: self.bounds });
        }
        let deliveries: Vec<Delivery> = self.pending.drain(..max.min(self.pending.len())).collect();
        self.pending_bytes -= deliveries.iter().map(|delivery| delivery.payload.len()).sum::<usize>();
        self.handed_out = deliveries.last().map_or(self.handed_out, |last| last.id.offset);
        Ok(Next::Event(self.course.hand_out(deliveries)))
    }

    /// What was read behind `after` and up to `upto`; the page is cut short by the bounds if it reaches them.
    pub(super) fn page_read(&mut self, page: Vec<Delivery>, upto: u64) {
        let bytes: usize = page.iter().map(|message| message.payload.len()).sum();
        let cut_short = page.len() >= self.bounds.pending_messages || bytes >= self.bounds.pending_bytes;
        self.cursor = match page.last() {
            Some(message) if cut_short => message.id.offset,
            _ => upto,
        };
        let gone = self.gone_while_reading.take().unwrap_or_default();
        for message in page {
            if !self.completing.contains(&message.id.offset) && !gone.contains(&message.id.offset) {
                self.push(message);
            }
        }
    }

    pub(super) fn complete(&mut self, ids: &[DeliveryId]) {
        let new = ids.iter().filter(|id| self.completing.insert(id.offset));
        self.completions.ids.extend(new.map(|id| id.offset));
    }

    pub(super) fn withdraw(&mut self, key: &str) {
        self.completions.keys.push(key.to_owned());
    }

    /// Whether the completions have to be handed to the writer; if not, they go with those that already are.
    pub(super) fn schedule_flush(&mut self) -> bool {
        let empty = self.completions.ids.is_empty() && self.completions.keys.is_empty();
        !empty && !std::mem::replace(&mut self.flush_scheduled, true)
    }

    /// The writer did not take them: the next completion tries again.
    pub(super) fn flush_refused(&mut self) {
        self.flush_scheduled = false;
    }

    pub(super) fn take_completions(&mut self) -> Completions {
        self.flush_scheduled = false;
        std::mem::take(&mut self.completions)
    }

    /// Says whether the subscription has to be told something.
    pub(super) fn deleted(&mut self, completions: &Completions, deleted: &Deleted) -> bool {
        let Deleted { completed, withdrawn } = deleted;
        self.depth -= (completed.len() + withdrawn.len()) as u64;
        if let Some(gone) = &mut self.gone_while_reading {
            gone.extend(completed.iter().chain(withdrawn));
        }
        for id in &completions.ids {
            self.completing.remove(id);
        }
        if withdrawn.is_empty() {
            return false;
        }
        let gone: HashSet<u64> = withdrawn.iter().copied().collect();
        self.pending.retain(|message| !gone.contains(&message.id.offset));
        self.pending_bytes = self.pending.iter().map(|message| message.payload.len()).sum();
        let handed_out = withdrawn.iter().copied().filter(|id| *id <= self.handed_out);
        self.course.withdraw(handed_out.map(DeliveryId::of_offset));
        true
    }

    pub(super) fn put_back(&mut self, mut completions: Completions) {
        self.completions.ids.append(&mut completions.ids);
        self.completions.keys.append(&mut completions.keys);
    }

    pub(super) fn subscribe(&mut self, topic: Topic) -> Result<(), BusError> {
        if self.closed {
            return Err(BusError::Closed);
        }
        if self.subscribed {
            return Err(topic.already_subscribed());
        }
        self.subscribed = true;
        self.course = Course::begin(self.last + 1);
        Ok(())
    }

    /// The subscription is given up: what it did not complete will be read again.
    pub(super) fn unsubscribe(&mut self) {
        self.subscribed = false;
        self.course = Course::default();
        self.handed_out = 0;
        self.cursor = 0;
        self.gone_while_reading = None;
        self.pending.clear();
        self.pending_bytes = 0;
    }

    pub(super) fn depth(&self) -> u64 {
        self.depth
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }
}
