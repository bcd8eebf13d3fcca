//! One lane for as long as it is ours.

use std::time::Duration;

use oxwhisk_messaging::{Barrier, Delivery, LaneMessage, Partition, Topic};

use super::notes::Notes;
use crate::config::Consuming;
use crate::consumer::state::assignment::{Assignment, Outcome};
use crate::consumer::state::{Commit, Start};
use crate::wire::Record;

/// Its messages of `activations` or of `activations.parked`.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) topic: Topic,
    pub(super) assignment: Assignment,
    /// Whether a client reads it.
    pub(super) reading: bool,
}

#[derive(Debug)]
pub(super) struct Lane {
    lane: Partition,
    /// Tells the assignments of a lane apart.
    pub(super) number: u32,
    pub(super) activations: Work,
    pub(super) parked: Work,
    /// `None` until it is known what was done.
    pub(super) notes: Option<Notes>,
    /// Messages that were there when the lane was taken up and wait for the program.
    waiting: usize,
    caught_up: bool,
    /// Asked for before the lane was taken up.
    early: Vec<Barrier>,
}

impl Work {
    fn new(topic: Topic, number: u32, bounds: Consuming, reading: bool) -> Self {
        Self { topic, assignment: Assignment::new(number, bounds), reading }
    }

    fn take_up(&mut self, lane: Partition, start: &Start) -> Vec<Record> {
        let (early, fault) = self.assignment.take_up(start);
        if let Some(fault) = fault {
            let topic = self.topic.name();
            tracing::error!(
                topic,
                lane = lane.0,
                fault,
                "a commit on Kafka cannot be read: what was done beyond it is done again"
            );
        }
        early
    }

    /// Of what is not done; of what was not read it is known that it is no older.
    fn oldest(&self) -> Option<i64> {
        let more = self.assignment.is_behind() || self.assignment.is_paused();
        self.assignment.times().oldest(more)
    }
}

impl Lane {
    pub(super) fn new(lane: u32, number: u32, bounds: Consuming) -> Self {
        Self {
            lane: Partition(lane),
            number,
            // The group's member has the partition when the lane comes; it is paused.
            activations: Work::new(Topic::Activations, number, bounds, true),
            parked: Work::new(Topic::Parked, number, bounds, false),
            notes: None,
            waiting: 0,
            caught_up: false,
            early: Vec::new(),
        }
    }

    pub(super) fn work(&mut self, topic: Topic) -> Option<&mut Work> {
        match topic {
            Topic::Activations => Some(&mut self.activations),
            Topic::Parked => Some(&mut self.parked),
            _ => None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.notes.is_some()
    }

    /// What was done of `activations`, `activations.parked` and `inflight` is known. Returns what was read of the first one
    /// before that.
    pub(super) fn take_up(&mut self, starts: &[Start; 3], bounds: Consuming) -> Vec<Record> {
        let [activations, parked, in_flight] = starts;
        let mut notes = Notes::new(self.lane, in_flight, bounds);
        self.early.drain(..).for_each(|barrier| notes.ask(barrier));
        self.notes = Some(notes);
        self.parked.take_up(self.lane, parked);
        self.activations.take_up(self.lane, activations)
    }

    pub(super) fn read(&mut self, topic: Topic, record: Record, now: Duration) -> Option<LaneMessage> {
        if topic == Topic::InFlight {
            return self.notes.as_mut()?.read(record, now);
        }
        let (lane, at) = (self.lane, record.at);
        let work = self.work(topic)?;
        let Outcome::Message(delivery) = work.assignment.read(lane, record, false, now) else { return None };
        let Delivery { id, key, attempt, again, payload } = delivery;
        self.waiting += usize::from(again);
        Some(LaneMessage { lane, offset: id.offset, key, attempt, again, at, payload: Some(payload) })
    }

    /// A message is handed out.
    pub(super) fn handed_out(&mut self, message: &LaneMessage) {
        self.waiting -= usize::from(message.again);
    }

    /// Whether everything that was there has now been handed out; true once.
    pub(super) fn catches_up(&mut self) -> bool {
        let behind = self.activations.assignment.is_behind()
            || self.parked.assignment.is_behind()
            || self.notes.as_ref().is_none_or(Notes::is_behind);
        let now = !self.caught_up && !behind && self.waiting == 0;
        self.caught_up |= now;
        now
    }

    pub(super) fn oldest(&self) -> Option<i64> {
        [self.activations.oldest(), self.parked.oldest()].into_iter().flatten().min()
    }

    /// Whether it is time to find out where `inflight` begins, and if so, the time of the oldest message that is not done,
    /// if there is one.
    pub(super) fn begins_with(&self) -> Option<Option<i64>> {
        let waits = self.notes.as_ref().is_some_and(|notes| notes.next().is_none());
        let works = [&self.activations.assignment, &self.parked.assignment];
        let known = works.iter().all(|work| work.knows_its_time());
        (waits && known).then(|| works.iter().filter_map(|work| work.times().first).min())
    }

    pub(super) fn ask(&mut self, barrier: Barrier) {
        match &mut self.notes {
            Some(notes) => notes.ask(barrier),
            None => self.early.push(barrier),
        }
    }

    /// Barriers that will not be reached here any more.
    pub(super) fn barriers(self) -> impl Iterator<Item = Barrier> {
        self.early.into_iter().chain(self.notes.into_iter().flat_map(Notes::barriers))
    }

    pub(super) fn commits(&mut self) -> impl Iterator<Item = Commit> {
        let lane = self.lane.0;
        let works = [&mut self.activations, &mut self.parked];
        let works = works.into_iter().filter_map(move |work| work.assignment.commit(work.topic, lane));
        works.chain(self.notes.as_mut().and_then(Notes::commit))
    }

    pub(super) fn not_committed(&mut self, topic: Topic) {
        match self.work(topic) {
            Some(work) => work.assignment.not_committed(),
            None => self.notes.iter_mut().for_each(Notes::not_committed),
        }
    }

    pub(super) fn is_paused(&self, topic: Topic) -> bool {
        match topic {
            Topic::Activations => self.activations.assignment.is_paused(),
            Topic::Parked => self.parked.reading && self.parked.assignment.is_paused(),
            _ => self.notes.as_ref().is_some_and(Notes::is_paused),
        }
    }

    /// Whether to pause (`true`) or to read again (`false`).
    pub(super) fn regulate(&mut self, topic: Topic, held_up: bool) -> Option<bool> {
        match self.work(topic) {
            // Until its time is known `inflight` waits for its first message, so that is read, however full we are.
            Some(work) if work.reading => {
                let held_up = held_up && work.assignment.knows_its_time();
                work.assignment.regulate(held_up)
            }
            Some(_) => None,
            None => self.notes.as_mut()?.regulate(held_up),
        }
    }

    pub(super) fn partial_bytes(&self, topic: Topic) -> usize {
        match topic {
            Topic::Activations => self.activations.assignment.partial_bytes(),
            Topic::Parked => self.parked.assignment.partial_bytes(),
            // Notes are never held up by halves of others.
            _ => 0,
        }
    }

    pub(super) fn is_silent(&self, topic: Topic, now: Duration) -> bool {
        match topic {
            Topic::Activations => self.activations.assignment.is_silent(now),
            Topic::Parked => self.parked.assignment.is_silent(now),
            _ => self.notes.as_ref().is_some_and(|notes| notes.is_silent(now)),
        }
    }

    pub(super) fn log_ends(&mut self, topic: Topic, end: u64, now: Duration) {
        match self.work(topic) {
            Some(work) => work.assignment.log_ends(end, now),
            None => self.notes.iter_mut().for_each(|notes| notes.log_ends(end, now)),
        }
    }

    pub(super) fn expire(&mut self, topic: Topic) {
        let lane = self.lane;
        match self.work(topic) {
            Some(work) => work.assignment.expire(lane),
            None => self.notes.iter_mut().for_each(Notes::expire),
        }
    }
}
