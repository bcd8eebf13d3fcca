//! Objects of which only the outermost members are looked at.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::object::read_members;
use super::text;
use crate::Malformed;

/// The members of an object, their values as they came. Of equal names the last wins; a name that is no Unicode text can
/// be nobody's question and is left out.
#[derive(Debug, Default)]
pub struct Members<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Members<'a> {
    /// # Errors
    /// When `value` is no object.
    pub fn read(value: &'a RawValue) -> Result<Self, Malformed> {
        let members = read_members(value).map_err(|_| Malformed::new("JSON object expected"))?;
        let named = |(name, value)| Some((text::string(name)?, value));
        Ok(Self(members.into_iter().filter_map(named).collect()))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of the alphabet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(AsRef::as_ref)
    }

    /// The member's value, `null` too.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    /// The member's value where it is there and not `null`.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }

    /// Those of the named members that are there.
    #[must_use]
    pub fn selected<'n>(&self, names: &[&'n str]) -> BTreeMap<&'n str, &'a RawValue> {
        names.iter().filter_map(|name| self.get(name).map(|value| (*name, value))).collect()
    }

    /// The member's text, where it is one.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        text::string(self.get(name)?)
    }

    /// The member's value, where it is `true` or `false`.
    #[must_use]
    pub fn boolean(&self, name: &str) -> Option<bool> {
        text::boolean(self.get(name)?)
    }

    /// The member's value, where it is a whole number that fits.
    #[must_use]
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.get().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stay_as_they_came_and_the_last_of_equal_ones_wins() {
        let raw: &RawValue =
            serde_json::from_str(r#"{"a":1,"b":1e400,"a":"\ud800","c":null,"\u0064":"é"}"#).unwrap();
        let members = Members::read(raw).unwrap();
        assert_eq!(members.get("a").unwrap().get(), r#""\ud800""#);
        assert_eq!(members.get("b").unwrap().get(), "1e400");
        assert_eq!((members.get("c").map(RawValue::get), members.given("c").is_none()), (Some("null"), true));
        assert_eq!((members.string("d").as_deref(), members.string("a")), (Some("é"), None));
        assert!(members.get("e").is_none());
    }

    #[test]
    fn values_are_read_as_what_they_are() {
        let raw: &RawValue = serde_json::from_str(r#"{"t":true,"s":"true","n":-5,"f":1.0}"#).unwrap();
        let members = Members::read(raw).unwrap();
        assert_eq!((members.boolean("t"), members.boolean("s")), (Some(true), None));
        assert_eq!((members.number::<i64>("n"), members.number::<u64>("n")), (Some(-5), None));
        assert_eq!((members.number::<u64>("f"), members.number::<u64>("s")), (None, None));
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for text in ["[{}]", "1", "null", r#""{""#] {
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            assert_eq!(Members::read(raw).unwrap_err().to_string(), "JSON object expected", "{text}");
        }
        let raw: &RawValue = serde_json::from_str(r#"{"\ud800":1}"#).unwrap();
        assert!(Members::read(raw).unwrap().is_empty());
    }
}
