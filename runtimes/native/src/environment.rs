//! The environment of an action's process: what the proxy inherited, then what `/init` said, then what `/run` says.

use std::{
    collections::BTreeMap,
    ffi::{CString, OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use serde_json::value::RawValue;

/// A variable that no process can have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("environment variable {0:?} has a NUL byte or an unusable name")]
pub(crate) struct BadVariable(String);

/// Variables by name; what is set later wins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    pub(crate) fn new(inherited: &[(OsString, OsString)]) -> Self {
        Self(inherited.iter().cloned().collect())
    }

    pub(crate) fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(OsStr::new(name));
    }

    /// `NAME=value` strings as `execve` takes them.
    ///
    /// # Errors
    /// Names the first variable that cannot be passed on.
    pub(crate) fn to_c_strings(&self) -> Result<Vec<CString>, BadVariable> {
        self.0.iter().map(|(name, value)| c_string(name, value)).collect()
    }
}

fn c_string(name: &OsStr, value: &OsStr) -> Result<CString, BadVariable> {
    let bad = || BadVariable(name.to_string_lossy().into_owned());
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(bad());
    }
    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).map_err(|_| bad())
}

/// A JSON value as the text of a variable: a string's own characters, anything else as JSON.
pub(crate) fn variable_text(value: &RawValue) -> String {
    serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_values_win_and_keep_their_equals_signs() {
        let mut environment = Environment::new(&[("A".into(), "1".into()), ("B".into(), "2".into())]);
        environment.set("A", "x=y=z");
        let strings = environment.to_c_strings().unwrap();
        assert_eq!(strings, [c"A=x=y=z".to_owned(), c"B=2".to_owned()]);
    }

    #[test]
    fn impossible_variables_are_named() {
        for (name, value) in [("A=B", "x"), ("", "x"), ("N", "a\0b")] {
            let mut environment = Environment::default();
            environment.set(name, value);
            assert_eq!(environment.to_c_strings(), Err(BadVariable(name.to_owned())));
        }
    }

    #[test]
    fn values_that_are_no_strings_become_json() {
        let text = |json: &str| variable_text(&RawValue::from_string(json.to_owned()).unwrap());
        assert_eq!(text("\"a\\nb\""), "a\nb");
        assert_eq!(text("{\"a\":[1]}"), "{\"a\":[1]}");
        assert_eq!(text("12"), "12");
    }
}
