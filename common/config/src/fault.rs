//! What is wrong with a configuration, and where it came from.

use std::fmt;
use std::path::PathBuf;

/// The layer that gave a value, lowest first: a later one wins over an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Built in.
    Default,
    File(PathBuf),
    /// Name of the environment variable.
    Environment(String),
    /// The flag as a user writes it, for example `--port`.
    Flag(&'static str),
}

impl Origin {
    /// Whether both are of the same layer, so that neither wins over the other.
    #[must_use]
    pub fn same_layer(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file '{}'", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// One thing that is wrong. Prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub origin: Origin,
    /// The key it is about; `None` when the place as a whole is at fault (an unreadable file).
    pub key: Option<String>,
    pub message: String,
}

impl Fault {
    /// A fault of a place as a whole.
    pub fn of_place(origin: Origin, message: impl Into<String>) -> Self {
        Self { origin, key: None, message: message.into() }
    }

    pub fn of_key(origin: Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin, key: Some(key.into()), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = one_line(&self.message);
        match &self.key {
            Some(key) => write!(f, "{}: {key}: {message}", self.origin),
            None => write!(f, "{}: {message}", self.origin),
        }
    }
}

/// Parsers like to draw their errors over several lines, with the source and a marker under it; those lines carry a
/// gutter (`|`) and are left out, the rest is joined.
fn one_line(message: &str) -> String {
    let is_drawing = |line: &&str| {
        let line = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
        line.trim_start().starts_with('|')
    };
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() <= 1 {
        return lines.concat();
    }
    lines.into_iter().filter(|line| !is_drawing(line)).collect::<Vec<_>>().join(": ")
}

/// Everything that is wrong; never empty. Prints one fault a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn of(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_line_whatever_the_parser_says() {
        let drawn =
            "TOML parse error at line 1, column 5\n  |\n1 | a = |\n  |     ^\nstring values must be quoted\n";
        let fault = Fault::of_place(Origin::File("x.toml".into()), drawn);
        assert_eq!(
            fault.to_string(),
            "file 'x.toml': TOML parse error at line 1, column 5: string values must be quoted"
        );
    }

    #[test]
    fn later_layers_order_after_earlier_ones() {
        let flag = Origin::Flag("--a");
        let variable = Origin::Environment("Z".to_owned());
        let file = Origin::File("z".into());
        assert!(Origin::Default < file && file < variable && variable < flag);
        assert!(file.same_layer(&Origin::File("other".into())) && !file.same_layer(&flag));
    }
}
