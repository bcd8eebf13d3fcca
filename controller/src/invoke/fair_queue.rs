//! A bounded queue in which one namespace's flood delays only itself.

use std::collections::{HashMap, VecDeque};

use oxwhisk_core::name::EntityName;

/// Entries leave in turn by namespace, in order within one. A namespace with `per_namespace` entries outside (popped and
/// not yet done) is passed over.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    waiting: HashMap<EntityName, VecDeque<(T, usize)>>,
    /// Namespaces with something waiting, next one first.
    turns: VecDeque<EntityName>,
    outside: HashMap<EntityName, usize>,
    per_namespace: usize,
    length: usize,
    bytes: usize,
}

impl<T> FairQueue<T> {
    pub(crate) fn new(per_namespace: usize) -> Self {
        Self {
            waiting: HashMap::new(),
            turns: VecDeque::new(),
            outside: HashMap::new(),
            per_namespace,
            length: 0,
            bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// What the waiting entries take, as their pushers said.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, namespace: EntityName, entry: T, bytes: usize) {
        let waiting = self.waiting.entry(namespace.clone()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(namespace);
        }
        waiting.push_back((entry, bytes));
        self.length += 1;
        self.bytes += bytes;
    }

    /// The next entry whose namespace may have one more outside.
    pub(crate) fn pop(&mut self) -> Option<(EntityName, T)> {
        for _ in 0..self.turns.len() {
            let namespace = self.turns.pop_front()?;
            if self.outside.get(&namespace).is_some_and(|outside| *outside >= self.per_namespace) {
                self.turns.push_back(namespace);
                continue;
            }
            let waiting = self.waiting.get_mut(&namespace)?;
            let (entry, bytes) = waiting.pop_front()?;
            if waiting.is_empty() {
                self.waiting.remove(&namespace);
            } else {
                self.turns.push_back(namespace.clone());
            }
            self.length -= 1;
            self.bytes -= bytes;
            *self.outside.entry(namespace.clone()).or_insert(0) += 1;
            return Some((namespace, entry));
        }
        None
    }

    /// An entry that was popped is done.
    pub(crate) fn done(&mut self, namespace: &EntityName) {
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
    fn namespaces_take_turns() {
        let mut queue = FairQueue::new(10);
        (0..3).for_each(|n| queue.push(name("a"), n, 5));
        queue.push(name("b"), 10, 1);
        assert_eq!((queue.len(), queue.bytes()), (4, 16));
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop()).map(|(_, entry)| entry).collect();
        assert_eq!(order, [0, 10, 1, 2]);
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
    }

    #[test]
    fn a_namespace_with_enough_outside_waits() {
        let mut queue = FairQueue::new(1);
        (0..2).for_each(|n| queue.push(name("a"), n, 1));
        queue.push(name("b"), 10, 1);
        assert_eq!(queue.pop().map(|(_, entry)| entry), Some(0));
        assert_eq!(queue.pop().map(|(_, entry)| entry), Some(10));
        assert!(queue.pop().is_none());
        queue.done(&name("a"));
        assert_eq!(queue.pop().map(|(_, entry)| entry), Some(1));
    }
}
