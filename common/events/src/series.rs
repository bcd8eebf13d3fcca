//! The numbers of one action, or of one namespace, and which of them are kept.

use std::collections::BTreeMap;

use oxwhisk_core::entity::Status;
use oxwhisk_core::event::ActivationEvent;
use oxwhisk_metrics::Histogram;

/// Upper bounds of responses in bytes: ten equal parts of the largest one that limits allow by default.
const BYTES: [f64; 10] = [
    104_857.0,
    209_715.0,
    314_572.0,
    419_430.0,
    524_288.0,
    629_145.0,
    734_003.0,
    838_860.0,
    943_718.0,
    1_048_576.0,
];

/// Which action of whom, and who invokes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The action's namespace.
    pub(crate) namespace: String,
    /// The invoking namespace.
    pub(crate) initiator: String,
    /// `name` or `package/name`.
    pub(crate) action: String,
}

impl Key {
    pub(crate) fn new(initiator: &str, path: &str) -> Self {
        let (namespace, action) = path.split_once('/').unwrap_or(("", path));
        Self { namespace: namespace.to_owned(), initiator: initiator.to_owned(), action: action.to_owned() }
    }
}

/// The numbers of one action.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) activations: u64,
    pub(crate) cold_starts: u64,
    pub(crate) wait: Histogram,
    pub(crate) init: Histogram,
    pub(crate) duration: Histogram,
    pub(crate) size: Histogram,
    /// By OpenWhisk's number of the status.
    pub(crate) statuses: [u64; 4],
    /// By the action's own status code.
    pub(crate) codes: BTreeMap<i64, u64>,
    pub(crate) kind: String,
    /// Megabytes.
    pub(crate) memory: u64,
}

/// Status codes of an action that are told apart; it may make up any number of them.
const CODES: usize = 20;
/// Stands for all others.
pub(crate) const OTHER_CODES: i64 = -1;

/// The words for a status, by its number.
pub(crate) const STATUSES: [&str; 4] =
    ["success", "application_error", "action_developer_error", "whisk_internal_error"];

impl Default for Series {
    fn default() -> Self {
        Self {
            activations: 0,
            cold_starts: 0,
            wait: Histogram::of_seconds(),
            init: Histogram::of_seconds(),
            duration: Histogram::of_seconds(),
            size: Histogram::new(&BYTES),
            statuses: [0; 4],
            codes: BTreeMap::new(),
            kind: String::new(),
            memory: 0,
        }
    }
}

impl Series {
    pub(crate) fn count(&mut self, event: &ActivationEvent<'_>) {
        self.activations += 1;
        self.wait.record_ms(event.wait_time);
        if event.init_time > 0 {
            self.cold_starts += 1;
            self.init.record_ms(event.init_time);
        }
        self.duration.record_ms(event.duration);
        if let Some(size) = event.size {
            self.size.record_number(size);
        }
        let last = usize::from(u8::from(Status::WhiskError));
        self.statuses[usize::from(event.status_code).min(last)] += 1;
        if let Some(code) = event.user_defined_status_code {
            let known = self.codes.len() < CODES || self.codes.contains_key(&code);
            *self.codes.entry(if known { code } else { OTHER_CODES }).or_default() += 1;
        }
        if self.kind != event.kind {
            self.kind.clone_from(&event.kind);
        }
        self.memory = event.memory;
    }
}

/// At most so many, those that were used last.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    most: usize,
    /// Grows with each use.
    uses: u64,
    entries: BTreeMap<K, (u64, V)>,
}

impl<K: Ord + Clone, V: Default> Recent<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, uses: 0, entries: BTreeMap::new() }
    }

    /// The value of a key, which may push the one out that was used longest ago. `None` where there is room for none.
    pub(crate) fn entry(&mut self, key: K) -> Option<&mut V> {
        if self.most == 0 {
            return None;
        }
        if self.entries.len() >= self.most && !self.entries.contains_key(&key) {
            let oldest = self.entries.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| self.entries.remove(&oldest));
        }
        self.uses += 1;
        let (used, value) = self.entries.entry(key).or_default();
        *used = self.uses;
        Some(value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, (_, value))| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_used_longest_ago_makes_room() {
        let mut recent: Recent<&str, u64> = Recent::new(2);
        for key in ["a", "b", "a", "c"] {
            *recent.entry(key).unwrap() += 1;
        }
        assert_eq!(recent.iter().collect::<Vec<_>>(), [(&"a", &2), (&"c", &1)]);
        assert!(Recent::<&str, u64>::new(0).entry("a").is_none());
    }

    #[test]
    fn a_path_is_a_namespace_and_an_action() {
        let key = Key::new("me", "guest/pkg/hello");
        assert_eq!((key.namespace.as_str(), key.action.as_str()), ("guest", "pkg/hello"));
        assert_eq!(Key::new("me", "odd").action, "odd");
    }
}
