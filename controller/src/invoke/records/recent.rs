//! Results that were heard lately, and that the store may not have yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use tokio::time::Instant;

/// How many recent results are kept. Beyond these the oldest one goes, and is found when the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentBounds {
    pub count: usize,
    pub bytes: usize,
    /// As long as records may usually be on their way.
    pub age: Duration,
    /// As long as the store is not asked for them first.
    pub fresh: Duration,
}

impl Default for RecentBounds {
    fn default() -> Self {
        Self {
            count: 50_000,
            bytes: 32 << 20,
            age: Duration::from_secs(300),
            fresh: Duration::from_millis(500),
        }
    }
}

/// A result, and whether the store hardly has it yet.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) record: Arc<Activation>,
    pub(super) is_fresh: bool,
}

#[derive(Debug)]
pub(super) struct Recent {
    bounds: RecentBounds,
    entries: HashMap<ActivationId, Entry>,
    /// In the order in which they were first heard.
    order: BTreeMap<u64, ActivationId>,
    heard: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    record: Arc<Activation>,
    bytes: usize,
    place: u64,
    since: Instant,
    /// The store has it.
    stored: bool,
}

/// Beyond this age a record that is not in the store is not waited for any more.
const AWAITED: Duration = Duration::from_secs(30);
/// So many recent results are looked through for those that a list waits for.
const LOOKED_THROUGH: usize = 4096;

/// What a record takes beside its texts: names, annotations, allocations.
const OVERHEAD: usize = 1024;

/// About as many bytes as a record takes.
fn size(record: &Activation) -> usize {
    let result = record.response.result.as_ref().map_or(0, |result| result.get().len());
    OVERHEAD + result + record.logs.iter().map(|line| line.len() + size_of::<String>()).sum::<usize>()
}

impl Recent {
    pub(super) fn new(bounds: RecentBounds) -> Self {
        Self { bounds, entries: HashMap::new(), order: BTreeMap::new(), heard: 0, bytes: 0 }
    }

    /// A result was heard; perhaps once more, with its logs.
    pub(super) fn insert(&mut self, record: Arc<Activation>, now: Instant) {
        let (id, bytes) = (record.activation_id, size(&record));
        if let Some(known) = self.entries.get_mut(&id) {
            if record.logs.is_empty() {
                return;
            }
            self.bytes = self.bytes - known.bytes + bytes;
            (known.record, known.bytes) = (record, bytes);
        } else {
            let place = self.heard;
            self.heard += 1;
            self.order.insert(place, id);
            self.entries.insert(id, Entry { record, bytes, place, since: now, stored: false });
            self.bytes += bytes;
        }
        self.shrink(now);
    }

    pub(super) fn get(&self, namespace: &EntityName, id: ActivationId, now: Instant) -> Option<Heard> {
        let entry = self.entries.get(&id).filter(|entry| entry.record.namespace == *namespace)?;
        let is_fresh = now.duration_since(entry.since) < self.bounds.fresh;
        Some(Heard { record: Arc::clone(&entry.record), is_fresh })
    }

    /// The latest results of a namespace that the store may not have yet, at most so many.
    pub(super) fn awaited(&self, namespace: &EntityName, most: usize, now: Instant) -> Vec<ActivationId> {
        let latest = self.order.values().rev().take(LOOKED_THROUGH);
        let entries = latest.filter_map(|id| Some((*id, self.entries.get(id)?)));
        let young = entries.take_while(|(_, entry)| now - entry.since < AWAITED);
        young
            .filter(|(_, entry)| !entry.stored && entry.record.namespace == *namespace)
            .map(|(id, _)| id)
            .take(most)
            .collect()
    }

    /// The store has these.
    pub(super) fn confirm(&mut self, ids: impl IntoIterator<Item = ActivationId>) {
        for id in ids {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.stored = true;
            }
        }
    }

    /// It is not kept any longer.
    pub(super) fn forget(&mut self, id: ActivationId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.order.remove(&entry.place);
            self.bytes -= entry.bytes;
        }
    }

    /// Forgets what is too old or too much.
    pub(super) fn shrink(&mut self, now: Instant) {
        while let Some((_, id)) = self.order.first_key_value() {
            let id = *id;
            let is_old = self.entries.get(&id).is_some_and(|entry| now - entry.since >= self.bounds.age);
            if !is_old && self.entries.len() <= self.bounds.count && self.bytes <= self.bounds.bytes {
                return;
            }
            self.forget(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::activation;
    use super::*;

    const BOUNDS: RecentBounds = RecentBounds {
        count: 3,
        bytes: 10 * OVERHEAD,
        age: Duration::from_secs(60),
        fresh: Duration::from_secs(1),
    };

    fn heard(message: &str, log: Option<&str>) -> Arc<Activation> {
        let mut record = activation(message, "");
        record.logs = log.map(str::to_owned).into_iter().collect();
        Arc::new(record)
    }

    fn has(recent: &Recent, record: &Activation) -> bool {
        recent.get(&record.namespace, record.activation_id, Instant::now()).is_some()
    }

    fn is_empty(recent: &Recent) -> bool {
        (recent.entries.len(), recent.order.len(), recent.bytes) == (0, 0, 0)
    }

    #[test]
    fn a_result_is_found_by_its_namespace_until_the_store_has_it() {
        let (mut recent, now) = (Recent::new(BOUNDS), Instant::now());
        let record = heard("no", None);
        recent.insert(Arc::clone(&record), now);
        let other = EntityName::new("other").unwrap();
        assert!(recent.get(&other, record.activation_id, now).is_none());
        let found = |recent: &Recent, at| recent.get(&record.namespace, record.activation_id, at);
        assert!(found(&recent, now).unwrap().is_fresh);
        assert!(!found(&recent, now + BOUNDS.fresh).unwrap().is_fresh);
        recent.forget(record.activation_id);
        recent.forget(record.activation_id);
        assert!(is_empty(&recent));
    }

    #[test]
    fn beyond_a_bound_the_oldest_goes() {
        let (mut recent, now) = (Recent::new(BOUNDS), Instant::now());
        let records: Vec<_> = (0..4).map(|_| heard("no", None)).collect();
        records.iter().for_each(|record| recent.insert(Arc::clone(record), now));
        assert_eq!(
            records.iter().map(|record| has(&recent, record)).collect::<Vec<_>>(),
            [false, true, true, true]
        );
        let large = heard(&"x".repeat(8 * OVERHEAD), None);
        recent.insert(Arc::clone(&large), now);
        assert!(has(&recent, &large) && !has(&recent, &records[3]));
        assert_eq!((recent.entries.len(), recent.order.len()), (1, 1));
        // One that is too large for all of it is not kept at all.
        recent.insert(heard(&"x".repeat(11 * OVERHEAD), None), now);
        assert!(is_empty(&recent));
    }

    #[test]
    fn what_is_too_old_goes() {
        let (mut recent, now) = (Recent::new(BOUNDS), Instant::now());
        let (old, young) = (heard("no", None), heard("no", None));
        recent.insert(Arc::clone(&old), now);
        recent.insert(Arc::clone(&young), now + Duration::from_secs(1));
        recent.shrink(now + BOUNDS.age);
        assert!(!has(&recent, &old) && has(&recent, &young));
        recent.shrink(now + BOUNDS.age + Duration::from_secs(1));
        assert!(is_empty(&recent));
    }

    #[test]
    fn logs_that_were_heard_are_kept() {
        let (mut recent, now) = (Recent::new(BOUNDS), Instant::now());
        let without = heard("no", None);
        let with = Arc::new(Activation { logs: vec!["hi".to_owned()], ..Activation::clone(&without) });
        for record in [&without, &with, &without] {
            recent.insert(Arc::clone(record), now);
        }
        let found = recent.get(&with.namespace, with.activation_id, now).unwrap();
        assert_eq!(found.record.logs, ["hi"]);
        recent.forget(with.activation_id);
        assert!(is_empty(&recent));
    }
}
