//! Activation records in memory.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Mutex;

use async_trait::async_trait;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;

use super::{lock, page, window};
use crate::{ActivationQuery, ActivationStore, ContentsQuery, DatabaseContents, RecordDocument, StoreError};

#[derive(Debug, Default)]
pub struct MemoryActivationStore(Mutex<Records>);

/// Records with the order in which they first came, which breaks ties of their starts.
#[derive(Debug, Default)]
struct Records {
    by_id: HashMap<(EntityName, ActivationId), (u64, RecordDocument)>,
    stored: u64,
}

impl Records {
    fn matching<'a>(&'a self, query: &'a ActivationQuery) -> impl Iterator<Item = &'a (u64, RecordDocument)> {
        self.by_id.values().filter(|(_, record)| {
            record.namespace == query.namespace
                && query.name.as_ref().is_none_or(|name| *name == record.filter_name)
                && query.since.is_none_or(|since| record.start >= since)
                && query.upto.is_none_or(|upto| record.start <= upto)
        })
    }

    fn list<T>(&self, query: &ActivationQuery, show: impl Fn(&RecordDocument) -> T) -> Vec<T> {
        let mut matching: Vec<_> = self.matching(query).collect();
        matching.sort_by_key(|(place, record)| Reverse((record.start, *place)));
        window(matching.into_iter().map(|(_, record)| show(record)), query.skip, query.limit)
    }
}

#[async_trait]
impl ActivationStore for MemoryActivationStore {
    async fn store(&self, records: &[RecordDocument]) -> Result<(), StoreError> {
        let mut all = lock(&self.0);
        for record in records {
            all.stored += 1;
            let place = all.stored;
            match all.by_id.entry((record.namespace.clone(), record.activation_id)) {
                Entry::Vacant(entry) => drop(entry.insert((place, record.clone()))),
                Entry::Occupied(mut entry) if record.completes(entry.get().1.origin.as_ref()) => {
                    entry.get_mut().1 = record.clone();
                }
                Entry::Occupied(_) => {}
            }
        }
        Ok(())
    }

    async fn get(&self, namespace: &EntityName, id: ActivationId) -> Result<Option<String>, StoreError> {
        let all = lock(&self.0);
        Ok(all.by_id.get(&(namespace.clone(), id)).map(|(_, record)| record.document.to_string()))
    }

    async fn existing(&self, ids: &[(EntityName, ActivationId)]) -> Result<Vec<bool>, StoreError> {
        let all = lock(&self.0);
        Ok(ids.iter().map(|id| all.by_id.contains_key(id)).collect())
    }

    async fn summaries(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
        Ok(lock(&self.0).list(query, |record| record.summary.to_string()))
    }

    async fn documents(&self, query: &ActivationQuery) -> Result<Vec<String>, StoreError> {
        Ok(lock(&self.0).list(query, |record| record.document.to_string()))
    }

    async fn count(&self, query: &ActivationQuery) -> Result<u64, StoreError> {
        Ok(lock(&self.0).matching(query).count() as u64)
    }
}

#[async_trait]
impl DatabaseContents for MemoryActivationStore {
    async fn contents(&self, query: &ContentsQuery) -> Result<Vec<String>, StoreError> {
        let all = lock(&self.0);
        let document = |record: &RecordDocument| {
            let id = format!("{}/{}", record.namespace, record.activation_id);
            (id, None, record.document.to_string())
        };
        page(query, all.by_id.values().map(|(_, record)| document(record)))
    }
}
