//! The waiting line of work for which there was no room.

use std::time::{Duration, Instant};

use oxwhisk_core::id::InvokerId;
use oxwhisk_core::name::EntityName;
use oxwhisk_invoker_api::offers::WorkKey;

use super::{Refusal, Work};
use crate::FairQueue;

/// Bounds of the line.
#[derive(Clone, Copy, Debug)]
pub struct LineConfig {
    pub max: usize,
    pub max_per_namespace: usize,
    /// How long work may wait.
    pub wait_limit: Duration,
}

impl Default for LineConfig {
    fn default() -> Self {
        Self { max: 512, max_per_namespace: 128, wait_limit: Duration::from_secs(10) }
    }
}

#[derive(Debug)]
pub(super) struct Waiting<W> {
    pub(super) work: Work<W>,
    /// Invokers that know of it.
    pub(super) asked: Vec<InvokerId>,
}

#[derive(Debug)]
pub(super) struct Line<W> {
    config: LineConfig,
    queue: FairQueue<EntityName, Waiting<W>>,
}

impl<W> Line<W> {
    pub(super) fn new(config: LineConfig) -> Self {
        Self { config, queue: FairQueue::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn wait_limit(&self) -> Duration {
        self.config.wait_limit
    }

    /// Whether one more of this namespace may wait.
    pub(super) fn admit(&self, namespace: &EntityName) -> Result<(), Refusal> {
        let (max, count) = (self.config.max_per_namespace, self.queue.len_of(namespace));
        if count >= max {
            return Err(Refusal::NamespaceLineFull { count, max });
        }
        if self.queue.len() >= self.config.max {
            return Err(Refusal::LineFull { max: self.config.max });
        }
        Ok(())
    }

    pub(super) fn push(&mut self, waiting: Waiting<W>) {
        self.queue.push(waiting.work.key.namespace.clone(), waiting, 0);
    }

    /// It was at the head already.
    pub(super) fn push_front(&mut self, waiting: Waiting<W>) {
        self.queue.push_front(waiting.work.key.namespace.clone(), waiting, 0);
    }

    /// Whoever has waited longest for this very container.
    pub(super) fn pop_warm(&mut self, key: &WorkKey) -> Option<Waiting<W>> {
        self.queue.pop_of(&key.namespace, |waiting| *waiting.work.key == *key)
    }

    /// Whoever's turn it is among those that `fits` says can use what there is.
    pub(super) fn pop_fitting(&mut self, fits: impl Fn(&Waiting<W>) -> bool) -> Option<Waiting<W>> {
        self.queue.pop_fitting(fits).map(|(_, waiting)| waiting)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting<W>> {
        self.queue.iter_mut()
    }

    /// Takes out those whose wait is over.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Waiting<W>> {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        self.queue.extract(|waiting| waiting.work.deadline <= now)
    }

    pub(super) fn clear(&mut self) -> Vec<Waiting<W>> {
        self.queue.extract(|_| true)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.queue.iter().map(|waiting| waiting.work.deadline).min()
    }
}
