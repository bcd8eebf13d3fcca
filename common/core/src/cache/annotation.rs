//! The annotation `cache` of an action, and of a binding.

use serde_json::value::RawValue;

use super::{CacheRights, CacheScope, CacheTier};
use crate::json::{self, Members};
use crate::parameters::Parameters;

const CACHE: &str = "cache";
const MEMBERS: [&str; 4] = ["scope", "tier", "rights", "required"];
/// Characters of a value that an error shows: an annotation may be as long as a megabyte, and errors come into records.
const SHOWN: usize = 64;

/// What an annotation asks for. What cannot be understood is no fault of the `PUT` that brought it: an action may have used the
/// name for something else before there was a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CacheAnnotation {
    /// There is none.
    #[default]
    Absent,
    /// `false`: no cache, also where it would be given unasked.
    Declined,
    Wanted(CacheWish),
    Malformed {
        /// For its author; names what is wrong.
        reason: String,
        /// So much of it could be understood.
        required: bool,
    },
}

/// What is asked for. `true` is the default of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheWish {
    pub scope: CacheScope,
    pub tier: CacheTier,
    pub rights: CacheRights,
    /// Without the cache it does not run.
    pub required: bool,
}

impl CacheAnnotation {
    /// Reads it from among the others.
    #[must_use]
    pub fn of(annotations: &Parameters) -> Self {
        annotations.get(CACHE).map_or(Self::Absent, Self::read)
    }

    fn read(value: &RawValue) -> Self {
        let malformed = |reason| Self::Malformed { reason, required: false };
        if let Some(wanted) = json::boolean(value) {
            return if wanted { Self::Wanted(CacheWish::default()) } else { Self::Declined };
        }
        if let Some(text) = json::string(value) {
            return match CacheScope::named(&text) {
                Some(scope) => Self::Wanted(CacheWish { scope, ..CacheWish::default() }),
                None => malformed(format!(
                    "the annotation 'cache' is {}, which is no scope: {SCOPES}",
                    shown(value)
                )),
            };
        }
        let Ok(members) = Members::read(value) else {
            let reason = format!(
                "the annotation 'cache' is {}, neither true, false, a scope nor an object",
                shown(value)
            );
            return malformed(reason);
        };
        match wish(&members) {
            Ok(wish) => Self::Wanted(wish),
            Err(reason) => Self::Malformed { reason, required: members.boolean("required").unwrap_or(false) },
        }
    }
}

const SCOPES: &str = "'action', 'package' or 'namespace'";

/// # Errors
/// Names the member that is unknown or has an unknown value.
fn wish(members: &Members<'_>) -> Result<CacheWish, String> {
    if let Some(unknown) = members.names().find(|name| !MEMBERS.contains(name)) {
        return Err(format!("the annotation 'cache' has the unknown member '{}'", cut(unknown)));
    }
    Ok(CacheWish {
        scope: choice(members, "scope", SCOPES, CacheScope::named)?,
        tier: choice(members, "tier", "'local' or 'global'", |text| match text {
            "local" => Some(CacheTier::Local),
            "global" => Some(CacheTier::Global),
            _ => None,
        })?,
        rights: choice(members, "rights", "'read' or 'write'", |text| match text {
            "read" => Some(CacheRights::Read),
            "write" => Some(CacheRights::Write),
            _ => None,
        })?,
        required: match members.given("required") {
            None => false,
            Some(value) => {
                json::boolean(value).ok_or_else(|| not_one_of("required", value, "true or false"))?
            }
        },
    })
}

/// A member that is one of few texts, or absent.
fn choice<T: Default>(
    members: &Members<'_>,
    name: &str,
    choices: &str,
    named: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let Some(value) = members.given(name) else { return Ok(T::default()) };
    json::string(value).and_then(|text| named(&text)).ok_or_else(|| not_one_of(name, value, choices))
}

fn not_one_of(name: &str, value: &RawValue, choices: &str) -> String {
    format!("the annotation 'cache' has {name} {}: it is {choices}", shown(value))
}

fn shown(value: &RawValue) -> String {
    cut(value.get())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> CacheAnnotation {
        CacheAnnotation::read(serde_json::from_str(text).unwrap())
    }

    fn wanted(scope: CacheScope, tier: CacheTier, rights: CacheRights, required: bool) -> CacheAnnotation {
        CacheAnnotation::Wanted(CacheWish { scope, tier, rights, required })
    }

    #[test]
    fn every_form_is_understood() {
        use CacheRights::{Read, Write};
        use CacheScope::{Action, Namespace, Package};
        use CacheTier::{Global, Local};
        for (text, expected) in [
            ("false", CacheAnnotation::Declined),
            ("true", wanted(Action, Local, Write, false)),
            (r#""action""#, wanted(Action, Local, Write, false)),
            (r#""package""#, wanted(Package, Local, Write, false)),
            (r#""namespace""#, wanted(Namespace, Local, Write, false)),
            ("{}", wanted(Action, Local, Write, false)),
            (r#"{"scope": null, "required": null}"#, wanted(Action, Local, Write, false)),
            (r#"{"tier": "global"}"#, wanted(Action, Global, Write, false)),
            (r#"{"tier": "local", "rights": "write"}"#, wanted(Action, Local, Write, false)),
            (
                r#"{"scope": "package", "tier": "global", "rights": "read", "required": true}"#,
                wanted(Package, Global, Read, true),
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, reason, required) in [
            ("null", "is null, neither true, false, a scope nor an object", false),
            ("1", "is 1, neither true, false, a scope nor an object", false),
            (r#"["action"]"#, r#"is ["action"], neither"#, false),
            (r#""Action""#, r#"is "Action", which is no scope: 'action', 'package' or 'namespace'"#, false),
            (r#""true""#, r#"is "true", which is no scope"#, false),
            (r#""\ud800""#, r#"is "\ud800", neither"#, false),
            (r#"{"ttl": 5}"#, "has the unknown member 'ttl'", false),
            (r#"{"ttl": 5, "required": true}"#, "has the unknown member 'ttl'", true),
            (r#"{"scope": "all"}"#, r#"has scope "all": it is 'action', 'package' or 'namespace'"#, false),
            (r#"{"scope": true, "required": true}"#, "has scope true: it is", true),
            (r#"{"tier": "far"}"#, r#"has tier "far": it is 'local' or 'global'"#, false),
            (r#"{"rights": []}"#, "has rights []: it is 'read' or 'write'", false),
            (r#"{"required": "yes"}"#, r#"has required "yes": it is true or false"#, false),
        ] {
            let CacheAnnotation::Malformed { reason: said, required: needed } = read(text) else {
                panic!("understood: {text}")
            };
            assert!(said.starts_with("the annotation 'cache' ") && said.contains(reason), "{text}: {said}");
            assert_eq!(needed, required, "{text}");
        }
    }

    #[test]
    fn a_long_value_is_not_shown_whole() {
        let text = format!("{{\"scope\": \"{}\"}}", "é".repeat(100_000));
        let CacheAnnotation::Malformed { reason, .. } = read(&text) else { panic!("understood") };
        assert!(reason.contains("ééé...") && reason.chars().count() < 160, "{reason}");
    }

    #[test]
    fn it_is_found_among_others() {
        let list: &RawValue =
            serde_json::from_str(r#"[{"key": "a", "value": 1}, {"key": "cache", "value": true}]"#).unwrap();
        let annotations = Parameters::from_json(list).unwrap();
        assert_eq!(CacheAnnotation::of(&annotations), read("true"));
        assert_eq!(CacheAnnotation::of(&Parameters::new()), CacheAnnotation::Absent);
    }
}
