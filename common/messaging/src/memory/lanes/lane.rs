//! What one lane holds, and what its owner has been handed of it.

use std::collections::BTreeMap;

use crate::{Barrier, LaneEvent, LaneMessage, Message, Partition, Topic, Wanted};

/// The lane's messages of `activations` or `activations.parked`.
#[derive(Debug, Default)]
struct Work {
    /// Not done, by offset.
    messages: BTreeMap<u64, LaneMessage>,
    end: u64,
}

#[derive(Debug)]
struct InFlight {
    entry: LaneMessage,
    /// A note that was not withdrawn.
    owed: bool,
}

#[derive(Debug)]
pub(super) struct Lane {
    number: Partition,
    activations: Work,
    parked: Work,
    in_flight: Vec<InFlight>,
    reading: Option<Reading>,
}

/// One ownership.
#[derive(Debug, Default)]
struct Reading {
    /// The next offset to be handed out, and the end when the lane was assigned.
    activations: (u64, u64),
    parked: (u64, u64),
    in_flight: (u64, u64),
    caught_up: bool,
    /// With the end of `inflight` when they were asked for.
    barriers: Vec<(Barrier, u64)>,
}

impl Work {
    /// The next messages from `next` on; `high` is where the new ones begin.
    fn hand_out(&self, (next, high): &mut (u64, u64), max: usize) -> Vec<LaneMessage> {
        let waiting = self.messages.range(*next..).take(max);
        let messages: Vec<LaneMessage> = waiting
            .map(|(offset, message)| LaneMessage { again: offset < high, ..message.clone() })
            .collect();
        if let Some(last) = messages.last() {
            *next = last.offset + 1;
        }
        messages
    }

    fn old_waits(&self, (next, high): (u64, u64)) -> bool {
        next < high && self.messages.range(next..high).next().is_some()
    }
}

impl Lane {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number: Partition(number),
            activations: Work::default(),
            parked: Work::default(),
            in_flight: Vec::new(),
            reading: None,
        }
    }

    /// The messages that are not done, or entries that are owed.
    pub(super) fn depth(&self, topic: Topic) -> usize {
        match topic {
            Topic::Activations => self.activations.messages.len(),
            Topic::Parked => self.parked.messages.len(),
            _ => self.in_flight.iter().filter(|entry| entry.owed).count(),
        }
    }

    pub(super) fn append(&mut self, topic: Topic, message: Message, at: i64) -> u64 {
        let Message { key, attempt, transient, payload, .. } = message;
        let new = LaneMessage {
            lane: self.number,
            offset: 0,
            key,
            attempt,
            again: false,
            at,
            payload: Some(payload),
        };
        let work = match topic {
            Topic::Activations => &mut self.activations,
            Topic::Parked => &mut self.parked,
            _ => return self.note(new, !transient),
        };
        let offset = work.end;
        work.messages.insert(offset, LaneMessage { offset, ..new });
        work.end += 1;
        offset
    }

    pub(super) fn withdraw(&mut self, key: &str, at: i64) {
        let notes = self.in_flight.iter_mut().filter(|entry| entry.entry.key == key);
        notes.for_each(|entry| entry.owed = false);
        let key = key.to_owned();
        let tombstone =
            LaneMessage { lane: self.number, offset: 0, key, attempt: 1, again: false, at, payload: None };
        self.note(tombstone, false);
    }

    fn note(&mut self, new: LaneMessage, owed: bool) -> u64 {
        let offset = self.in_flight.len() as u64;
        self.in_flight.push(InFlight { entry: LaneMessage { offset, ..new }, owed });
        offset
    }

    pub(super) fn done(&mut self, topic: Topic, offset: u64) {
        match topic {
            Topic::Activations => drop(self.activations.messages.remove(&offset)),
            Topic::Parked => drop(self.parked.messages.remove(&offset)),
            _ => {}
        }
    }

    pub(super) fn oldest(&self) -> Option<i64> {
        let all = self.activations.messages.values().chain(self.parked.messages.values());
        all.map(|message| message.at).min()
    }

    fn end(&self) -> u64 {
        self.in_flight.len() as u64
    }

    /// Where a new owner begins with `inflight`.
    fn in_flight_start(&self) -> u64 {
        let oldest = self.oldest();
        let is_needed =
            |entry: &InFlight| entry.owed || oldest.is_some_and(|oldest| entry.entry.at >= oldest);
        self.in_flight
            .iter()
            .find(|entry| is_needed(entry))
            .map_or_else(|| self.end(), |entry| entry.entry.offset)
    }

    pub(super) fn assign(&mut self) {
        self.reading = Some(Reading {
            activations: (0, self.activations.end),
            parked: (0, self.parked.end),
            in_flight: (self.in_flight_start(), self.end()),
            caught_up: false,
            barriers: Vec::new(),
        });
    }

    /// Returns what is to be said of it.
    pub(super) fn revoke(&mut self) -> impl Iterator<Item = LaneEvent> {
        let barriers = self.reading.take().unwrap_or_default().barriers;
        let barriers = barriers.into_iter().map(|(barrier, _)| LaneEvent::Barrier(barrier));
        barriers.chain([LaneEvent::Revoked(self.number)])
    }

    pub(super) fn barrier(&mut self, barrier: Barrier) {
        let end = self.end();
        if let Some(reading) = &mut self.reading {
            reading.barriers.push((barrier, end));
        }
    }

    pub(super) fn event(&mut self, wanted: Wanted, max: usize) -> Option<LaneEvent> {
        let reading = self.reading.as_mut()?;
        let (next, high) = reading.in_flight;
        if let Some(due) = reading.barriers.iter().position(|(_, end)| *end <= next) {
            return Some(LaneEvent::Barrier(reading.barriers.remove(due).0));
        }
        let entries = self.in_flight.iter().skip(usize::try_from(next).unwrap_or(usize::MAX)).take(max);
        let entries: Vec<LaneMessage> = entries
            .map(|InFlight { entry, .. }| LaneMessage { again: entry.offset < high, ..entry.clone() })
            .collect();
        if let Some(last) = entries.last() {
            reading.in_flight.0 = last.offset + 1;
            return Some(LaneEvent::InFlight(entries));
        }
        let old_waits =
            self.activations.old_waits(reading.activations) || self.parked.old_waits(reading.parked);
        if !reading.caught_up && !old_waits {
            reading.caught_up = true;
            return Some(LaneEvent::CaughtUp(self.number));
        }
        let works = [
            (wanted.activations, Topic::Activations, &self.activations, &mut reading.activations),
            (wanted.parked, Topic::Parked, &self.parked, &mut reading.parked),
        ];
        works.into_iter().filter(|(wanted, ..)| *wanted).find_map(|(_, topic, work, position)| {
            let messages = work.hand_out(position, max);
            (!messages.is_empty()).then_some(LaneEvent::Messages { topic, messages })
        })
    }
}
