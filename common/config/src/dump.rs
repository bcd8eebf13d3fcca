//! `--dump-config`: every key in force, as a TOML file that could be given back.

use std::fmt;

use crate::fault::Origin;
use crate::setting::quoted;

/// What stands in a dump for a secret.
pub const REDACTED: &str = "<redacted>";

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    key: String,
    /// `None`: nothing is set and there is no default.
    literal: Option<String>,
    origin: Origin,
}

/// The values in force with the place each came from. Prints as TOML with dotted keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    lines: Vec<Line>,
}

impl Dump {
    pub(crate) fn add(&mut self, key: &str, literal: Option<String>, origin: Origin) {
        self.lines.push(Line { key: key.to_owned(), literal, origin });
    }

    pub(crate) fn add_secret(&mut self, key: &str, origin: Origin) {
        self.add(key, Some(quoted(REDACTED)), origin);
    }

    pub(crate) fn sort(&mut self) {
        self.lines.sort_by(|a, b| a.key.cmp(&b.key));
    }
}

/// Parts of a key that TOML does not take bare (a namespace may have an `@`) are quoted.
fn toml_key(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let part = |part: &str| {
        if !part.is_empty() && part.chars().all(is_bare) { part.to_owned() } else { quoted(part) }
    };
    key.split('.').map(part).collect::<Vec<_>>().join(".")
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { key, literal, origin } in &self.lines {
            match literal {
                Some(literal) => writeln!(f, "{} = {literal}  # {origin}", toml_key(key))?,
                None => writeln!(f, "# {} is not set", toml_key(key))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_names_where_values_came_from_and_hides_secrets() {
        let mut dump = Dump::default();
        dump.add_secret("whisk.users.me@here", Origin::File("x.toml".into()));
        dump.add("whisk.memory.max", Some(quoted("512 MB")), Origin::Default);
        dump.add("oxwhisk.users-file", None, Origin::Default);
        dump.sort();
        let expected = "# oxwhisk.users-file is not set\n\
                        whisk.memory.max = \"512 MB\"  # default\n\
                        whisk.users.\"me@here\" = \"<redacted>\"  # file 'x.toml'\n";
        assert_eq!(dump.to_string(), expected);
    }
}
