//! Names of container images: `[registry/][prefix/]name[:tag]`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An image as a manifest or a blackbox action names it. Prints in the form it came in: no tag is added.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageName {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not parse image name")]
pub struct ImageNameError;

impl ImageName {
    /// Same image whatever the tag or registry: how `blackboxes` of a manifest are matched.
    #[must_use]
    pub fn same_repository(&self, other: &Self) -> bool {
        self.name == other.name
            && self.prefix.as_deref().unwrap_or("") == other.prefix.as_deref().unwrap_or("")
    }
}

/// Path components are lower-case alphanumerics with inner separators, as container registries define them.
fn is_component(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_registry(text: &str) -> bool {
    (text.contains('.') || text.contains(':') || text == "localhost")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'))
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !text.starts_with(['.', '-'])
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        let (registry, rest) = match text.split_once('/') {
            Some((head, tail)) if is_registry(head) => (Some(head.to_owned()), tail),
            _ => (None, text),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) || !path.split('/').all(is_component) {
            return Err(ImageNameError);
        }
        let (prefix, name) = match path.rsplit_once('/') {
            Some((prefix, name)) => (Some(prefix.to_owned()), name),
            None => (None, path),
        };
        Ok(Self { registry, prefix, name: name.to_owned(), tag: tag.map(str::to_owned) })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.registry, &self.prefix].into_iter().flatten().filter(|part| !part.is_empty()) {
            write!(f, "{part}/")?;
        }
        f.write_str(&self.name)?;
        match &self.tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_print_as_they_came() {
        for text in [
            "openwhisk/example:1.0",
            "openwhisk/example",
            "example",
            "localhost:5000/a/b/c:tag",
            "reg.example.com/x",
        ] {
            assert_eq!(text.parse::<ImageName>().unwrap().to_string(), text);
        }
        for bad in ["a b", "", "A/b", "a:", "a//b", "/a", "a:b c", "-a"] {
            assert_eq!(bad.parse::<ImageName>(), Err(ImageNameError), "{bad}");
        }
    }
}
