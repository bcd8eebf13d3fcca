//! Subjects in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;
use oxwhisk_core::json::raw;
use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, Identity, Subject, SubjectNamespace};

use super::{lock, page};
use crate::{ContentsQuery, DatabaseContents, StoreError, SubjectStore};

#[derive(Debug, Default)]
pub struct MemorySubjectStore(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    subjects: BTreeMap<String, Subject>,
    limits: HashMap<EntityName, UserLimits>,
}

impl Tables {
    /// Identities of subjects that are not blocked.
    fn identities(&self, matches: impl Fn(&SubjectNamespace) -> bool) -> Vec<Identity> {
        let active = self.subjects.values().filter(|subject| !subject.blocked);
        let identity = |subject: &Subject, namespace: &SubjectNamespace| Identity {
            subject: subject.subject.as_str().into(),
            namespace: namespace.name.clone(),
            auth: namespace.auth.clone(),
            limits: self.limits.get(&namespace.name).cloned().unwrap_or_default(),
        };
        active
            .flat_map(|subject| subject.namespaces.iter().map(move |namespace| (subject, namespace)))
            .filter(|(_, namespace)| matches(namespace))
            .map(|(subject, namespace)| identity(subject, namespace))
            .collect()
    }
}

#[async_trait]
impl SubjectStore for MemorySubjectStore {
    async fn identity_by_key(&self, key: &AuthKey) -> Result<Option<Identity>, StoreError> {
        let mut matching = lock(&self.0).identities(|namespace| {
            namespace.auth.uuid.eq_ignore_ascii_case(&key.uuid) && namespace.auth.key == key.key
        });
        match matching.len() {
            0 | 1 => Ok(matching.pop()),
            _ => Err(StoreError::Ambiguous),
        }
    }

    async fn identity_by_namespace(&self, namespace: &EntityName) -> Result<Option<Identity>, StoreError> {
        Ok(self.identities(namespace).await?.into_iter().next())
    }

    async fn subject(&self, subject: &str) -> Result<Option<Subject>, StoreError> {
        Ok(lock(&self.0).subjects.get(subject).cloned())
    }

    async fn put_subject(&self, subject: &Subject) -> Result<(), StoreError> {
        lock(&self.0).subjects.insert(subject.subject.clone(), subject.clone());
        Ok(())
    }

    async fn subjects(&self, after: Option<&str>, limit: usize) -> Result<Vec<Subject>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let tables = lock(&self.0);
        let behind = tables.subjects.range::<str, _>((from, Bound::Unbounded));
        Ok(behind.take(limit).map(|(_, subject)| subject.clone()).collect())
    }

    async fn set_blocked(&self, subject: &str, blocked: bool) -> Result<(), StoreError> {
        let mut tables = lock(&self.0);
        let subject = tables.subjects.get_mut(subject).ok_or(StoreError::NotFound)?;
        subject.blocked = blocked;
        Ok(())
    }

    async fn delete_subject(&self, subject: &str) -> Result<(), StoreError> {
        lock(&self.0).subjects.remove(subject).map(drop).ok_or(StoreError::NotFound)
    }

    async fn identities(&self, namespace: &EntityName) -> Result<Vec<Identity>, StoreError> {
        Ok(lock(&self.0).identities(|entry| entry.name == *namespace))
    }

    async fn limits(&self, namespace: &EntityName) -> Result<Option<UserLimits>, StoreError> {
        Ok(lock(&self.0).limits.get(namespace).cloned())
    }

    async fn put_limits(
        &self,
        namespace: &EntityName,
        limits: Option<&UserLimits>,
    ) -> Result<(), StoreError> {
        let mut tables = lock(&self.0);
        match limits {
            Some(limits) => tables.limits.insert(namespace.clone(), limits.clone()),
            None => tables.limits.remove(namespace),
        };
        Ok(())
    }
}

#[async_trait]
impl DatabaseContents for MemorySubjectStore {
    async fn contents(&self, query: &ContentsQuery) -> Result<Vec<String>, StoreError> {
        let tables = lock(&self.0);
        let subjects = tables.subjects.values().map(|subject| (subject.subject.clone(), raw(subject)));
        let limits = tables.limits.iter().map(|(of, limits)| (format!("{of}/limits"), raw(limits)));
        page(query, subjects.chain(limits).map(|(id, document)| (id, None, document.get().to_owned())))
    }
}
