//! Fields of spans and events, kept in the form in which a line needs them.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

/// The field that ties all lines of one request together.
const TRANSACTION: &str = "tid";
const MESSAGE: &str = "message";
/// What OpenWhisk puts at the end of a line when a step begins or ends: see `oxwhisk_trace`.
const MARKER: &str = "marker";

/// What one span or event carries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pub(crate) message: String,
    pub(crate) transaction: Option<String>,
    pub(crate) marker: Option<String>,
    pub(crate) others: Map<String, Value>,
}

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        match field.name() {
            MESSAGE => self.message = text(value),
            TRANSACTION => self.transaction = Some(text(value)),
            MARKER => self.marker = Some(text(value)),
            name => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        self.set(field, text.into());
    }
}
