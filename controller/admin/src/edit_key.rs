//! Giving a subject a key: what becomes of its document. Pure.

use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, KEY_LENGTH, Subject, SubjectNamespace};
use oxwhisk_proto::admin::v1::ExistingKey;
use rand::Rng;
use rand::distr::Alphanumeric;

/// The key to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NewKey {
    Given(AuthKey),
    /// Also where a key is kept in part.
    Random(AuthKey),
}

impl NewKey {
    /// A random UUID and 64 letters and digits, from the system's generator of random numbers.
    pub(crate) fn random() -> Self {
        let mut rng = rand::rng();
        let key = (0..KEY_LENGTH).map(|_| char::from(rng.sample(Alphanumeric))).collect();
        Self::Random(AuthKey { uuid: uuid::Uuid::new_v4().to_string(), key })
    }

    pub(crate) fn auth(&self) -> &AuthKey {
        match self {
            Self::Given(auth) | Self::Random(auth) => auth,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the subject is blocked")]
    Blocked,
    #[error("the subject has a key for this namespace")]
    Exists,
    #[error("the subject has several keys for this namespace")]
    NotUnique,
    #[error("the uuid is kept, so no key can be given")]
    GivenAndKept,
}

/// The subject with the key for `namespace`, and the key it has then.
pub(crate) fn with_key(
    current: Option<Subject>,
    name: &str,
    namespace: &EntityName,
    key: &NewKey,
    existing: ExistingKey,
) -> Result<(Subject, AuthKey), Refused> {
    if existing == ExistingKey::ReplaceSecret && matches!(key, NewKey::Given(_)) {
        return Err(Refused::GivenAndKept);
    }
    let new = || Subject { subject: name.to_owned(), blocked: false, namespaces: Vec::new() };
    let mut subject = current.unwrap_or_else(new);
    if subject.blocked {
        return Err(Refused::Blocked);
    }
    let mut auth = key.auth().clone();
    let mut held = subject.namespaces.iter_mut().filter(|entry| entry.name == *namespace);
    match (held.next(), held.next(), existing) {
        (None, ..) => {
            let entry = SubjectNamespace { name: namespace.clone(), auth: auth.clone() };
            subject.namespaces.push(entry);
        }
        (Some(_), _, ExistingKey::Unspecified) => return Err(Refused::Exists),
        (Some(_), Some(_), _) => return Err(Refused::NotUnique),
        (Some(entry), None, _) => {
            if existing == ExistingKey::ReplaceSecret {
                auth.uuid.clone_from(&entry.auth.uuid);
            }
            entry.auth = auth.clone();
        }
    }
    Ok((subject, auth))
}

/// The subject without `namespace`; `None` if it has none of that name.
pub(crate) fn without_namespace(mut subject: Subject, namespace: &str) -> Option<Subject> {
    let before = subject.namespaces.len();
    subject.namespaces.retain(|entry| entry.name.as_str() != namespace);
    (subject.namespaces.len() < before).then_some(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(text: &str) -> EntityName {
        EntityName::new(text).expect("a name")
    }

    fn give(
        current: Option<Subject>,
        to: &str,
        existing: ExistingKey,
    ) -> Result<(Subject, AuthKey), Refused> {
        with_key(current, "anna1", &namespace(to), &NewKey::random(), existing)
    }

    const REFUSE: ExistingKey = ExistingKey::Unspecified;

    #[test]
    fn random_keys_are_keys() {
        let (one, other) = (NewKey::random(), NewKey::random());
        assert_eq!(AuthKey::parse(&one.auth().compact()).as_ref(), Some(one.auth()));
        assert_ne!(one, other);
    }

    #[test]
    fn a_new_subject_is_made_and_an_old_one_gets_a_further_namespace() {
        let (first, key) = give(None, "anna1", REFUSE).expect("made");
        assert_eq!((first.subject.as_str(), &first.namespaces[0].auth), ("anna1", &key));
        let (second, key) = give(Some(first.clone()), "team", REFUSE).expect("added");
        assert_eq!(second.namespaces[0], first.namespaces[0]);
        assert_eq!((second.namespaces[1].name.as_str(), &second.namespaces[1].auth), ("team", &key));
    }

    #[test]
    fn a_key_that_is_there_is_replaced_only_on_request() {
        let (first, old) = give(None, "anna1", REFUSE).expect("made");
        assert_eq!(give(Some(first.clone()), "anna1", REFUSE), Err(Refused::Exists));
        let (replaced, new) = give(Some(first.clone()), "anna1", ExistingKey::Replace).expect("replaced");
        assert_eq!((replaced.namespaces.len(), &replaced.namespaces[0].auth), (1, &new));
        assert!(new.uuid != old.uuid && new.key != old.key);
        let (_, renewed) = give(Some(first.clone()), "anna1", ExistingKey::ReplaceSecret).expect("renewed");
        assert!(renewed.uuid == old.uuid && renewed.key != old.key);
        let given = NewKey::Given(old);
        let kept = with_key(Some(first), "anna1", &namespace("anna1"), &given, ExistingKey::ReplaceSecret);
        assert_eq!(kept, Err(Refused::GivenAndKept));
    }

    #[test]
    fn blocked_subjects_and_doubled_namespaces_are_left_alone() {
        let (mut subject, _) = give(None, "anna1", REFUSE).expect("made");
        subject.namespaces.push(subject.namespaces[0].clone());
        assert_eq!(give(Some(subject.clone()), "anna1", ExistingKey::Replace), Err(Refused::NotUnique));
        assert_eq!(give(Some(subject.clone()), "anna1", REFUSE), Err(Refused::Exists));
        subject.blocked = true;
        assert_eq!(give(Some(subject), "team", ExistingKey::Replace), Err(Refused::Blocked));
    }

    #[test]
    fn a_namespace_goes_with_all_its_keys() {
        let (subject, _) = give(None, "anna1", REFUSE).expect("made");
        let (mut subject, _) = give(Some(subject), "team", REFUSE).expect("added");
        subject.namespaces.push(subject.namespaces[0].clone());
        assert_eq!(without_namespace(subject.clone(), "none"), None);
        let left = without_namespace(subject, "anna1").expect("it was there");
        assert_eq!(left.namespaces.len(), 1);
    }
}
