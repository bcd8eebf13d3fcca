//! Forms that earlier versions of OpenWhisk wrote, turned into those of today when they are read. What is written today
//! stays letter by letter.

use std::borrow::Cow;

use oxwhisk_core::json::{Object, raw, string};
use oxwhisk_store::Collection;
use serde_json::json;
use serde_json::value::RawValue;

/// The body of an entity.
pub(crate) fn entity(collection: Collection, body: Box<RawValue>) -> Box<RawValue> {
    match collection {
        Collection::Rules => changed(body, &[("trigger", reference), ("action", reference)]),
        Collection::Actions | Collection::Triggers | Collection::Packages => body,
    }
}

/// The body of an activation record.
pub(crate) fn activation(body: Box<RawValue>) -> Box<RawValue> {
    changed(body, &[("start", milliseconds), ("end", milliseconds)])
}

/// Gives a member another value, or leaves it.
type Change = fn(&RawValue) -> Option<Box<RawValue>>;

fn changed(body: Box<RawValue>, changes: &[(&str, Change)]) -> Box<RawValue> {
    let Ok(mut object) = Object::read(&body) else { return body };
    let mut any = false;
    for (name, value) in object.iter_mut() {
        let change = changes.iter().find(|(member, _)| *member == name);
        if let Some(new) = change.and_then(|(_, change)| change(value)) {
            *value = Cow::Owned(new);
            any = true;
        }
    }
    let text = if any { object.to_raw().ok() } else { None };
    text.unwrap_or(body)
}

/// Rules once named trigger and action by one string, `/namespace/[package/]name`, with or without its first slash.
fn reference(value: &RawValue) -> Option<Box<RawValue>> {
    let text = string(value)?;
    let (path, name) = text.strip_prefix('/').unwrap_or(&text).rsplit_once('/')?;
    Some(raw(&json!({ "path": path, "name": name })))
}

/// Times were texts of ISO 8601.
fn milliseconds(value: &RawValue) -> Option<Box<RawValue>> {
    let time: jiff::Timestamp = string(value)?.parse().ok()?;
    Some(raw(&time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn rules_that_name_by_strings_become_rules_that_name_by_objects() {
        let old = text(r#"{"name":"r","trigger":"/ns/t","action":"ns/p/a","x":1.50}"#);
        let expected =
            r#"{"name":"r","trigger":{"name":"t","path":"ns"},"action":{"name":"a","path":"ns/p"},"x":1.50}"#;
        assert_eq!(entity(Collection::Rules, old).get(), expected);
        for kept in [r#"{"trigger":{"path":"ns","name":"t"},"action":"a"}"#, "[1]"] {
            assert_eq!(entity(Collection::Rules, text(kept)).get(), kept);
        }
        let action = r#"{"trigger":"/ns/t"}"#;
        assert_eq!(entity(Collection::Actions, text(action)).get(), action);
    }

    #[test]
    fn dates_become_milliseconds() {
        let old = text(r#"{"start":"2016-05-04T10:20:30.123Z","end":"1970-01-01T00:00:00Z","logs":[]}"#);
        assert_eq!(activation(old).get(), r#"{"start":1462357230123,"end":0,"logs":[]}"#);
        for kept in [r#"{"start":5,"end":"x"}"#, "{}"] {
            assert_eq!(activation(text(kept)).get(), kept);
        }
    }
}
