//! Sizes in bytes, remembered with the unit they were given in.

use std::fmt;
use std::str::FromStr;

use crate::as_text::serde_as_text;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    B,
    KB,
    MB,
    GB,
}

impl Unit {
    const fn bytes(self) -> u64 {
        match self {
            Self::B => 1,
            Self::KB => 1 << 10,
            Self::MB => 1 << 20,
            Self::GB => 1 << 30,
        }
    }
}

/// A size such as `256 MB`. Units are powers of 1024; the text form keeps the unit it was made with.
#[derive(Clone, Copy, Debug)]
pub struct ByteSize {
    amount: u64,
    unit: Unit,
}

/// The text is not a number with one of the units `B`, `K`, `KB`, `M`, `MB`, `G`, `GB` (any case).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a size such as '256 MB' (units B, KB, MB, GB)")]
pub struct ByteSizeError(String);

impl ByteSize {
    #[must_use]
    pub const fn bytes(amount: u64) -> Self {
        Self { amount, unit: Unit::B }
    }

    #[must_use]
    pub const fn mb(amount: u64) -> Self {
        Self { amount, unit: Unit::MB }
    }

    #[must_use]
    pub const fn as_bytes(self) -> u64 {
        self.amount.saturating_mul(self.unit.bytes())
    }

    /// Whole megabytes, rounded down.
    #[must_use]
    pub const fn as_mb(self) -> u64 {
        self.as_bytes() >> 20
    }
}

impl PartialEq for ByteSize {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ByteSize {}

impl PartialOrd for ByteSize {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByteSize {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(&other.as_bytes())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.amount, self.unit)
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let error = || ByteSizeError(text.to_owned());
        let trimmed = text.trim();
        let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = trimmed.split_at(digits);
        let unit = match unit.trim().to_ascii_uppercase().as_str() {
            "B" => Unit::B,
            "K" | "KB" => Unit::KB,
            "M" | "MB" => Unit::MB,
            "G" | "GB" => Unit::GB,
            _ => return Err(error()),
        };
        let amount: u64 = number.parse().map_err(|_| error())?;
        amount.checked_mul(unit.bytes()).ok_or_else(error)?;
        Ok(Self { amount, unit })
    }
}

serde_as_text!(ByteSize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_the_unit_they_came_in() {
        for (text, bytes, shown) in [
            ("256 MB", 256 << 20, "256 MB"),
            ("1m", 1 << 20, "1 MB"),
            (" 5 K ", 5120, "5 KB"),
            ("7b", 7, "7 B"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.as_bytes(), size.to_string().as_str()), (bytes, shown));
        }
        for bad in ["", "MB", "1", "-1 MB", "1.5 MB", "1 TB", "99999999999999999999 B", "99999999999999 GB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
        assert_eq!(ByteSize::mb(1), ByteSize::bytes(1 << 20));
    }
}
