//! A queue in which one namespace's flood delays only itself.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Entries leave in turn by namespace `N`, in order within one. It has no bound of its own: whoever pushes looks at its
/// length first and decides what a full queue means.
#[derive(Debug)]
pub struct FairQueue<N, T> {
    waiting: HashMap<N, VecDeque<(T, usize)>>,
    /// Namespaces with something waiting, next one first.
    turns: VecDeque<N>,
    length: usize,
    bytes: usize,
}

impl<N, T> Default for FairQueue<N, T> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), turns: VecDeque::new(), length: 0, bytes: 0 }
    }
}

impl<N: Clone + Eq + Hash, T> FairQueue<N, T> {
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Entries of one namespace.
    #[must_use]
    pub fn len_of(&self, namespace: &N) -> usize {
        self.waiting.get(namespace).map_or(0, VecDeque::len)
    }

    /// What the waiting entries take, as their pushers said.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.waiting.values().flatten().map(|(entry, _)| entry)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.waiting.values_mut().flatten().map(|(entry, _)| entry)
    }

    pub fn push(&mut self, namespace: N, entry: T, bytes: usize) {
        self.entries_of(namespace, bytes).push_back((entry, bytes));
    }

    /// Before all others of its namespace: it has waited already.
    pub fn push_front(&mut self, namespace: N, entry: T, bytes: usize) {
        self.entries_of(namespace, bytes).push_front((entry, bytes));
    }

    fn entries_of(&mut self, namespace: N, bytes: usize) -> &mut VecDeque<(T, usize)> {
        self.length += 1;
        self.bytes += bytes;
        let turns = &mut self.turns;
        self.waiting.entry(namespace).or_insert_with_key(|namespace| {
            turns.push_back(namespace.clone());
            VecDeque::new()
        })
    }

    /// The first entry of the next namespace that `may` have its turn.
    pub fn pop(&mut self, mut may: impl FnMut(&N) -> bool) -> Option<(N, T)> {
        let turn = self.turns.iter().position(&mut may)?;
        self.take(turn, 0)
    }

    /// The first entry that `fits` of the next namespace that has one.
    pub fn pop_fitting(&mut self, mut fits: impl FnMut(&T) -> bool) -> Option<(N, T)> {
        let mut first_of =
            |namespace: &N| self.waiting.get(namespace)?.iter().position(|(entry, _)| fits(entry));
        let found =
            self.turns.iter().enumerate().find_map(|(turn, namespace)| Some((turn, first_of(namespace)?)));
        let (turn, place) = found?;
        self.take(turn, place)
    }

    /// The first entry of this namespace that `fits`. It counts as the namespace's turn.
    pub fn pop_of(&mut self, namespace: &N, mut fits: impl FnMut(&T) -> bool) -> Option<T> {
        let place = self.waiting.get(namespace)?.iter().position(|(entry, _)| fits(entry))?;
        let turn = self.turns.iter().position(|other| other == namespace)?;
        self.take(turn, place).map(|(_, entry)| entry)
    }

    /// Takes out all entries that are to leave; nobody's turn changes.
    pub fn extract(&mut self, mut leaves: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut left = Vec::new();
        for namespace in self.turns.clone() {
            let Some(entries) = self.waiting.get_mut(&namespace) else { continue };
            for (entry, bytes) in std::mem::take(entries) {
                if leaves(&entry) {
                    self.length -= 1;
                    self.bytes -= bytes;
                    left.push(entry);
                } else {
                    entries.push_back((entry, bytes));
                }
            }
        }
        self.waiting.retain(|_, entries| !entries.is_empty());
        let waiting = &self.waiting;
        self.turns.retain(|namespace| waiting.contains_key(namespace));
        left
    }

    fn take(&mut self, turn: usize, place: usize) -> Option<(N, T)> {
        let namespace = self.turns.remove(turn)?;
        let entries = self.waiting.get_mut(&namespace)?;
        let (entry, bytes) = entries.remove(place)?;
        if entries.is_empty() {
            self.waiting.remove(&namespace);
        } else {
            self.turns.push_back(namespace.clone());
        }
        self.length -= 1;
        self.bytes -= bytes;
        Some((namespace, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(entries: &[(&'static str, i32)]) -> FairQueue<&'static str, i32> {
        let mut queue = FairQueue::default();
        entries.iter().for_each(|(namespace, entry)| queue.push(*namespace, *entry, 5));
        queue
    }

    #[test]
    fn namespaces_take_turns() {
        let mut queue = queue(&[("a", 0), ("a", 1), ("a", 2), ("b", 10)]);
        assert_eq!((queue.len(), queue.len_of(&"a"), queue.bytes()), (4, 3, 20));
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop(|_| true)).map(|(_, entry)| entry).collect();
        assert_eq!(order, [0, 10, 1, 2]);
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
    }

    #[test]
    fn a_namespace_that_may_not_is_passed_over_and_keeps_its_turn() {
        let mut queue = queue(&[("a", 0), ("b", 10), ("b", 11)]);
        assert_eq!(queue.pop(|namespace| *namespace != "a"), Some(("b", 10)));
        assert_eq!(queue.pop(|_| true), Some(("a", 0)));
        assert_eq!(queue.pop(|namespace| *namespace != "b"), None);
    }

    #[test]
    fn what_does_not_fit_is_passed_over() {
        let mut queue = queue(&[("a", 0), ("a", 1), ("b", 10)]);
        assert_eq!(queue.pop_fitting(|entry| entry % 2 == 1), Some(("a", 1)));
        assert_eq!(queue.pop_of(&"a", |_| true), Some(0));
        assert_eq!(queue.pop_of(&"a", |_| true), None);
        queue.push_front("b", 9, 1);
        assert_eq!(queue.pop(|_| true), Some(("b", 9)));
    }

    #[test]
    fn what_is_taken_out_leaves_the_others_in_order() {
        let mut queue = queue(&[("a", 0), ("b", 10), ("a", 1), ("c", 21), ("a", 2)]);
        assert_eq!(queue.extract(|entry| entry % 2 == 1), [1, 21]);
        assert_eq!((queue.len(), queue.bytes()), (3, 15));
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop(|_| true)).map(|(_, entry)| entry).collect();
        assert_eq!(order, [0, 10, 2]);
    }
}
