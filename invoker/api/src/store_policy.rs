//! Whether the record of one activation is kept.

use std::sync::Arc;

use oxwhisk_core::entity::{Activation, Status, StoreLevel};

use crate::{RecordContext, RecordError, RecordSink};

/// What is decided before an activation runs; the rest is its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorePolicy {
    /// `None` keeps no record, however the activation ends.
    pub level: Option<StoreLevel>,
    /// Whoever does not keep a record logs a line instead.
    pub log_unstored: bool,
}

impl StorePolicy {
    pub const ALWAYS: Self = Self { level: Some(StoreLevel::Always), log_unstored: false };
    pub const NEVER: Self = Self { level: None, log_unstored: false };

    /// Hands a record over, if it is to be kept.
    pub fn keep(self, sink: &dyn RecordSink, activation: &Arc<Activation>, of: RecordContext<'_>) -> Kept {
        if self.stores(activation.response.status) {
            return sink.accept(activation, of).map_or_else(Kept::Refused, |()| Kept::Yes);
        }
        if self.log_unstored {
            log_unstored(activation);
        }
        Kept::Unwanted
    }

    /// Whether the record of an activation that ended with `status` is kept.
    #[must_use]
    pub const fn stores(self, status: Status) -> bool {
        match self.level {
            Some(level) => level.stores(status),
            None => false,
        }
    }
}

/// What became of a record.
#[derive(Debug)]
pub enum Kept {
    Yes,
    /// No record is kept of such an activation.
    Unwanted,
    Refused(RecordError),
}

/// What is left of an activation whose record is not stored, where the operator wants that much.
fn log_unstored(activation: &Activation) {
    tracing::info!(
        activation_id = %activation.activation_id,
        namespace = %activation.namespace,
        action = %activation.name,
        status = activation.response.status.word(),
        response_size = activation.response.size.unwrap_or(0),
        "record is not stored"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_level_nothing_is_kept() {
        assert!(!StorePolicy::NEVER.stores(Status::WhiskError));
        assert!(StorePolicy::ALWAYS.stores(Status::Success));
        let failures = StorePolicy { level: Some(StoreLevel::Failures), log_unstored: true };
        assert!(failures.stores(Status::ApplicationError) && !failures.stores(Status::Success));
    }
}
