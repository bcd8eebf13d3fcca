//! Log lines: what is logged, in which shape, and how it gets to stderr without holding the service up.

mod fields;
mod layer;
mod line;
mod writer;

use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use layer::LogLayer;
use writer::LineWriter;

/// Shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `[2024-01-01T00:00:00.000Z] [INFO] [#tid_<id>] [target] message`, as OpenWhisk writes it.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("'{text}' is neither 'text' nor 'json'")),
        }
    }
}

/// How a service logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A level, or levels by module: `info`, `warn,oxwhisk_invoker=debug`.
    pub filter: String,
    pub format: LogFormat,
    /// Colours the level; text only.
    pub color: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text, color: false }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("'{0}' is not a log filter such as 'info' or 'warn,oxwhisk_invoker=debug'")]
    Filter(String),
    #[error("cannot start the log writer: {0}")]
    Writer(io::Error),
    #[error("logging is set up already")]
    Twice,
}

/// Lines that may wait for stderr. At some 200 bytes a line this is about a megabyte.
const QUEUE_LINES: usize = 4096;
/// How long the end of the process waits for a stderr that takes nothing.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// The running telemetry of the process. Dropping it writes what still waits, so it should live as long as `main`.
#[derive(Debug)]
pub struct Telemetry {
    filter: FilterHandle,
    writer: Arc<LineWriter>,
}

/// Changes what is logged while the service runs; clones act on the same filter.
#[derive(Clone, Debug)]
pub struct FilterHandle {
    handle: reload::Handle<Targets, Registry>,
}

/// Whether `text` is a log filter.
///
/// # Errors
/// [`TelemetryError::Filter`] when it is not.
pub fn parse_filter(text: &str) -> Result<Targets, TelemetryError> {
    Targets::from_str(text).map_err(|_| TelemetryError::Filter(text.to_owned()))
}

impl FilterHandle {
    /// # Errors
    /// When `filter` is none; the old one stays.
    pub fn set(&self, filter: &str) -> Result<(), TelemetryError> {
        let targets = parse_filter(filter)?;
        self.handle.reload(targets).map_err(|_| TelemetryError::Filter(filter.to_owned()))
    }

    /// The filter in force, as text; `None` once telemetry has ended.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        self.handle.clone_current().map(|targets| targets.to_string())
    }
}

impl Telemetry {
    /// Makes this process log to stderr.
    ///
    /// # Errors
    /// When the filter is none, or logging was set up before.
    pub fn start(config: &LogConfig) -> Result<Self, TelemetryError> {
        Self::start_on(config, io::stderr())
    }

    fn start_on(config: &LogConfig, sink: impl io::Write + Send + 'static) -> Result<Self, TelemetryError> {
        let (telemetry, subscriber) = Self::assemble(config, sink)?;
        subscriber.try_init().map_err(|_| TelemetryError::Twice)?;
        Ok(telemetry)
    }

    fn assemble(
        config: &LogConfig,
        sink: impl io::Write + Send + 'static,
    ) -> Result<(Self, impl tracing::Subscriber + Send + Sync + 'static), TelemetryError> {
        let (filter, handle) = reload::Layer::new(parse_filter(&config.filter)?);
        let writer = Arc::new(LineWriter::start(sink, QUEUE_LINES).map_err(TelemetryError::Writer)?);
        let layer = LogLayer::new(config.format, config.color, Arc::clone(&writer));
        let subscriber = tracing_subscriber::registry().with(filter).with(layer);
        Ok((Self { filter: FilterHandle { handle }, writer }, subscriber))
    }

    #[must_use]
    pub fn filter(&self) -> FilterHandle {
        self.filter.clone()
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.writer.close(FLUSH_LIMIT);
    }
}

#[cfg(test)]
mod tests;
