//! Names of entities and where they live.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::as_text::serde_as_text;

/// Longest allowed name, in characters.
pub const NAME_LENGTH_MAX: usize = 256;

/// Why a string is not a name; the texts, misspelling included, are OpenWhisk's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("Name segement longer than allowed: {0} > {NAME_LENGTH_MAX}.")]
    TooLong(usize),
    #[error("The name of the entity contains illegal characters.")]
    Illegal,
    #[error("Namespace longer than allowed: {0} > {NAME_LENGTH_MAX}.")]
    NamespaceTooLong(usize),
    #[error("The namespace contains illegal characters.")]
    NamespaceIllegal,
    #[error(
        "The fully qualified name of the entity must contain at least the namespace and the name of the entity."
    )]
    NotFullyQualified,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `\A([\w]|[\w][\w@ .&-]{0,254}[\w@.&-])\z` with ASCII `\w`, the length apart.
fn is_legal(text: &str) -> bool {
    let inner = |b: u8| is_word(b) || matches!(b, b'@' | b' ' | b'.' | b'&' | b'-');
    match text.as_bytes() {
        [] => false,
        [only] => is_word(*only),
        [first, middle @ .., last] => {
            is_word(*first) && middle.iter().all(|b| inner(*b)) && inner(*last) && *last != b' '
        }
    }
}

/// Name of an action, package, trigger, rule or namespace: 1 to 256 characters, a word character first, no space last.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct EntityName(Arc<str>);

impl EntityName {
    /// # Errors
    /// When the text is too long or does not fit the grammar of entity names.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.len() > NAME_LENGTH_MAX {
            return Err(NameError::TooLong(text.len()));
        }
        if is_legal(text) { Ok(Self(text.into())) } else { Err(NameError::Illegal) }
    }

    /// The same grammar, with the messages for a namespace.
    ///
    /// # Errors
    /// As [`EntityName::new`].
    pub fn namespace(text: &str) -> Result<Self, NameError> {
        match Self::new(text) {
            Err(NameError::TooLong(length)) => Err(NameError::NamespaceTooLong(length)),
            Err(_) => Err(NameError::NamespaceIllegal),
            Ok(name) => Ok(name),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for EntityName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Where an entity lives: `namespace` or `namespace/package`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityPath {
    pub namespace: EntityName,
    pub package: Option<EntityName>,
}

impl EntityPath {
    #[must_use]
    pub fn new(namespace: EntityName, package: Option<EntityName>) -> Self {
        Self { namespace, package }
    }
}

impl fmt::Display for EntityPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.namespace.as_str())?;
        match &self.package {
            Some(package) => write!(f, "/{package}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for EntityPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl FromStr for EntityPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.strip_prefix('/').unwrap_or(text);
        match text.split_once('/') {
            None => Ok(Self::new(EntityName::new(text)?, None)),
            Some((namespace, package)) => {
                Ok(Self::new(EntityName::new(namespace)?, Some(EntityName::new(package)?)))
            }
        }
    }
}

serde_as_text!(EntityPath);

/// The name space resolves to: `namespace/[package/]name`. Also the id of the entity's document.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FullyQualifiedName {
    pub path: EntityPath,
    pub name: EntityName,
}

impl FullyQualifiedName {
    #[must_use]
    pub fn new(path: EntityPath, name: EntityName) -> Self {
        Self { path, name }
    }

    /// Reads `/ns/name`, `/ns/pkg/name` and both without the leading slash; a `_` namespace becomes `default`.
    ///
    /// # Errors
    /// When there are fewer than two segments or more than three, or one of them is no name.
    pub fn parse(text: &str, default: &EntityName) -> Result<Self, NameError> {
        let segments: Vec<&str> = text.strip_prefix('/').unwrap_or(text).split('/').collect();
        let (namespace, package, name) = match segments.as_slice() {
            [namespace, name] => (namespace, None, name),
            [namespace, package, name] => (namespace, Some(EntityName::new(package)?), name),
            _ => return Err(NameError::NotFullyQualified),
        };
        let namespace = if *namespace == "_" { default.clone() } else { EntityName::new(namespace)? };
        Ok(Self::new(EntityPath::new(namespace, package), EntityName::new(name)?))
    }
}

impl fmt::Display for FullyQualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.path, self.name)
    }
}

impl fmt::Debug for FullyQualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        for legal in ["a", "_", "a b.c&d@e-f", "A1_", &"x".repeat(256)] {
            assert!(EntityName::new(legal).is_ok(), "{legal}");
        }
        for illegal in ["", " x", "x ", "-x", "@x", "a/b", "a!b", "é"] {
            assert_eq!(EntityName::new(illegal), Err(NameError::Illegal), "{illegal}");
        }
        assert_eq!(
            EntityName::new(&"x".repeat(257)).unwrap_err().to_string(),
            "Name segement longer than allowed: 257 > 256."
        );
    }

    #[test]
    fn qualified_names_resolve_the_default_namespace() {
        let me = EntityName::new("me").unwrap();
        let parse = |text| FullyQualifiedName::parse(text, &me).map(|fqn| fqn.to_string());
        assert_eq!(parse("/_/a").unwrap(), "me/a");
        assert_eq!(parse("ns/pkg/a").unwrap(), "ns/pkg/a");
        assert_eq!(parse("a"), Err(NameError::NotFullyQualified));
    }
}
