//! One log line, from what an event and its spans carry. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::Level;

use super::LogFormat;

/// Everything a line shows.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) time: Timestamp,
    pub(crate) level: Level,
    pub(crate) target: &'a str,
    pub(crate) message: &'a str,
    pub(crate) transaction: Option<&'a str>,
    /// `controller_activation_finish:35:30`.
    pub(crate) marker: Option<&'a str>,
    /// Fields of the event first, then those of its spans from the innermost outwards; the first of a name counts.
    pub(crate) fields: &'a Map<String, Value>,
}

/// What OpenWhisk shows for work that belongs to no request.
const NO_TRANSACTION: &str = "sid_unknown";

impl Line<'_> {
    /// The line with its newline.
    pub(crate) fn render(&self, format: LogFormat, color: bool) -> Vec<u8> {
        match format {
            LogFormat::Text => self.text(color),
            LogFormat::Json => self.json(),
        }
        .into_bytes()
    }

    fn text(&self, color: bool) -> String {
        let (paint, plain) = if color { (color_of(self.level), "\x1b[0m") } else { ("", "") };
        let transaction = self.transaction.unwrap_or(NO_TRANSACTION);
        let mut out = format!("[{:.3}] [{paint}{}{plain}] [#tid_", self.time, self.level);
        push_escaped(&mut out, transaction);
        out.push_str("] [");
        out.push_str(self.target);
        out.push_str("] ");
        push_escaped(&mut out, self.message);
        for (name, value) in self.fields {
            out.push(' ');
            out.push_str(name);
            out.push('=');
            push_value(&mut out, value);
        }
        if let Some(marker) = self.marker {
            out.push_str(" [marker:");
            push_escaped(&mut out, marker);
            out.push(']');
        }
        out.push('\n');
        out
    }

    fn json(&self) -> String {
        let mut object = Map::new();
        object.insert("timestamp".to_owned(), format!("{:.3}", self.time).into());
        object.insert("level".to_owned(), self.level.as_str().into());
        object.insert("tid".to_owned(), self.transaction.unwrap_or(NO_TRANSACTION).into());
        object.insert("target".to_owned(), self.target.into());
        object.insert("message".to_owned(), self.message.into());
        if let Some(marker) = self.marker {
            object.insert("marker".to_owned(), marker.into());
        }
        for (name, value) in self.fields {
            // A field that is called like one of ours must not replace it.
            object.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let mut out = Value::Object(object).to_string();
        out.push('\n');
        out
    }
}

fn color_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    }
}

/// Texts with spaces are quoted so that fields can be told apart.
fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => push_escaped(out, text),
        // Writing to a string cannot fail.
        other => drop(write!(out, "{other}")),
    }
}

/// A client chooses parts of messages (names, its request id): line breaks and terminal codes in them must not pass
/// for lines or colours of ours.
fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line<'a>(message: &'a str, transaction: Option<&'a str>, fields: &'a Map<String, Value>) -> Line<'a> {
        let time = Timestamp::from_millisecond(1_704_067_200_007).expect("in range");
        Line {
            time,
            level: Level::INFO,
            target: "oxwhisk_invoker::pool",
            message,
            transaction,
            marker: None,
            fields,
        }
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    fn text(line: &Line<'_>) -> String {
        String::from_utf8(line.render(LogFormat::Text, false)).expect("UTF-8")
    }

    #[test]
    fn text_has_the_shape_of_openwhisk() {
        let fields = object(json!({"container": "wsk0_1", "reason": "too old", "count": 3, "none": ""}));
        assert_eq!(
            text(&line("removed", Some("abc"), &fields)),
            "[2024-01-01T00:00:00.007Z] [INFO] [#tid_abc] [oxwhisk_invoker::pool] removed container=wsk0_1 count=3 \
             none=\"\" reason=\"too old\"\n"
        );
        let none = Map::new();
        assert!(text(&line("up", None, &none)).contains("] [#tid_sid_unknown] ["));
    }

    #[test]
    fn a_marker_is_last_and_in_brackets() {
        let fields = object(json!({"code": 3}));
        let marked =
            Line { marker: Some("invoker_activationRun_finish:35:30"), ..line("", Some("abc"), &fields) };
        let shown = text(&marked);
        assert!(shown.ends_with("]  code=3 [marker:invoker_activationRun_finish:35:30]\n"), "{shown}");
        let read: Value = serde_json::from_slice(&marked.render(LogFormat::Json, false)).expect("JSON");
        assert_eq!(read["marker"], "invoker_activationRun_finish:35:30");
    }

    #[test]
    fn nobody_can_forge_a_line() {
        let fields = object(json!({"name": "a\nb"}));
        let text = text(&line("one\n[2024] two\x1b[31m", Some("x\r\ny"), &fields));
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains("[#tid_x\\r\\ny]") && text.contains("one\\n[2024] two\\u{1b}[31m name=a\\nb"),
            "{text}"
        );
    }

    #[test]
    fn json_keeps_types_and_its_own_members() {
        let fields = object(json!({"count": 3, "level": "mine", "text": "a \"b\""}));
        let rendered = line("hi", Some("abc"), &fields).render(LogFormat::Json, true);
        let read: Value = serde_json::from_slice(&rendered).expect("JSON");
        let expected = json!({"timestamp": "2024-01-01T00:00:00.007Z", "level": "INFO", "tid": "abc",
            "target": "oxwhisk_invoker::pool", "message": "hi", "count": 3, "text": "a \"b\""});
        assert_eq!(read, expected);
        assert_eq!(rendered.iter().filter(|byte| **byte == b'\n').count(), 1);
    }

    #[test]
    fn only_the_level_is_coloured() {
        let none = Map::new();
        let colored = String::from_utf8(line("m", None, &none).render(LogFormat::Text, true)).expect("UTF-8");
        assert!(colored.contains("[\x1b[32mINFO\x1b[0m]"), "{colored}");
        assert_eq!(colored.matches('\x1b').count(), 2);
    }
}
