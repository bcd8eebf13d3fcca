//! Parts of a whole.

use oxwhisk_config::{Setting, setting};

/// A part of the fleet from none to all, `90%` or `0.9` as OpenWhisk writes them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FractionSetting(pub f64);

impl Setting for FractionSetting {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a part of the fleet: '90%' or '0.9'");
        let (number, whole) = match text.trim().strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (text, 1.0),
        };
        let part = number.trim().parse::<f64>().map_err(|_| wrong())? / whole;
        if (0.0..=1.0).contains(&part) { Ok(Self(part)) } else { Err(wrong()) }
    }

    fn literal(&self) -> String {
        setting::quoted(&format!("{}%", (self.0 * 10_000.0).round() / 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_read_as_openwhisk_writes_them() {
        for (text, part) in [("90%", 0.9), ("0.9", 0.9), (" 10 % ", 0.1), ("0", 0.0), ("1", 1.0)] {
            assert!((FractionSetting::read(text).map(|read| read.0).unwrap() - part).abs() < 1e-9, "{text}");
        }
        for text in ["", "x", "101%", "-0.1", "90", "NaN"] {
            assert!(FractionSetting::read(text).is_err(), "{text}");
        }
        assert_eq!(FractionSetting(0.9).literal(), "\"90%\"");
    }
}
