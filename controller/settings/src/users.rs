//! Who may log in: the two users every OpenWhisk has, those of `whisk.users.*`, and those of a users file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oxwhisk_config::Settings;
use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, Subject, SubjectNamespace};
use oxwhisk_store::{StoreError, SubjectStore};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Whose members a deployment names itself.
pub const TABLE: &str = "whisk.users";
const FILE_KEY: &str = "oxwhisk.users-file";

/// The key that OpenWhisk publishes for the user `guest`.
pub const GUEST_KEY: &str =
    "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";
/// The key that OpenWhisk publishes for its own namespace.
pub const SYSTEM_KEY: &str =
    "789c46b1-71f6-4ed5-8c54-816aa4f8c502:abczO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";

/// Users as `whisk.users` names them, with the published keys.
const PUBLISHED: [(&str, &str); 2] = [("guest", GUEST_KEY), ("whisk-system", SYSTEM_KEY)];

/// One identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub subject: String,
    pub namespace: EntityName,
    pub auth: AuthKey,
    pub limits: Option<UserLimits>,
    pub blocked: bool,
}

/// One entry of the users file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileUser {
    subject: String,
    namespace: String,
    uuid: String,
    key: String,
    #[serde(default)]
    limits: Option<Value>,
    #[serde(default)]
    blocked: bool,
}

/// Everybody who may log in, without contradictions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    users: Vec<User>,
    /// Subjects that are taken away.
    removed: Vec<String>,
}

impl Users {
    pub fn iter(&self) -> std::slice::Iter<'_, User> {
        self.users.iter()
    }

    /// The user of a namespace; the first, if several share it.
    #[must_use]
    pub fn of_namespace(&self, namespace: &str) -> Option<&User> {
        self.users.iter().find(|user| user.namespace.as_str() == namespace)
    }

    /// Whether somebody may log in with a key that everybody can look up.
    #[must_use]
    pub fn has_published_key(&self) -> bool {
        self.users.iter().any(|user| PUBLISHED.iter().any(|(_, key)| user.auth.compact() == *key))
    }

    /// As the subjects database holds them.
    #[must_use]
    pub fn subjects(&self) -> Vec<Subject> {
        let mut subjects: BTreeMap<&str, Subject> = BTreeMap::new();
        for user in &self.users {
            let new =
                || Subject { subject: user.subject.clone(), blocked: user.blocked, namespaces: Vec::new() };
            let subject = subjects.entry(&user.subject).or_insert_with(new);
            subject
                .namespaces
                .push(SubjectNamespace { name: user.namespace.clone(), auth: user.auth.clone() });
        }
        subjects.into_values().collect()
    }

    /// Namespaces with limits of their own.
    pub fn limits(&self) -> impl Iterator<Item = (&EntityName, &UserLimits)> {
        self.users.iter().filter_map(|user| Some((&user.namespace, user.limits.as_ref()?)))
    }

    /// Subjects that may be known from an earlier start and must not be.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        let is_there = |name: &str| self.users.iter().any(|user| user.subject == name);
        self.removed.iter().map(String::as_str).filter(move |name| !is_there(name))
    }

    /// Adds a user. A later one for the same subject and namespace replaces the earlier.
    fn add(&mut self, user: User) -> Result<(), String> {
        self.users.retain(|old| (&old.subject, &old.namespace) != (&user.subject, &user.namespace));
        for other in &self.users {
            if other.auth.uuid == user.auth.uuid {
                return Err(format!("namespace '{}' has the same uuid", other.namespace));
            }
            if other.subject == user.subject && other.blocked != user.blocked {
                return Err(format!("subject '{}' is blocked in one entry only", user.subject));
            }
            let both_limited = other.limits.is_some() && user.limits.is_some();
            if other.namespace == user.namespace && both_limited && other.limits != user.limits {
                return Err(format!("namespace '{}' has other limits in another entry", user.namespace));
            }
        }
        self.users.push(user);
        Ok(())
    }
}

/// What becomes of the two users that OpenWhisk publishes keys of, where the configuration says nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// They may log in with those.
    Enrolled,
    /// They are users like all others: who is not configured is not there.
    AsConfigured,
}

/// Reads all users; faults go to the settings.
pub fn read(settings: &mut Settings, published: Published) -> Users {
    let mut users = Users::default();
    read_table(settings, &mut users, published);
    if let Some(path) = settings.optional::<PathBuf>(FILE_KEY) {
        for fault in read_file(&path, &mut users) {
            settings.fault(FILE_KEY, format!("'{}' {fault}", path.display()));
        }
    }
    users
}

/// `whisk.users.<namespace> = "uuid:key"`, with `-` for `.`; an empty value takes a user away.
fn read_table(settings: &mut Settings, users: &mut Users, published: Published) {
    let mut table = settings.secret_table(TABLE);
    for (name, key) in PUBLISHED.into_iter().filter(|_| published == Published::Enrolled) {
        table.entry(name.to_owned()).or_insert_with(|| {
            settings.show_default_secret(&format!("{TABLE}.{name}"));
            key.into()
        });
    }
    for (name, secret) in table {
        let text = secret.expose_secret();
        if text.is_empty() {
            users.removed.push(namespace_text(&name));
            continue;
        }
        let added = user_of_table(&name, text).and_then(|user| users.add(user));
        if let Err(fault) = added {
            settings.fault(&format!("{TABLE}.{name}"), fault);
        }
    }
}

fn namespace_text(name: &str) -> String {
    name.replace('-', ".")
}

fn user_of_table(name: &str, text: &str) -> Result<User, String> {
    // The value is a secret: what is wrong with it is said without it.
    let auth = AuthKey::parse(text).ok_or("must be 'uuid:key' with a key of 64 characters")?;
    let namespace = EntityName::new(&namespace_text(name)).map_err(|error| error.to_string())?;
    Ok(User { subject: namespace.to_string(), namespace, auth, limits: None, blocked: false })
}

/// Adds the users of a file; every fault in it as a text.
fn read_file(path: &Path, users: &mut Users) -> Vec<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => add_entries(&text, users),
        Err(error) => vec![format!("cannot be read: {error}")],
    }
}

fn add_entries(text: &str, users: &mut Users) -> Vec<String> {
    let entries: Vec<Value> = match serde_json::from_str(text) {
        Ok(entries) => entries,
        Err(error) => return vec![format!("is not a JSON list of users: {error}")],
    };
    let mut faults = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        if let Err(fault) = user_of_entry(entry).and_then(|user| users.add(user)) {
            faults.push(format!("entry {}: {fault}", index + 1));
        }
    }
    faults
}

fn user_of_entry(entry: Value) -> Result<User, String> {
    let entry: FileUser = serde_json::from_value(entry).map_err(|error| error.to_string())?;
    let namespace = EntityName::new(&entry.namespace).map_err(|_| {
        format!("'{}' is not a namespace: letters, digits and '_', inside also '@ .&-'", entry.namespace)
    })?;
    if entry.subject.is_empty() {
        return Err("subject must not be empty".to_owned());
    }
    let auth = AuthKey::parse(&format!("{}:{}", entry.uuid, entry.key))
        .ok_or("uuid must be a UUID and key must have 64 characters")?;
    let limits = entry.limits.map(limits_of).transpose()?;
    Ok(User { subject: entry.subject, namespace, auth, limits, blocked: entry.blocked })
}

/// The limits document of a database may hold anything; one that is written by hand should not hold typos. A member
/// that is gone after reading and writing was not understood.
fn limits_of(value: Value) -> Result<UserLimits, String> {
    let given: Map<String, Value> =
        serde_json::from_value(value.clone()).map_err(|error| format!("limits: {error}"))?;
    let limits: UserLimits = serde_json::from_value(value).map_err(|error| format!("limits: {error}"))?;
    let understood = serde_json::to_value(&limits).map_err(|error| format!("limits: {error}"))?;
    match given.iter().find(|(name, value)| !value.is_null() && understood.get(name).is_none()) {
        Some((name, _)) => Err(format!("limits: unknown member '{name}'")),
        None => Ok(limits),
    }
}

/// Makes the store know the configured users, and not those that are taken away. Others, limits of namespaces that the
/// configuration does not limit, and what an administrator has done to a configured user stay as they are: further
/// namespaces, and a block, which only an administrator lifts.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn enrol(users: &Users, store: &dyn SubjectStore) -> Result<(), StoreError> {
    for subject in users.removed() {
        match store.delete_subject(subject).await {
            Ok(()) => tracing::info!(subject, "user is taken away"),
            Err(StoreError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    for subject in users.subjects() {
        let stored = store.subject(&subject.subject).await?;
        let wanted = with_administrators_changes(subject, stored.as_ref());
        if stored.as_ref() != Some(&wanted) {
            store.put_subject(&wanted).await?;
        }
    }
    for (namespace, limits) in users.limits() {
        if store.limits(namespace).await?.as_ref() != Some(limits) {
            store.put_limits(namespace, Some(limits)).await?;
        }
    }
    Ok(())
}

fn with_administrators_changes(mut configured: Subject, stored: Option<&Subject>) -> Subject {
    let Some(stored) = stored else { return configured };
    configured.blocked |= stored.blocked;
    let is_further =
        |entry: &&SubjectNamespace| configured.namespaces.iter().all(|own| own.name != entry.name);
    let further: Vec<SubjectNamespace> = stored.namespaces.iter().filter(is_further).cloned().collect();
    configured.namespaces.extend(further);
    configured
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const UUID: [&str; 2] = ["11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"];

    fn entry(subject: &str, namespace: &str, uuid: &str) -> Value {
        json!({"subject": subject, "namespace": namespace, "uuid": uuid, "key": "k".repeat(64)})
    }

    fn read_entries(entries: &Value) -> (Users, Vec<String>) {
        let mut users = Users::default();
        let faults = add_entries(&entries.to_string(), &mut users);
        (users, faults)
    }

    #[test]
    fn a_subject_with_two_namespaces_is_one_subject() {
        let mut second = entry("me", "team", UUID[1]);
        second["limits"] = json!({"invocationsPerMinute": 5, "allowedKinds": ["nodejs:20"]});
        let (users, faults) = read_entries(&json!([entry("me", "me@home", UUID[0]), second]));
        assert_eq!(faults, Vec::<String>::new());
        let subjects = users.subjects();
        assert_eq!((subjects.len(), subjects[0].namespaces.len(), subjects[0].blocked), (1, 2, false));
        let limits: Vec<_> = users.limits().collect();
        assert_eq!((limits.len(), limits[0].0.as_str()), (1, "team"));
        assert_eq!(limits[0].1.invocations_per_minute, Some(5));
    }

    #[test]
    fn every_fault_of_a_users_file_is_named_by_its_entry() {
        let mut short = entry("a", "a", UUID[0]);
        short["key"] = json!("short");
        let mut typo = entry("b", "b", UUID[0]);
        typo["limits"] = json!({"invocationPerMinute": 5});
        let mut unknown = entry("c", "c", UUID[0]);
        unknown["colour"] = json!("red");
        let entries = json!([short, typo, unknown, entry("d", "-d", UUID[0]), {"subject": "e"},
            entry("f", "f", UUID[1]), entry("g", "g", UUID[1])]);
        let (users, faults) = read_entries(&entries);
        assert_eq!(users.iter().count(), 1);
        for (fault, text) in faults.iter().zip([
            "entry 1: uuid must be a UUID and key must have 64 characters",
            "entry 2: limits: unknown member 'invocationPerMinute'",
            "entry 3: unknown field `colour`",
            "entry 4: '-d' is not a namespace",
            "entry 5: missing field `namespace`",
            "entry 7: namespace 'f' has the same uuid",
        ]) {
            assert!(fault.starts_with(text), "{fault}");
        }
        assert_eq!(faults.len(), 6, "{faults:?}");
        assert!(read_entries(&json!({})).1[0].starts_with("is not a JSON list of users"));
    }

    #[test]
    fn entries_that_contradict_each_other_are_faults() {
        let mut blocked = entry("me", "b", UUID[1]);
        blocked["blocked"] = json!(true);
        let (_, faults) = read_entries(&json!([entry("me", "a", UUID[0]), blocked]));
        assert_eq!(faults, ["entry 2: subject 'me' is blocked in one entry only"]);
    }
}
