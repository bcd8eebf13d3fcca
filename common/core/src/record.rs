//! Where records of activations come from, and which of several of one activation is kept.

use std::fmt;
use std::str::FromStr;

use crate::entity::Activation;

/// Why there is a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// What the run gave, also where the platform failed it.
    Result,
    /// It may have run, is not to run twice, and nobody has its result.
    Lost,
    /// It began as often as it may and never came to an end.
    Exhausted,
}

impl RecordKind {
    const WORDS: [(Self, &'static str); 3] =
        [(Self::Result, "result"), (Self::Lost, "lost"), (Self::Exhausted, "exhausted")];

    /// For forms in bytes.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Result => 0,
            Self::Lost => 1,
            Self::Exhausted => 2,
        }
    }

    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Result),
            1 => Some(Self::Lost),
            2 => Some(Self::Exhausted),
            _ => None,
        }
    }
}

/// Where a record comes from. A run may hand its record over twice: first without logs, then with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordOrigin {
    pub kind: RecordKind,
    /// Names the run: where it ran, and which life of that invoker, for example. Different for every run.
    pub run: u64,
    /// Grows with what one run adds to its record.
    pub version: u32,
}

impl RecordOrigin {
    /// Of a record that `run` gave. Its version follows from what it holds and not from when it is handed over: a
    /// record without logs that is handed over late, or once more, must not take the place of the one with them.
    #[must_use]
    pub fn of(kind: RecordKind, run: u64, record: &Activation) -> Self {
        Self { kind, run, version: if record.logs.is_empty() { 1 } else { 2 } }
    }

    /// Whether this record takes the place of `old`, which was durable before it. The first durable record is the
    /// client's view and stays, except that the same run may complete its own: a loss never hides a result, and a result
    /// never changes what a client has read.
    #[must_use]
    pub fn completes(&self, old: &Self) -> bool {
        let are_results = self.kind == RecordKind::Result && old.kind == RecordKind::Result;
        are_results && old.run == self.run && self.version > old.version
    }
}

/// `result:00000000000000ff:2`, for databases that keep JSON, whose numbers have no 64 bits.
impl fmt::Display for RecordOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = RecordKind::WORDS.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, word)| word);
        write!(f, "{word}:{:016x}:{}", self.run, self.version)
    }
}

/// A text that names no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not where a record comes from")]
pub struct NotAnOrigin;

impl FromStr for RecordOrigin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or(NotAnOrigin);
        let (word, run, version) = (part()?, part()?, part()?);
        let (kind, _) = RecordKind::WORDS.iter().find(|(_, known)| *known == word).ok_or(NotAnOrigin)?;
        let origin = Self {
            kind: *kind,
            run: u64::from_str_radix(run, 16).map_err(|_| NotAnOrigin)?,
            version: version.parse().map_err(|_| NotAnOrigin)?,
        };
        if parts.next().is_some() { Err(NotAnOrigin) } else { Ok(origin) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn record(kind: RecordKind, run: u64, version: u32) -> RecordOrigin {
        RecordOrigin { kind, run, version }
    }

    #[test]
    fn the_first_record_stays_unless_its_own_run_completes_it() {
        let first = record(RecordKind::Result, 1, 1);
        assert!(record(RecordKind::Result, 1, 2).completes(&first));
        for other in [
            record(RecordKind::Result, 1, 1),
            record(RecordKind::Result, 1, 0),
            record(RecordKind::Result, 2, 9),
            record(RecordKind::Lost, 0, 9),
            record(RecordKind::Lost, 1, 9),
            record(RecordKind::Exhausted, 1, 9),
        ] {
            assert!(!other.completes(&first), "{other}");
        }
        let lost = record(RecordKind::Lost, 1, 0);
        assert!(!first.completes(&lost));
        assert!(!record(RecordKind::Lost, 1, 1).completes(&lost));
    }

    #[test]
    fn an_origin_reads_as_it_was_written() {
        for (origin, text) in [
            (record(RecordKind::Result, 255, 2), "result:00000000000000ff:2"),
            (record(RecordKind::Lost, u64::MAX, u32::MAX), "lost:ffffffffffffffff:4294967295"),
            (record(RecordKind::Exhausted, 0, 0), "exhausted:0000000000000000:0"),
        ] {
            assert_eq!(origin.to_string(), text);
            assert_eq!(text.parse(), Ok(origin));
            assert_eq!(RecordKind::from_code(origin.kind.code()), Some(origin.kind));
        }
        for none in ["", "result", "result:ff", "result:xx:1", "result:ff:-1", "result:ff:1:", "gone:ff:1"] {
            assert_eq!(none.parse::<RecordOrigin>(), Err(NotAnOrigin), "{none}");
        }
        assert_eq!(RecordKind::from_code(3), None);
    }
}
