//! Ids that identify one run, one request, one revision.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::Rng;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};

/// Id of one activation: 32 lower-case hexadecimal characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActivationId(uuid::Uuid);

/// Why a string is not an [`ActivationId`]; the texts are OpenWhisk's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActivationIdError {
    #[error("Activation id length is {0} but must be 32.")]
    Length(usize),
    #[error("The activation id is not valid.")]
    Characters,
}

impl ActivationId {
    /// A new id: the time in milliseconds, then 74 random bits (a UUID of version 7). Ids that grow with time are
    /// neighbours in a store's index, which makes writing them several times cheaper than random ones.
    #[must_use]
    pub fn generate() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let milliseconds = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self(uuid::Builder::from_unix_timestamp_millis(milliseconds, &rand::rng().random()).into_uuid())
    }

    /// The number that its text writes, most significant byte first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// One that was sent as [`ActivationId::as_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for ActivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = uuid::Uuid::encode_buffer();
        f.write_str(self.0.simple().encode_lower(&mut buffer))
    }
}

impl fmt::Debug for ActivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ActivationId {
    type Err = ActivationIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = text.chars().count();
        if length != 32 {
            return Err(ActivationIdError::Length(length));
        }
        if !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(ActivationIdError::Characters);
        }
        uuid::Uuid::try_parse(text).map(Self).map_err(|_| ActivationIdError::Characters)
    }
}

impl Serialize for ActivationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = uuid::Uuid::encode_buffer();
        serializer.serialize_str(self.0.simple().encode_lower(&mut buffer))
    }
}

impl<'de> Deserialize<'de> for ActivationId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Correlates everything that one request causes; travels in the `X-Request-ID` header and in error bodies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransactionId(std::sync::Arc<str>);

/// Prefix of the ids the platform uses for its own work; clients may not use it.
const SYSTEM_PREFIX: &str = "sid_";

impl TransactionId {
    /// 32 random letters and digits.
    #[must_use]
    pub fn generate() -> Self {
        let mut rng = rand::rng();
        let text: [u8; 32] = std::array::from_fn(|_| rng.sample(Alphanumeric));
        Self(String::from_utf8_lossy(&text).into())
    }

    /// The id a client sent, unless it is empty or reserved for the system: then a new one.
    #[must_use]
    pub fn from_client(header: Option<&str>) -> Self {
        match header {
            Some(text) if !text.is_empty() && !text.starts_with(SYSTEM_PREFIX) => Self(text.into()),
            _ => Self::generate(),
        }
    }

    /// An id that another service of the platform sent.
    #[must_use]
    pub fn from_service(text: &str) -> Self {
        Self(text.into())
    }

    /// An id of the platform's own work, for example `sid_invokerHealth`.
    #[must_use]
    pub fn system(name: &str) -> Self {
        Self(format!("{SYSTEM_PREFIX}{name}").into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Revision of a stored document; changes with every write. Opaque.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

/// Number of an invoker in its deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvokerId(pub u32);

impl fmt::Display for InvokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invoker{}", self.0)
    }
}

impl InvokerId {
    /// The one that is called so, in its one spelling: `invoker12`.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let id = Self(name.strip_prefix("invoker")?.parse().ok()?);
        (id.to_string() == name).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoker_has_one_spelling() {
        assert_eq!(InvokerId::of_name("invoker12"), Some(InvokerId(12)));
        for other in ["invoker012", "12", "invoker", "invoker+1", "Invoker1"] {
            assert_eq!(InvokerId::of_name(other), None, "{other}");
        }
    }

    #[test]
    fn an_activation_id_prints_as_it_parses() {
        let id = ActivationId::generate();
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(id.to_string().parse::<ActivationId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<ActivationId>(&json).unwrap(), id);
    }

    #[test]
    fn activation_id_errors_say_what_openwhisk_says() {
        let parse = |text: &str| text.parse::<ActivationId>().unwrap_err().to_string();
        assert_eq!(parse(&"a".repeat(31)), "Activation id length is 31 but must be 32.");
        assert_eq!(parse(&"g".repeat(32)), "The activation id is not valid.");
        assert_eq!(parse(&"A".repeat(32)), "The activation id is not valid.");
    }

    #[test]
    fn reserved_transaction_ids_are_replaced() {
        assert_eq!(TransactionId::from_client(Some("abc123")).as_str(), "abc123");
        for replaced in [Some("sid_x"), Some(""), None] {
            assert_eq!(TransactionId::from_client(replaced).as_str().len(), 32);
        }
    }
}
