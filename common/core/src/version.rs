//! Versions of entities: three numbers.

use std::fmt;
use std::str::FromStr;

use crate::as_text::serde_as_text;

/// `major.minor.patch`, never `0.0.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// The text is none of `M`, `M.m`, `M.m.p`, or is `0.0.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad semantic version")]
pub struct VersionError;

impl Version {
    /// What a new entity gets.
    pub const FIRST: Self = Self { major: 0, minor: 0, patch: 1 };

    #[must_use]
    pub fn next_patch(self) -> Self {
        Self { patch: self.patch.saturating_add(1), ..self }
    }
}

impl FromStr for Version {
    type Err = VersionError;

    /// Lenient as OpenWhisk is: `1` is `1.0.0`, `1.2` is `1.2.0`.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let numbers: Vec<u32> =
            text.split('.').map(|part| part.parse().map_err(|_| VersionError)).collect::<Result<_, _>>()?;
        let version = match numbers.as_slice() {
            [major] => Self { major: *major, minor: 0, patch: 0 },
            [major, minor] => Self { major: *major, minor: *minor, patch: 0 },
            [major, minor, patch] => Self { major: *major, minor: *minor, patch: *patch },
            _ => return Err(VersionError),
        };
        if version == (Self { major: 0, minor: 0, patch: 0 }) { Err(VersionError) } else { Ok(version) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

serde_as_text!(Version);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_leniently() {
        let parse = |text: &str| text.parse::<Version>().map(|version| version.to_string());
        assert_eq!(parse("1").unwrap(), "1.0.0");
        assert_eq!(parse("1.2").unwrap(), "1.2.0");
        assert_eq!(parse("2.0.0").unwrap(), "2.0.0");
        for bad in ["0.0.0", "0", "-1.0.0", "1.2.3.4", "a", ""] {
            assert_eq!(parse(bad), Err(VersionError), "{bad}");
        }
        assert_eq!(Version::FIRST.next_patch().to_string(), "0.0.2");
    }
}
