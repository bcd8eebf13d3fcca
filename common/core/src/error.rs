//! The one error type of everything that reads a client's JSON.

/// A client's content does not have the shape it must have. The text is what stands behind
/// `The request content was malformed:` in the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    pub fn new(detail: impl Into<String>) -> Self {
        Self(detail.into())
    }
}
