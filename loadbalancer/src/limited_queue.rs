//! A dispatcher's queue: in turn by namespace, with a bound on what one namespace has at invokers.

use std::collections::HashMap;

use oxwhisk_core::name::EntityName;

use crate::FairQueue;

/// A [`FairQueue`] that passes over a namespace with `per_namespace` entries outside (popped and not yet done).
#[derive(Debug)]
pub struct LimitedQueue<T> {
    waiting: FairQueue<EntityName, T>,
    outside: HashMap<EntityName, usize>,
    per_namespace: usize,
}

impl<T> LimitedQueue<T> {
    #[must_use]
    pub fn new(per_namespace: usize) -> Self {
        Self { waiting: FairQueue::default(), outside: HashMap::new(), per_namespace }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.len() == 0
    }

    /// What the waiting entries take, as their pushers said.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.waiting.bytes()
    }

    pub fn push(&mut self, namespace: EntityName, entry: T, bytes: usize) {
        self.waiting.push(namespace, entry, bytes);
    }

    /// The next entry whose namespace may have one more outside.
    pub fn pop(&mut self) -> Option<(EntityName, T)> {
        let outside = |namespace: &EntityName| self.outside.get(namespace).copied().unwrap_or(0);
        let (namespace, entry) = self.waiting.pop(|namespace| outside(namespace) < self.per_namespace)?;
        *self.outside.entry(namespace.clone()).or_insert(0) += 1;
        Some((namespace, entry))
    }

    /// An entry that was popped is done.
    pub fn done(&mut self, namespace: &EntityName) {
        if let Some(outside) = self.outside.get_mut(namespace) {
            *outside -= 1;
            if *outside == 0 {
                self.outside.remove(namespace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> EntityName {
        EntityName::new(text).unwrap()
    }

    #[test]
    fn a_namespace_with_enough_outside_waits() {
        let mut queue = LimitedQueue::new(1);
        (0..2).for_each(|n| queue.push(name("a"), n, 1));
        queue.push(name("b"), 10, 1);
        assert_eq!(queue.pop().map(|(_, entry)| entry), Some(0));
        assert_eq!(queue.pop().map(|(_, entry)| entry), Some(10));
        assert!(queue.pop().is_none());
        queue.done(&name("a"));
        assert_eq!(queue.pop().map(|(_, entry)| entry), Some(1));
    }
}
