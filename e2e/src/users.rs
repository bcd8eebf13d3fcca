//! The users a server under test knows, in the form of its `--users` file.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// One identity: a subject with one namespace and its credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The subject, which records name.
    pub subject: String,
    /// The namespace that the key opens.
    pub namespace: String,
    /// First half of the Basic credentials.
    pub uuid: String,
    /// Second half, 64 characters.
    pub key: String,
    /// Overrides as in a `<namespace>/limits` document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Value>,
    /// A blocked subject's key opens nothing.
    #[serde(default)]
    pub blocked: bool,
}

impl User {
    /// A user with fresh random credentials; subject and namespace are both `name`.
    pub fn new(name: &str) -> Self {
        let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        Self {
            subject: name.to_owned(),
            namespace: name.to_owned(),
            uuid: Uuid::new_v4().to_string(),
            key,
            limits: None,
            blocked: false,
        }
    }

    /// The same user with namespace limits.
    pub fn with_limits(self, limits: Value) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// `uuid:key`, as `wsk property set --auth` takes it.
    pub fn auth(&self) -> String {
        format!("{}:{}", self.uuid, self.key)
    }
}

/// A user who exists for one purpose; tests ask for it by this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Owns a namespace that nobody else may read.
    Other,
    /// Its subject is blocked.
    Blocked,
    /// May store actions of kind `nodejs:20` only.
    OnlyNodejs20,
    /// Its activation records are not stored.
    NoRecords,
    /// May invoke far more often than the default limits allow; for load.
    Busy,
    /// The same with another key: an edge that goes by the caller may send it to another controller.
    Busier(u8),
}

impl Special {
    /// The namespace of this user.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Blocked => "blocked",
            Self::OnlyNodejs20 => "onlynodejs",
            Self::NoRecords => "norecords",
            Self::Busy => "busy",
            Self::Busier(n) => BUSIER.get(usize::from(n)).copied().unwrap_or("busy"),
        }
    }

    fn user(self) -> User {
        let user = User::new(self.namespace());
        match self {
            Self::Other => user,
            Self::Blocked => User { blocked: true, ..user },
            Self::OnlyNodejs20 => user.with_limits(json!({"allowedKinds": ["nodejs:20"]})),
            Self::NoRecords => user.with_limits(json!({"storeActivations": false})),
            Self::Busy | Self::Busier(_) => {
                user.with_limits(json!({"invocationsPerMinute": 1_000_000, "concurrentInvocations": 1_000}))
            }
        }
    }
}

/// Namespaces of [`Special::Busier`].
const BUSIER: [&str; 6] = ["busier0", "busier1", "busier2", "busier3", "busier4", "busier5"];

/// All users of one server: the special ones, and a stock of plain ones that tests take one by one.
#[derive(Clone, Debug, PartialEq)]
pub struct Roster {
    users: Vec<User>,
}

/// How plain users are called; what follows is a number.
const PLAIN: &str = "e2e";

impl Roster {
    /// A roster of random credentials with `plain` users beside the special ones.
    pub fn generate(plain: usize) -> Self {
        let special =
            [Special::Other, Special::Blocked, Special::OnlyNodejs20, Special::NoRecords, Special::Busy];
        let busier = (0..BUSIER.len() as u8).map(Special::Busier);
        let plain = (0..plain).map(|n| User::new(&format!("{PLAIN}{n:03}")));
        Self { users: special.into_iter().chain(busier).map(Special::user).chain(plain).collect() }
    }

    /// Reads the form that [`Roster::to_json`] writes.
    ///
    /// # Errors
    /// When `text` is no list of users.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        Ok(Self { users: serde_json::from_str(text)? })
    }

    /// The `--users` file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.users).expect("users are plain data")
    }

    /// The special user `which`, if this roster has it.
    pub fn special(&self, which: Special) -> Option<&User> {
        self.users.iter().find(|user| user.namespace == which.namespace())
    }

    /// The `n`th plain user.
    pub fn plain(&self, n: usize) -> Option<&User> {
        self.users.iter().filter(|user| user.namespace.starts_with(PLAIN)).nth(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roster_survives_its_file() {
        let roster = Roster::generate(3);
        assert_eq!(Roster::from_json(&roster.to_json()).expect("reads back"), roster);
    }

    #[test]
    fn plain_users_are_all_different_and_keys_have_64_characters() {
        let roster = Roster::generate(2);
        let (a, b) = (roster.plain(0).expect("first"), roster.plain(1).expect("second"));
        assert_ne!((&a.namespace, &a.uuid, &a.key), (&b.namespace, &b.uuid, &b.key));
        assert_eq!(a.key.len(), 64);
        assert!(roster.plain(2).is_none());
    }
}
