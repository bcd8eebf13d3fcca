//! Between the contract's messages and the platform's types.

mod dispatch;
mod offer;
mod said;

#[cfg(feature = "client")]
pub(crate) use dispatch::to_message;
#[cfg(feature = "server")]
pub(crate) use dispatch::{Arguments, from_message};
pub(crate) use offer::*;
pub(crate) use said::*;

/// A peer sent what cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}: {why}")]
pub struct Malformed {
    pub what: &'static str,
    pub why: String,
}

impl Malformed {
    pub(crate) fn new(what: &'static str, why: impl ToString) -> Self {
        Self { what, why: why.to_string() }
    }
}
