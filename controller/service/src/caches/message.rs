//! What is said on the channel `cacheInvalidation`.

use serde::{Deserialize, Serialize};

/// What others are to forget.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// One entity, by its document's id: `guest/hello`.
    Entity(String),
    Entities,
    /// Subjects, keys and limits.
    Identities,
    Everything,
}

/// `{"key":{"mainId":"guest/hello"},"instanceId":"controller0"}`; `scope` is ours.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invalidation {
    key: Key,
    instance_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    main_id: String,
}

const ENTITIES: &str = "entities";
const IDENTITIES: &str = "identities";
const EVERYTHING: &str = "everything";

/// As `instance` says it.
pub(super) fn encode(change: &Change, instance: &str) -> serde_json::Result<Vec<u8>> {
    let (main_id, scope) = match change {
        Change::Entity(id) => (id.as_str(), None),
        Change::Entities => ("", Some(ENTITIES)),
        Change::Identities => ("", Some(IDENTITIES)),
        Change::Everything => ("", Some(EVERYTHING)),
    };
    serde_json::to_vec(&Invalidation {
        key: Key { main_id: main_id.to_owned() },
        instance_id: instance.to_owned(),
        scope: scope.map(str::to_owned),
    })
}

/// What `instance` hears; `None` is what it has said itself.
pub(super) fn decode(payload: &[u8], instance: &str) -> serde_json::Result<Option<Change>> {
    let Invalidation { key, instance_id, scope } = serde_json::from_slice(payload)?;
    if instance_id == instance {
        return Ok(None);
    }
    Ok(Some(match scope.as_deref() {
        None => Change::Entity(key.main_id),
        Some(ENTITIES) => Change::Entities,
        Some(IDENTITIES) => Change::Identities,
        // Of a later release, too: too much is forgotten rather than too little.
        Some(_) => Change::Everything,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_told_as_openwhisk_tells_them() {
        let told = encode(&Change::Entity("guest/pkg/hello".to_owned()), "controller0").unwrap();
        let text = r#"{"key":{"mainId":"guest/pkg/hello"},"instanceId":"controller0"}"#;
        assert_eq!(String::from_utf8(told).unwrap(), text);
        let heard = br#"{"key":{"mainId":"guest/hello","secondaryId":"x"},"instanceId":"cache-invalidator"}"#;
        assert_eq!(decode(heard, "controller0").unwrap(), Some(Change::Entity("guest/hello".to_owned())));
    }

    #[test]
    fn what_was_told_is_heard_by_others_only() {
        for change in
            [Change::Entity("a/b".to_owned()), Change::Entities, Change::Identities, Change::Everything]
        {
            let told = encode(&change, "controller0").unwrap();
            assert_eq!(decode(&told, "controller0").unwrap(), None);
            assert_eq!(decode(&told, "controller1").unwrap(), Some(change));
        }
    }

    #[test]
    fn what_a_later_release_says_is_forgotten_whole_and_garbage_is_an_error() {
        let later = br#"{"key":{"mainId":""},"instanceId":"controller1","scope":"triggers"}"#;
        assert_eq!(decode(later, "controller0").unwrap(), Some(Change::Everything));
        assert!(decode(b"{}", "controller0").is_err());
    }
}
