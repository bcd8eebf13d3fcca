//! What an action gets whose author says nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::CacheScope;

/// What actions without the annotation `cache` get: `false`, or a scope. `true` is the scope that `cache: true` has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Form", try_from = "Form")]
pub enum CacheDefault {
    #[default]
    Nothing,
    Scope(CacheScope),
}

/// In JSON: a flag or a scope's name.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "the default of the cache is true, false, 'action', 'package' or 'namespace'")]
enum Form {
    Flag(bool),
    Text(String),
}

/// The text is none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither 'true', 'false', 'action', 'package' nor 'namespace'")]
pub struct CacheDefaultError(String);

impl CacheDefault {
    #[must_use]
    pub const fn scope(self) -> Option<CacheScope> {
        match self {
            Self::Nothing => None,
            Self::Scope(scope) => Some(scope),
        }
    }
}

impl FromStr for CacheDefault {
    type Err = CacheDefaultError;

    fn from_str(text: &str) -> Result<Self, CacheDefaultError> {
        match text {
            "false" => Ok(Self::Nothing),
            "true" => Ok(Self::Scope(CacheScope::default())),
            _ => CacheScope::named(text).map(Self::Scope).ok_or_else(|| CacheDefaultError(text.to_owned())),
        }
    }
}

impl fmt::Display for CacheDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scope().map_or("false", CacheScope::as_str))
    }
}

impl From<CacheDefault> for Form {
    fn from(default: CacheDefault) -> Self {
        match default {
            CacheDefault::Nothing => Self::Flag(false),
            CacheDefault::Scope(scope) => Self::Text(scope.as_str().to_owned()),
        }
    }
}

impl TryFrom<Form> for CacheDefault {
    type Error = CacheDefaultError;

    fn try_from(form: Form) -> Result<Self, CacheDefaultError> {
        match form {
            Form::Flag(false) => Ok(Self::Nothing),
            Form::Flag(true) => Ok(Self::Scope(CacheScope::default())),
            Form::Text(text) => text.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn flags_and_scopes_are_read_and_written() {
        let package = CacheDefault::Scope(CacheScope::Package);
        let action = CacheDefault::Scope(CacheScope::Action);
        for (value, default, written) in [
            (json!(false), CacheDefault::Nothing, json!(false)),
            (json!(true), action, json!("action")),
            (json!("action"), action, json!("action")),
            (json!("package"), package, json!("package")),
        ] {
            assert_eq!(serde_json::from_value::<CacheDefault>(value.clone()).unwrap(), default, "{value}");
            assert_eq!(serde_json::to_value(default).unwrap(), written);
            assert_eq!(default.to_string().parse(), Ok(default));
        }
        assert_eq!("true".parse(), Ok(action));
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let refusal = |value: Value| serde_json::from_value::<CacheDefault>(value).unwrap_err().to_string();
        assert!(refusal(json!("all")).contains("'all' is neither 'true', 'false', 'action'"));
        assert!(refusal(json!(1)).contains("the default of the cache is true, false,"));
    }
}
