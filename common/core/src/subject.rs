//! Who calls: subjects, their namespaces and keys.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::UserLimits;
use crate::name::EntityName;

/// The `uuid:key` pair of one namespace. Its key never appears in `Debug` output.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AuthKey {
    pub uuid: String,
    pub key: String,
}

/// Characters of the key part, exactly.
pub const KEY_LENGTH: usize = 64;

impl AuthKey {
    /// Reads `uuid:key`; `None` unless the first part is a UUID and the second has 64 characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (uuid, key) = text.split_once(':')?;
        let uuid = uuid::Uuid::try_parse(uuid).ok()?.hyphenated().to_string();
        (key.chars().count() == KEY_LENGTH).then(|| Self { uuid, key: key.to_owned() })
    }

    /// `uuid:key`, as clients present it and actions see it in `__OW_API_KEY`.
    #[must_use]
    pub fn compact(&self) -> String {
        format!("{}:{}", self.uuid, self.key)
    }
}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:***", self.uuid)
    }
}

/// One namespace of a subject with the credentials that open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectNamespace {
    pub name: EntityName,
    #[serde(flatten)]
    pub auth: AuthKey,
}

/// A person or program, as the subjects database keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub subject: String,
    #[serde(default)]
    pub blocked: bool,
    #[serde(default)]
    pub namespaces: Vec<SubjectNamespace>,
}

/// An authenticated caller: one namespace of one subject, with that namespace's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub subject: Arc<str>,
    pub namespace: EntityName,
    pub auth: AuthKey,
    pub limits: UserLimits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_uuid_and_64_characters() {
        let uuid = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502";
        let text = |key: &str| format!("{uuid}:{key}");
        let parsed = AuthKey::parse(&text(&"k".repeat(64))).unwrap();
        assert_eq!(parsed.compact(), text(&"k".repeat(64)));
        assert_eq!(format!("{parsed:?}"), format!("{uuid}:***"));
        for bad in [text(&"k".repeat(63)), format!("no-uuid:{}", "k".repeat(64)), uuid.to_owned()] {
            assert!(AuthKey::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn subjects_read_as_the_database_has_them() {
        let subject: Subject = serde_json::from_str(
            r#"{"_id": "guest", "subject": "guest", "namespaces":
               [{"name": "guest", "uuid": "23bc46b1-71f6-4ed5-8c54-816aa4f8c502", "key": "x"}]}"#,
        )
        .unwrap();
        assert!(!subject.blocked);
        assert_eq!(subject.namespaces[0].name.as_str(), "guest");
    }
}
