//! Which protocol versions both sides speak.
//!
//! Every request of ours says `oxwhisk-protocol: <lowest>-<highest>` and `oxwhisk-version: <of the program>`, and every
//! answer says the same of the server. Both use the highest version that they have in common; where there is none, the
//! server refuses with FAILED_PRECONDITION and a text that names both ranges. A request that says nothing is of a tool
//! such as `grpcurl`, and gets the server's highest. So old and new releases work side by side while an upgrade rolls on,
//! as long as neighbours overlap.

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderValue};
use tonic::Status;

/// Header of the range of protocol versions.
pub const PROTOCOL_HEADER: &str = "oxwhisk-protocol";
/// Header of the program's version, for people.
pub const VERSION_HEADER: &str = "oxwhisk-version";

/// Protocol versions that a program speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolRange {
    lowest: u32,
    highest: u32,
}

/// What this release speaks.
pub const OWN: ProtocolRange = ProtocolRange { lowest: 1, highest: 1 };

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    #[error("'{0}' is not a range of protocol versions such as '1-2'")]
    Form(String),
    #[error("no common protocol version: the {other} speaks {theirs}, this side {own}")]
    NoneInCommon { other: String, theirs: ProtocolRange, own: ProtocolRange },
}

impl ProtocolRange {
    /// `None` unless `1 <= lowest <= highest`.
    #[must_use]
    pub const fn new(lowest: u32, highest: u32) -> Option<Self> {
        if lowest >= 1 && lowest <= highest { Some(Self { lowest, highest }) } else { None }
    }

    #[must_use]
    pub const fn highest(self) -> u32 {
        self.highest
    }

    /// The highest version in both ranges.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u32> {
        let highest = self.highest.min(other.highest);
        (highest >= self.lowest.max(other.lowest)).then_some(highest)
    }
}

impl fmt::Display for ProtocolRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.lowest, self.highest)
    }
}

impl FromStr for ProtocolRange {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = text.split_once('-').and_then(|(lowest, highest)| {
            let number =
                |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            Self::new(number(lowest)?, number(highest)?)
        });
        range.ok_or_else(|| VersionError::Form(text.chars().take(40).collect()))
    }
}

/// What both sides of a call use; requests carry it as an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The protocol version to use.
    pub protocol: u32,
    /// The other program's version, if it says.
    pub peer_version: Option<String>,
}

impl Negotiated {
    /// What to use with whoever sent these headers; `other` is what messages call them: "client", "server".
    ///
    /// # Errors
    /// When there is no common version, or none can be read.
    pub fn of_headers(headers: &HeaderMap, own: ProtocolRange, other: &str) -> Result<Self, VersionError> {
        let text = |name: &str| {
            headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let peer_version = text(VERSION_HEADER);
        let Some(range) = text(PROTOCOL_HEADER) else {
            return Ok(Self { protocol: own.highest, peer_version });
        };
        let theirs: ProtocolRange = range.parse()?;
        let none = || {
            let version =
                peer_version.as_ref().map_or_else(String::new, |version| format!(" (version {version})"));
            VersionError::NoneInCommon { other: format!("{other}{version}"), theirs, own }
        };
        let protocol = own.common(theirs).ok_or_else(none)?;
        Ok(Self { protocol, peer_version })
    }
}

impl From<VersionError> for Status {
    fn from(error: VersionError) -> Self {
        Self::failed_precondition(error.to_string())
    }
}

/// Says what this program speaks.
pub(crate) fn announce(headers: &mut HeaderMap, own: ProtocolRange) {
    if let Ok(range) = HeaderValue::from_str(&own.to_string()) {
        headers.insert(PROTOCOL_HEADER, range);
    }
    headers.insert(VERSION_HEADER, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(lowest: u32, highest: u32) -> ProtocolRange {
        ProtocolRange::new(lowest, highest).expect("a range")
    }

    fn headers(protocol: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(PROTOCOL_HEADER, protocol.parse().unwrap());
        headers.insert(VERSION_HEADER, "9.9.9".parse().unwrap());
        headers
    }

    #[test]
    fn the_highest_common_version_is_used() {
        let negotiated = Negotiated::of_headers(&headers("2-5"), range(1, 3), "client").unwrap();
        assert_eq!(negotiated, Negotiated { protocol: 3, peer_version: Some("9.9.9".to_owned()) });
        let silent = Negotiated::of_headers(&HeaderMap::new(), range(1, 3), "client").unwrap();
        assert_eq!(silent, Negotiated { protocol: 3, peer_version: None });
    }

    #[test]
    fn without_a_common_one_both_ranges_are_named() {
        let error = Negotiated::of_headers(&headers("4-5"), range(1, 3), "client").unwrap_err();
        let text = "no common protocol version: the client (version 9.9.9) speaks 4-5, this side 1-3";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "1", "2-1", "0-1", "+1-2", "a-b", "1-99999999999", "1-2-3"] {
            assert!(text.parse::<ProtocolRange>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_common_version_is_in_both_ranges_and_the_same_from_both_sides(
            a in 1..20_u32, b in 0..20_u32, c in 1..20_u32, d in 0..20_u32,
        ) {
            let (one, other) = (range(a, a + b), range(c, c + d));
            prop_assert_eq!(one.common(other), other.common(one));
            let best = (1..50).rev().find(|v| (a..=a + b).contains(v) && (c..=c + d).contains(v));
            prop_assert_eq!(one.common(other), best);
        }
    }
}
