//! Why a factory could not start.

use crate::engine::EngineError;

/// The daemon cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub(crate) String);

impl From<EngineError> for StartError {
    fn from(error: EngineError) -> Self {
        Self(error.to_string())
    }
}
