//! Types a key can have: how each reads from text and how a dump writes it.

use std::path::PathBuf;
use std::time::Duration;

use oxwhisk_core::size::ByteSize;

use crate::duration;

/// A type that configuration values can have.
pub trait Setting: Sized {
    /// Reads the text of a value, from whichever layer.
    ///
    /// # Errors
    /// A text for people that quotes the value and says what is expected.
    fn read(text: &str) -> Result<Self, String>;

    /// The value as a TOML literal that [`Setting::read`] understands.
    fn literal(&self) -> String;
}

/// `text` as a TOML string.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Setting for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn literal(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("a path must not be empty".to_owned()) } else { Ok(text.into()) }
    }

    fn literal(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Setting for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "true" | "on" | "yes" => Ok(true),
            "false" | "off" | "no" => Ok(false),
            _ => Err(format!("'{text}' is neither 'true' nor 'false'")),
        }
    }

    fn literal(&self) -> String {
        self.to_string()
    }
}

macro_rules! whole_number {
    ($($number:ty),*) => {$(
        impl Setting for $number {
            fn read(text: &str) -> Result<Self, String> {
                text.trim()
                    .parse()
                    .map_err(|_| format!("'{text}' is not a whole number from 0 to {}", <$number>::MAX))
            }

            fn literal(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

whole_number!(u16, u32, u64);

impl Setting for Duration {
    fn read(text: &str) -> Result<Self, String> {
        duration::parse(text).map_err(|error| error.to_string())
    }

    fn literal(&self) -> String {
        quoted(&duration::format(*self))
    }
}

impl Setting for ByteSize {
    /// A number without a unit counts bytes, as in HOCON.
    fn read(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        match trimmed.parse() {
            Ok(bytes) => Ok(Self::bytes(bytes)),
            Err(_) => {
                trimmed.parse().map_err(|_| format!("'{text}' is not a size such as '256 MB' or '48m'"))
            }
        }
    }

    fn literal(&self) -> String {
        quoted(&self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_read_back() {
        fn check<T: Setting + PartialEq + std::fmt::Debug>(text: &str, literal: &str) {
            let value = T::read(text).unwrap();
            assert_eq!(value.literal(), literal);
            assert_eq!(T::read(literal.trim_matches('"')), Ok(value));
        }
        check::<ByteSize>("2048m", "\"2048 MB\"");
        check::<ByteSize>("256 MB", "\"256 MB\"");
        check::<ByteSize>("1048576", "\"1048576 B\"");
        check::<Duration>("5m", "\"5 minutes\"");
        check::<bool>("on", "true");
        check::<u16>("3233", "3233");
        check::<PathBuf>("/a b", "\"/a b\"");
    }

    #[test]
    fn a_fault_quotes_the_value() {
        let text = |result: Result<u16, String>| result.unwrap_err();
        assert_eq!(text(u16::read("70000")), "'70000' is not a whole number from 0 to 65535");
        assert_eq!(bool::read("si").unwrap_err(), "'si' is neither 'true' nor 'false'");
        assert!(ByteSize::read("3 elephants").unwrap_err().starts_with("'3 elephants' is not a size"));
        assert_eq!(quoted("a\"b\\\n"), r#""a\"b\\\u000A""#);
    }
}
