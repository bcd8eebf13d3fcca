//! Whether the record of one activation is kept.

use oxwhisk_core::entity::{Status, StoreLevel};

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

    /// Whether the record of an activation that ended with `status` is kept.
    #[must_use]
    pub const fn stores(self, status: Status) -> bool {
        match self.level {
            Some(level) => level.stores(status),
            None => false,
        }
    }
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
