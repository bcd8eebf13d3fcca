//! Subjects, keys and limits.

use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, Subject, SubjectNamespace};

use super::fresh_namespace;
use crate::{StoreError, SubjectStore};

pub(super) fn new_key() -> AuthKey {
    let key = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    AuthKey { uuid: uuid::Uuid::new_v4().to_string(), key }
}

pub(super) fn new_subject(namespaces: &[(&EntityName, &AuthKey)]) -> Subject {
    let entry = |(name, auth): &(&EntityName, &AuthKey)| SubjectNamespace {
        name: (*name).clone(),
        auth: (*auth).clone(),
    };
    Subject {
        subject: format!("subject-{}", uuid::Uuid::new_v4()),
        blocked: false,
        namespaces: namespaces.iter().map(entry).collect(),
    }
}

async fn namespace_of(store: &dyn SubjectStore, key: &AuthKey) -> Option<EntityName> {
    store.identity_by_key(key).await.unwrap().map(|identity| identity.namespace)
}

pub(super) async fn a_key_opens_its_namespace(store: &dyn SubjectStore) {
    let (first, second) = (fresh_namespace(), fresh_namespace());
    let (first_key, second_key) = (new_key(), new_key());
    let subject = new_subject(&[(&first, &first_key), (&second, &second_key)]);
    store.put_subject(&subject).await.unwrap();
    let identity = store.identity_by_key(&second_key).await.unwrap().expect("the identity");
    assert_eq!((&*identity.subject, &identity.namespace), (subject.subject.as_str(), &second));
    assert_eq!((identity.auth, identity.limits), (second_key, UserLimits::default()));
    assert_eq!(namespace_of(store, &first_key).await, Some(first.clone()));
    let by_namespace = store.identity_by_namespace(&first).await.unwrap().expect("the identity");
    assert_eq!(by_namespace.auth, first_key);
    assert_eq!(store.subject(&subject.subject).await.unwrap(), Some(subject));
}

pub(super) async fn a_wrong_key_opens_nothing(store: &dyn SubjectStore) {
    let (namespace, key) = (fresh_namespace(), new_key());
    store.put_subject(&new_subject(&[(&namespace, &key)])).await.unwrap();
    let other_key = AuthKey { key: new_key().key, ..key.clone() };
    let prefix = AuthKey { key: key.key[..63].to_owned(), ..key.clone() };
    let other_uuid = AuthKey { uuid: new_key().uuid, ..key };
    for wrong in [other_key, prefix, other_uuid] {
        assert_eq!(namespace_of(store, &wrong).await, None);
    }
    assert_eq!(store.identity_by_namespace(&fresh_namespace()).await.unwrap(), None);
}

pub(super) async fn a_blocked_subject_has_no_identity(store: &dyn SubjectStore) {
    let (namespace, key) = (fresh_namespace(), new_key());
    let subject = new_subject(&[(&namespace, &key)]);
    store.put_subject(&subject).await.unwrap();
    let blocked = Subject { blocked: true, ..subject.clone() };
    store.put_subject(&blocked).await.unwrap();
    assert_eq!(namespace_of(store, &key).await, None);
    assert_eq!(store.identity_by_namespace(&namespace).await.unwrap(), None);
    assert_eq!(store.identities(&namespace).await.unwrap(), []);
    assert_eq!(store.subject(&subject.subject).await.unwrap(), Some(blocked));
    store.put_subject(&subject).await.unwrap();
    assert_eq!(namespace_of(store, &key).await, Some(namespace));
}

pub(super) async fn a_replaced_subject_loses_its_old_keys(store: &dyn SubjectStore) {
    let (namespace, old, new) = (fresh_namespace(), new_key(), new_key());
    let before = new_subject(&[(&namespace, &old)]);
    let after = Subject { subject: before.subject.clone(), ..new_subject(&[(&namespace, &new)]) };
    store.put_subject(&before).await.unwrap();
    store.put_subject(&after).await.unwrap();
    assert_eq!(namespace_of(store, &old).await, None);
    assert_eq!(namespace_of(store, &new).await, Some(namespace));
}

pub(super) async fn a_deleted_subject_is_gone(store: &dyn SubjectStore) {
    let (namespace, key) = (fresh_namespace(), new_key());
    let subject = new_subject(&[(&namespace, &key)]);
    store.put_subject(&subject).await.unwrap();
    store.delete_subject(&subject.subject).await.unwrap();
    assert_eq!(namespace_of(store, &key).await, None);
    assert_eq!(store.subject(&subject.subject).await.unwrap(), None);
    assert!(matches!(store.delete_subject(&subject.subject).await, Err(StoreError::NotFound)));
}

/// The store may hold other subjects, which are listed too.
pub(super) async fn subjects_are_listed_page_by_page(store: &dyn SubjectStore) {
    let (namespace, key) = (fresh_namespace(), new_key());
    let mut expected: Vec<Subject> = (0..5).map(|_| new_subject(&[(&namespace, &key)])).collect();
    expected[1].blocked = true;
    for subject in &expected {
        store.put_subject(subject).await.unwrap();
        // A document that is beside those of subjects in some databases, and none of them.
        store.put_limits(&fresh_namespace(), Some(&UserLimits::default())).await.unwrap();
    }
    expected.sort_by(|a, b| a.subject.cmp(&b.subject));
    let mut listed: Vec<Subject> = Vec::new();
    loop {
        let after = listed.last().map(|subject| subject.subject.clone());
        let page = store.subjects(after.as_deref(), 2).await.unwrap();
        let is_last = page.len() < 2;
        listed.extend(page);
        if is_last {
            break;
        }
    }
    assert!(listed.windows(2).all(|pair| pair[0].subject < pair[1].subject));
    listed.retain(|subject| expected.iter().any(|ours| ours.subject == subject.subject));
    assert_eq!(listed, expected);
}

pub(super) async fn blocking_leaves_all_else_as_it_is(store: &dyn SubjectStore) {
    let (namespace, key) = (fresh_namespace(), new_key());
    let subject = new_subject(&[(&namespace, &key)]);
    assert!(matches!(store.set_blocked(&subject.subject, true).await, Err(StoreError::NotFound)));
    store.put_subject(&subject).await.unwrap();
    for blocked in [true, true, false, false] {
        store.set_blocked(&subject.subject, blocked).await.unwrap();
        let expected = Subject { blocked, ..subject.clone() };
        assert_eq!(store.subject(&subject.subject).await.unwrap(), Some(expected));
        assert_eq!(namespace_of(store, &key).await.is_some(), !blocked);
    }
}

pub(super) async fn a_namespace_can_be_shared(store: &dyn SubjectStore) {
    let namespace = fresh_namespace();
    let (one, other) = (new_key(), new_key());
    let (first, second) = (new_subject(&[(&namespace, &one)]), new_subject(&[(&namespace, &other)]));
    store.put_subject(&first).await.unwrap();
    store.put_subject(&second).await.unwrap();
    let mut holders: Vec<String> = store
        .identities(&namespace)
        .await
        .unwrap()
        .iter()
        .map(|identity| identity.subject.to_string())
        .collect();
    holders.sort_unstable();
    let mut expected = [first.subject.clone(), second.subject];
    expected.sort_unstable();
    assert_eq!(holders, expected);
    store.put_subject(&Subject { blocked: true, ..first }).await.unwrap();
    assert_eq!(namespace_of(store, &one).await, None);
    assert_eq!(
        store.identity_by_namespace(&namespace).await.unwrap().map(|identity| identity.auth),
        Some(other)
    );
}

pub(super) async fn a_key_held_twice_is_ambiguous(store: &dyn SubjectStore) {
    let key = new_key();
    let (first, second) =
        (new_subject(&[(&fresh_namespace(), &key)]), new_subject(&[(&fresh_namespace(), &key)]));
    store.put_subject(&first).await.unwrap();
    store.put_subject(&second).await.unwrap();
    assert!(matches!(store.identity_by_key(&key).await, Err(StoreError::Ambiguous)));
    store.delete_subject(&second.subject).await.unwrap();
    assert!(namespace_of(store, &key).await.is_some());
}

pub(super) async fn limits_come_with_the_identity(store: &dyn SubjectStore) {
    let (namespace, key) = (fresh_namespace(), new_key());
    store.put_subject(&new_subject(&[(&namespace, &key)])).await.unwrap();
    assert_eq!(store.limits(&namespace).await.unwrap(), None);
    let kinds = Some(vec!["nodejs:20".to_owned()]);
    let limits =
        UserLimits { invocations_per_minute: Some(3), allowed_kinds: kinds, ..UserLimits::default() };
    store.put_limits(&namespace, Some(&limits)).await.unwrap();
    assert_eq!(store.limits(&namespace).await.unwrap().as_ref(), Some(&limits));
    assert_eq!(store.identity_by_key(&key).await.unwrap().unwrap().limits, limits);
    store.put_limits(&namespace, None).await.unwrap();
    store.put_limits(&namespace, None).await.unwrap();
    assert_eq!(store.limits(&namespace).await.unwrap(), None);
    assert_eq!(store.identity_by_key(&key).await.unwrap().unwrap().limits, UserLimits::default());
}
