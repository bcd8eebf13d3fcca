//! Which activation records a deployment keeps.

use std::fmt;
use std::str::FromStr;

use super::Status;

/// How badly an activation must have ended for its record to be kept.
#[doc(alias = "ActivationStoreLevel")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StoreLevel {
    #[default]
    Always,
    /// Whatever is no success.
    Failures,
    /// Failures that are not the action's own answer: of its container, its initialisation or the platform.
    FailuresNotApplicationErrors,
}

impl StoreLevel {
    const ALL: [Self; 3] = [Self::Always, Self::Failures, Self::FailuresNotApplicationErrors];

    /// Whether the record of an activation that ended with `status` is kept.
    #[must_use]
    pub const fn stores(self, status: Status) -> bool {
        match (self, status) {
            (Self::Always, _) | (_, Status::DeveloperError | Status::WhiskError) => true,
            (Self::Failures, Status::ApplicationError) => true,
            (Self::Failures, Status::Success) => false,
            (Self::FailuresNotApplicationErrors, Status::Success | Status::ApplicationError) => false,
        }
    }

    /// The name in OpenWhisk's configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Always => "STORE_ALWAYS",
            Self::Failures => "STORE_FAILURES",
            Self::FailuresNotApplicationErrors => "STORE_FAILURES_NOT_APPLICATION_ERRORS",
        }
    }
}

impl fmt::Display for StoreLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of STORE_ALWAYS, STORE_FAILURES and STORE_FAILURES_NOT_APPLICATION_ERRORS")]
pub struct StoreLevelError(String);

impl FromStr for StoreLevel {
    type Err = StoreLevelError;

    /// In whichever case, as OpenWhisk reads it.
    fn from_str(text: &str) -> Result<Self, StoreLevelError> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| StoreLevelError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_keeps_what_is_bad_enough() {
        use Status::{ApplicationError, DeveloperError, Success, WhiskError};
        let kept = |level: StoreLevel| {
            [Success, ApplicationError, DeveloperError, WhiskError].map(|status| level.stores(status))
        };
        assert_eq!(kept(StoreLevel::Always), [true; 4]);
        assert_eq!(kept(StoreLevel::Failures), [false, true, true, true]);
        assert_eq!(kept(StoreLevel::FailuresNotApplicationErrors), [false, false, true, true]);
    }

    #[test]
    fn names_read_back_in_any_case() {
        for level in StoreLevel::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
            assert_eq!(level.name().to_lowercase().parse(), Ok(level));
        }
        let error = "STORE_NEVER".parse::<StoreLevel>().unwrap_err();
        assert!(error.to_string().starts_with("'STORE_NEVER' is none of STORE_ALWAYS"), "{error}");
    }
}
