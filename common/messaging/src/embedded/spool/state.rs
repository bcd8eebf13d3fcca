//! What is in the spool: which records are not completed, and which wait to be handed out.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::TOPIC;
use super::segment::{Found, Record, Segment, Segments};
use crate::course::Course;
use crate::{BusError, Delivery, DeliveryId, Event};

/// A file whose records are all completed is given up early from this size on, so that a restart does not hand out
/// thousands of records once more.
const RECYCLED_FROM: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct State {
    active: Option<Segment>,
    segment_bytes: u64,
    next_segment: u32,
    /// Offsets of records that are not completed, by file.
    outstanding: BTreeMap<u32, HashSet<u32>>,
    /// Files whose outstanding records are to be read, the oldest first.
    backlog: VecDeque<u32>,
    pending: VecDeque<Delivery>,
    /// Bytes of what waits in `pending`.
    pending_bytes: usize,
    chores: Chores,
    subscribed: bool,
    course: Course,
    closed: bool,
}

/// What the thread in the background is to do.
#[derive(Debug, Default)]
pub(super) struct Chores {
    pub(super) sync: Vec<Arc<File>>,
    pub(super) delete: Vec<u32>,
}

/// What is there for a subscription.
pub(super) enum Next {
    Event(Event),
    /// A file has to be read first.
    Read(u32),
    Nothing,
}

const fn delivery_id(segment: u32, offset: u32) -> DeliveryId {
    DeliveryId::of_offset((segment as u64) << 32 | offset as u64)
}

/// Records are not attempted more than once.
fn delivery(segment: u32, offset: u32, key: String, payload: Bytes) -> Delivery {
    Delivery { id: delivery_id(segment, offset), key, attempt: 1, again: false, payload }
}

const fn place(id: DeliveryId) -> (u32, u32) {
    ((id.offset >> 32) as u32, id.offset as u32)
}

fn size(delivery: &Delivery) -> usize {
    delivery.key.len() + delivery.payload.len()
}

impl State {
    pub(super) fn new(found: Vec<Found>, segment_bytes: u64) -> Self {
        let next_segment = found.last().map_or(0, |found| found.number + 1);
        let (full, empty): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| !found.records.is_empty());
        Self {
            active: None,
            segment_bytes,
            next_segment,
            backlog: full.iter().map(|found| found.number).collect(),
            outstanding: full.into_iter().map(|found| (found.number, found.records)).collect(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            chores: Chores { delete: empty.iter().map(|found| found.number).collect(), ..Chores::default() },
            subscribed: false,
            course: Course::default(),
            closed: false,
        }
    }

    /// Whether one more record of `size` bytes may come.
    pub(super) fn admit(&self, size: usize, max_bytes: usize) -> Result<(), BusError> {
        if self.closed {
            return Err(BusError::Closed);
        }
        // A record larger than the bound passes when nothing else waits.
        match self.pending.is_empty() || self.pending_bytes + size <= max_bytes {
            true => Ok(()),
            false => Err(BusError::Full { topic: TOPIC.name() }),
        }
    }

    pub(super) fn append(&mut self, segments: &Segments, key: &str, payload: &Bytes) -> io::Result<()> {
        if self.active.as_ref().is_some_and(|active| active.length >= self.segment_bytes) {
            self.seal();
        }
        let active = match &mut self.active {
            Some(active) => active,
            none => {
                let segment = segments.create(self.next_segment)?;
                self.next_segment += 1;
                self.outstanding.insert(segment.number, HashSet::new());
                none.insert(segment)
            }
        };
        let number = active.number;
        let offset = match active.append(key, payload) {
            Ok(offset) => offset,
            Err(error) => {
                self.seal();
                return Err(error);
            }
        };
        self.outstanding.entry(number).or_default().insert(offset);
        let delivery = delivery(number, offset, key.to_owned(), payload.clone());
        self.pending_bytes += size(&delivery);
        self.pending.push_back(delivery);
        Ok(())
    }

    /// Writes no more to the active file.
    fn seal(&mut self) {
        let Some(segment) = self.active.take() else { return };
        if self.outstanding.get(&segment.number).is_none_or(HashSet::is_empty) {
            self.discard(segment.number);
        } else {
            self.chores.sync.push(segment.file);
        }
    }

    fn discard(&mut self, number: u32) {
        self.outstanding.remove(&number);
        self.chores.delete.push(number);
    }

    pub(super) fn complete(&mut self, ids: &[DeliveryId]) {
        for (number, offset) in ids.iter().copied().map(place) {
            let Some(outstanding) = self.outstanding.get_mut(&number) else { continue };
            if !outstanding.remove(&offset) || !outstanding.is_empty() {
                continue;
            }
            match &self.active {
                Some(active) if active.number == number => {
                    if active.length >= RECYCLED_FROM.min(self.segment_bytes) {
                        self.seal();
                    }
                }
                _ => self.discard(number),
            }
        }
    }

    /// `read` is what waits at the subscription itself, read of a file of the backlog.
    pub(super) fn next(&mut self, max: usize, read: &mut VecDeque<Delivery>) -> Result<Next, BusError> {
        if self.closed {
            return Err(BusError::Closed);
        }
        if !read.is_empty() {
            let event = self.course.due(true);
            let waiting = |read: &mut VecDeque<Delivery>| read.drain(..max.min(read.len())).collect();
            return Ok(Next::Event(event.unwrap_or_else(|| self.course.hand_out(waiting(read)))));
        }
        while let Some(number) = self.backlog.front() {
            if self.outstanding.contains_key(number) {
                let number = *number;
                return Ok(self.course.due(true).map_or(Next::Read(number), Next::Event));
            }
            self.backlog.pop_front();
        }
        let boundary = self.course.boundary();
        let old_waits = self.pending.front().is_some_and(|delivery| delivery.id.offset < boundary);
        if let Some(event) = self.course.due(old_waits) {
            return Ok(Next::Event(event));
        }
        if self.pending.is_empty() {
            return Ok(Next::Nothing);
        }
        let deliveries: Vec<Delivery> = self.pending.drain(..max.min(self.pending.len())).collect();
        self.pending_bytes -= deliveries.iter().map(size).sum::<usize>();
        Ok(Next::Event(self.course.hand_out(deliveries)))
    }

    /// A file of the backlog has been read, or cannot be: then there are no records. Returns what is to be handed out.
    pub(super) fn backlog_read(&mut self, number: u32, records: Vec<Record>) -> VecDeque<Delivery> {
        self.backlog.retain(|waiting| *waiting != number);
        let Some(outstanding) = self.outstanding.get(&number) else { return VecDeque::new() };
        let waiting = records.into_iter().filter(|record| outstanding.contains(&record.offset));
        waiting.map(|Record { offset, key, payload }| delivery(number, offset, key, payload)).collect()
    }

    pub(super) fn subscribe(&mut self) -> Result<(), BusError> {
        if self.closed {
            return Err(BusError::Closed);
        }
        if self.subscribed {
            return Err(TOPIC.already_subscribed());
        }
        self.subscribed = true;
        let boundary = match &self.active {
            // Files are sealed before they are longer than an offset can say.
            Some(active) => delivery_id(active.number, u32::try_from(active.length).unwrap_or(u32::MAX)),
            None => delivery_id(self.next_segment, 0),
        };
        self.course = Course::begin(boundary.offset);
        Ok(())
    }

    /// The subscription is given up: what it did not complete will be read again.
    pub(super) fn unsubscribe(&mut self) {
        self.subscribed = false;
        self.seal();
        self.pending.clear();
        self.pending_bytes = 0;
        self.backlog = self.outstanding.keys().copied().collect();
    }

    pub(super) fn depth(&self) -> u64 {
        self.outstanding.values().map(|offsets| offsets.len() as u64).sum()
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.seal();
    }

    /// Hands the chores over; the active file is one of them.
    pub(super) fn take_chores(&mut self) -> Chores {
        let mut chores = std::mem::take(&mut self.chores);
        chores.sync.extend(self.active.as_ref().map(|active| Arc::clone(&active.file)));
        chores
    }
}
