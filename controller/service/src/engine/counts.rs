//! Who counts an activation among what its namespace has at once.
//!
//! Whoever answers 202 counts it until it has ended, wherever its message lies meanwhile: unread, queued, parked, produced
//! again. Its message says so, and whoever sees it to its end tells. What is told is lost with the conversation that it is
//! told on; so what is old is looked up among the records, and what gets no record is counted no longer than nothing was
//! lost. When a controller is gone, those that have its messages count them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_controller::{Admitted, InFlight};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::name::EntityName;
use oxwhisk_dispatch::Incarnation;
use oxwhisk_invoker_api::StorePolicy;

use super::Core;
use super::state::State;

/// Activations that are looked up at once, and how many times in a round.
const BATCH: usize = 512;
const BATCHES: usize = 8;

/// Something that was answered 202 here.
#[derive(Debug)]
struct Held {
    _slot: InFlight,
    namespace: EntityName,
    /// It gets a record, whatever becomes of it.
    is_recorded: bool,
    /// When it was last known to go on.
    known: Instant,
}

#[derive(Debug)]
pub(super) struct Counts {
    own: Incarnation,
    held: HashMap<ActivationId, Held>,
    /// Ends that other controllers are to be told of when the step is done.
    ended: Vec<(Incarnation, ActivationId)>,
}

impl Counts {
    pub(super) fn new(own: Incarnation) -> Self {
        Self { own, held: HashMap::new(), ended: Vec::new() }
    }

    pub(super) fn hold(&mut self, admitted: &Admitted, slot: InFlight) {
        let held = Held {
            _slot: slot,
            namespace: admitted.namespace().clone(),
            is_recorded: admitted.store().level == StorePolicy::ALWAYS.level,
            known: Instant::now(),
        };
        self.held.insert(admitted.id(), held);
    }

    pub(super) fn drop_held(&mut self, id: ActivationId) {
        self.held.remove(&id);
    }

    /// Who counts a message, if it is not to be counted where it is run.
    pub(super) fn counter_of(
        &self,
        message: &ActivationMessage,
        is_there: impl FnOnce(Incarnation) -> bool,
    ) -> Option<Incarnation> {
        let by = Incarnation(message.counted_by?);
        let counts =
            if by == self.own { self.held.contains_key(&message.activation_id) } else { is_there(by) };
        counts.then_some(by)
    }

    /// One that `by` counts has ended.
    pub(super) fn end(&mut self, by: Incarnation, id: ActivationId) {
        if by == self.own {
            self.held.remove(&id);
        } else {
            self.ended.push((by, id));
        }
    }

    /// Up to so many that nobody has told anything of since `before`; they count as looked at.
    fn doubtful(&mut self, before: Instant, most: usize) -> Vec<(EntityName, ActivationId)> {
        let now = Instant::now();
        let doubtful = self.held.iter_mut().filter(|(_, held)| held.is_recorded && held.known < before);
        doubtful
            .take(most)
            .map(|(id, held)| {
                held.known = now;
                (held.namespace.clone(), *id)
            })
            .collect()
    }
}

impl Core {
    /// Tells other controllers of what has ended.
    pub(super) fn tell_ended(&self, state: &mut State) {
        if state.counts.ended.is_empty() {
            return;
        }
        let mut ended = std::mem::take(&mut state.counts.ended);
        ended.sort_unstable_by_key(|(by, _)| by.0);
        for told in ended.chunk_by(|(a, _), (b, _)| a == b) {
            self.parts.others.tell_ended(told[0].0, &told.iter().map(|(_, id)| *id).collect::<Vec<_>>());
        }
    }

    /// Activations that are counted here have ended elsewhere.
    pub(super) fn heard_ended(&self, ids: &[ActivationId]) {
        let mut state = self.state();
        ids.iter().for_each(|id| state.counts.drop_held(*id));
    }

    /// What another controller told may be lost. What gets no record cannot be looked up.
    pub(super) fn may_have_missed_ends(&self) {
        let mut state = self.state();
        let State { counts, live, .. } = &mut *state;
        counts.held.retain(|id, held| held.is_recorded || live.contains_key(id));
    }

    /// Counts what a controller counted that is gone, as far as it is here.
    pub(super) fn count_for(&self, state: &mut State, gone: Incarnation) {
        let Some(admissions) = self.admissions.get() else { return };
        for live in state.live.values_mut().filter(|live| live.counted_by == Some(gone)) {
            live.counted_by = None;
            // One that is not looked up yet is counted when it is.
            if let Some(ready) = &live.ready {
                live.slot.get_or_insert_with(|| admissions.slot(&ready.admitted));
            }
        }
    }

    /// Looks for records of what was accepted here long ago, until the engine is closed.
    pub(super) async fn look_for_ends(self: Arc<Self>) {
        let interval = self.config.look_for_ends;
        while self.closed.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
            for _ in 0..BATCHES {
                let asked = self.doubtful(interval);
                let recorded = self.recorded_among(&asked).await;
                self.heard_ended(&recorded);
                if asked.len() < BATCH {
                    break;
                }
            }
        }
    }

    fn doubtful(&self, age: Duration) -> Vec<(EntityName, ActivationId)> {
        let Some(before) = Instant::now().checked_sub(age) else { return Vec::new() };
        self.state().counts.doubtful(before, BATCH)
    }
}
