//! OpenWhisk's markers: `controller_activation_finish:35:30` says that a step of the controller ended 35 ms after its
//! request came, and took 30 ms.

use std::fmt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use oxwhisk_core::id::TransactionId;

/// The target of lines with markers, at the level debug. A filter of `info` hides them, `info,marker=debug` shows them.
pub const MARKERS: &str = "marker";

/// One marker as the log shows it.
#[derive(Clone, Copy, Debug)]
struct Marker {
    /// Component and action: `invoker_activationRun`.
    token: &'static str,
    /// What the token is about, behind a dot.
    of: Option<&'static str>,
    state: &'static str,
    /// Milliseconds since the request came.
    since: u64,
    /// Milliseconds since the marker of the beginning.
    took: Option<u128>,
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token)?;
        if let Some(of) = self.of {
            write!(f, ".{of}")?;
        }
        write!(f, "_{}:{}", self.state, self.since)?;
        self.took.map_or(Ok(()), |took| write!(f, ":{took}"))
    }
}

impl Marker {
    /// For a transaction that is named, or that of the request around it.
    fn log(self, transaction: Option<&TransactionId>) {
        match transaction {
            Some(transaction) => tracing::debug!(target: MARKERS, tid = %transaction, marker = %self, ""),
            None => tracing::debug!(target: MARKERS, marker = %self, ""),
        }
    }
}

/// Something happened for a request that came then, in milliseconds since the epoch.
pub fn count(token: &'static str, of: &'static str, received: i64) {
    if is_shown() {
        Marker { token, of: Some(of), state: "counter", since: since(received), took: None }.log(None);
    }
}

fn is_shown() -> bool {
    tracing::enabled!(target: MARKERS, tracing::Level::DEBUG)
}

/// A step whose beginning was logged.
#[derive(Debug)]
pub(crate) struct Marked {
    token: &'static str,
    received: i64,
    transaction: Option<TransactionId>,
    begun: Instant,
}

impl Marked {
    /// `None` when nobody wants to see it.
    pub(crate) fn begin(
        token: &'static str,
        received: i64,
        transaction: Option<&TransactionId>,
    ) -> Option<Self> {
        if !is_shown() {
            return None;
        }
        Marker { token, of: None, state: "start", since: since(received), took: None }.log(transaction);
        Some(Self { token, received, transaction: transaction.cloned(), begun: Instant::now() })
    }

    pub(crate) fn end(self, failed: bool) {
        let took = Some(self.begun.elapsed().as_millis());
        let state = if failed { "error" } else { "finish" };
        let marker = Marker { token: self.token, of: None, state, since: since(self.received), took };
        marker.log(self.transaction.as_ref());
    }
}

/// Milliseconds since then.
fn since(received: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    u64::try_from(now.saturating_sub(received)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_look_like_openwhisks() {
        let begun = Marker { token: "controller_kafka", of: None, state: "start", since: 5, took: None };
        assert_eq!(begun.to_string(), "controller_kafka_start:5");
        assert_eq!(
            Marker { state: "finish", took: Some(3), ..begun }.to_string(),
            "controller_kafka_finish:5:3"
        );
        let counted = Marker { token: "invoker_containerStart", of: Some("cold"), state: "counter", ..begun };
        assert_eq!(counted.to_string(), "invoker_containerStart.cold_counter:5");
        assert_eq!(since(i64::MAX), 0);
    }
}
