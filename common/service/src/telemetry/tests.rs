//! Whole lines, from the macro to the sink.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;

#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write")]
struct Outer(#[source] io::Error);

/// What `work` logs.
fn logged(config: &LogConfig, work: impl FnOnce(&FilterHandle)) -> String {
    let memory = Memory::default();
    let (telemetry, subscriber) = Telemetry::assemble(config, memory.clone()).expect("valid");
    tracing::subscriber::with_default(subscriber, || work(&telemetry.filter()));
    drop(telemetry);
    let bytes = memory.0.lock().expect("not poisoned").clone();
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn lines_carry_the_transaction_and_the_fields_of_their_spans() {
    let text = logged(&LogConfig::default(), |_| {
        let request =
            tracing::info_span!("request", tid = "abc", namespace = "guest", action = tracing::field::Empty);
        let _request = request.enter();
        request.record("action", "hello");
        let _inner = tracing::info_span!("run", activation_id = 5, namespace = "inner").entered();
        tracing::warn!(target: "oxwhisk_test", code = 7, "it {}", "failed");
    });
    let (_, rest) = text.split_once("] ").expect("a time in brackets");
    assert_eq!(
        rest,
        "[WARN] [#tid_abc] [oxwhisk_test] it failed action=hello activation_id=5 code=7 namespace=inner\n"
    );
}

#[test]
fn markers_are_shown_where_the_filter_wants_them() {
    let filter = "info,marker=debug".to_owned();
    let text = logged(&LogConfig { filter, ..LogConfig::default() }, |filter| {
        let _request = tracing::info_span!("request", tid = "abc").entered();
        tracing::debug!(target: "marker", marker = "controller_kafka_finish:5:3", "");
        tracing::debug!("hidden");
        filter.set("info").expect("a filter");
        tracing::debug!(target: "marker", marker = "hidden", "");
    });
    let (_, rest) = text.split_once("] ").expect("a time in brackets");
    assert_eq!(rest, "[DEBUG] [#tid_abc] [marker]  [marker:controller_kafka_finish:5:3]\n");
}

#[test]
fn the_filter_changes_while_running() {
    let text = logged(&LogConfig::default(), |filter| {
        tracing::debug!("hidden");
        filter.set("debug").expect("a filter");
        tracing::debug!("shown");
        assert!(filter.set("loud=very").is_err());
        assert_eq!(filter.get().as_deref(), Some("debug"));
        filter.set("off").expect("a filter");
        tracing::error!("hidden");
    });
    assert!(text.ends_with("shown\n") && text.lines().count() == 1, "{text}");
}

#[test]
fn json_lines_are_objects_with_the_chain_of_an_error() {
    let config = LogConfig { format: LogFormat::Json, ..LogConfig::default() };
    let text = logged(&config, |_| {
        let error = Outer(io::Error::other("disk full"));
        tracing::error!(error = &error as &dyn std::error::Error, "stopped");
    });
    let line: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(line["message"], "stopped");
    assert_eq!(line["error"], "cannot write: disk full");
}

#[test]
fn a_panic_is_a_line() {
    let text = logged(&LogConfig::default(), |_| {
        crate::panic::log_panics();
        let caught = std::panic::catch_unwind(|| panic!("on {}", "purpose"));
        drop(std::panic::take_hook());
        assert!(caught.is_err());
    });
    assert!(text.contains("[ERROR] [#tid_sid_unknown] [panic] panicked: on purpose location="), "{text}");
}

#[test]
fn formats_are_read_by_name() {
    assert_eq!("json".parse(), Ok(LogFormat::Json));
    assert_eq!("xml".parse::<LogFormat>(), Err("'xml' is neither 'text' nor 'json'".to_owned()));
}
