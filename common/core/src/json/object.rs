//! Objects whose members stay in their order, names and values as they came.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text;

/// The members of an object, those of equal names too.
#[derive(Debug)]
pub struct Object<'a>(Vec<Member<'a>>);

#[derive(Debug)]
struct Member<'a> {
    name: &'a RawValue,
    value: Cow<'a, RawValue>,
}

impl<'a> Object<'a> {
    /// # Errors
    /// When the text is no object.
    pub fn read(text: &'a RawValue) -> Result<Self, serde_json::Error> {
        let member = |(name, value)| Member { name, value: Cow::Borrowed(value) };
        Ok(Self(read_members(text)?.into_iter().map(member).collect()))
    }

    /// What the members are called: UTF-8, but for surrogates that stand alone.
    #[must_use]
    pub fn names(&self) -> HashSet<Cow<'a, [u8]>> {
        self.0.iter().filter_map(|member| text::string_bytes(member.name)).collect()
    }

    /// Takes out the members that are called one of `names`, in one pass. Of equal names the last value is answered.
    pub fn take(&mut self, names: &HashSet<&str>) -> HashMap<String, Cow<'a, RawValue>> {
        let mut taken = HashMap::with_capacity(names.len());
        self.0.retain_mut(|member| match text::string(member.name) {
            Some(name) if names.contains(&*name) => {
                taken.insert(name.into_owned(), member.value.clone());
                false
            }
            _ => true,
        });
        taken
    }

    /// The members with their names; one whose name is no Unicode text is left out.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Cow<'a, str>, &mut Cow<'a, RawValue>)> {
        self.0.iter_mut().filter_map(|member| Some((text::string(member.name)?, &mut member.value)))
    }

    /// The object as text.
    ///
    /// # Errors
    /// None, as long as names and values are the JSON texts that they are.
    pub fn to_raw(&self) -> Result<Box<RawValue>, serde_json::Error> {
        let members = self.0.iter().map(|member| (member.name, &*member.value));
        RawValue::from_string(format!("{{{}}}", joined(members)))
    }
}

/// `object` with further members at its beginning; what it has stays letter by letter. The caller sees to it that no
/// name is there twice.
///
/// # Errors
/// When `object` is no object.
pub fn with_members<'m>(
    object: &RawValue,
    members: impl IntoIterator<Item = (&'m str, &'m RawValue)>,
) -> Result<Box<RawValue>, serde_json::Error> {
    let members: Vec<(Box<RawValue>, &RawValue)> =
        members.into_iter().map(|(name, value)| (text::raw(name), value)).collect();
    let first = joined(members.iter().map(|(name, value)| (&**name, *value)));
    let rest = object.get().strip_prefix('{').unwrap_or_default();
    let comma = if first.is_empty() || rest.trim_start().starts_with('}') { "" } else { "," };
    RawValue::from_string(format!("{{{first}{comma}{rest}"))
}

fn joined<'m>(members: impl Iterator<Item = (&'m RawValue, &'m RawValue)>) -> String {
    let mut text = String::new();
    for (name, value) in members {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name.get());
        text.push(':');
        text.push_str(value.get());
    }
    text
}

/// Names and values of an object, in order and as they came.
pub(super) fn read_members(text: &RawValue) -> Result<Vec<(&RawValue, &RawValue)>, serde_json::Error> {
    serde_json::from_str::<Texts<'_>>(text.get()).map(|Texts(members)| members)
}

struct Texts<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Texts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries).map(Self)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(&'de RawValue, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn an_object_is_written_as_it_was_read() {
        let text = r#"{"z":1e400,"\u0061":"\ud800","a":[ 1 ],"\udc00":{}}"#;
        let mut object = Object::read(parse(text)).unwrap();
        assert_eq!(object.to_raw().unwrap().get(), text);
        assert_eq!(object.names().len(), 3);
        let names: Vec<String> = object.iter_mut().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["z", "a", "a"]);
        let taken = object.take(&HashSet::from(["a", "absent"]));
        assert_eq!((taken.len(), taken["a"].get()), (1, "[ 1 ]"));
        assert_eq!(object.to_raw().unwrap().get(), r#"{"z":1e400,"\udc00":{}}"#);
        assert!(Object::read(parse("[1]")).is_err());
    }

    #[test]
    fn members_come_before_those_that_are_there() {
        let one = parse("1.50");
        for (object, members, all) in [
            ("{ }", &["a"][..], r#"{"a":1.50 }"#),
            (r#"{ "b" : 2 }"#, &["a", "\"é"], r#"{"a":1.50,"\"é":1.50, "b" : 2 }"#),
            (r#"{"b":2}"#, &[], r#"{"b":2}"#),
            ("{}", &[], "{}"),
        ] {
            let with = with_members(parse(object), members.iter().map(|name| (*name, one))).unwrap();
            assert_eq!(with.get(), all);
        }
        assert!(with_members(parse("[1]"), [("a", one)]).is_err());
    }
}
