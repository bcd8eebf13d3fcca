//! Why sandboxes cannot be had on this machine.

use std::fmt;
use std::io;
use std::path::Path;

/// A reason to refuse to start. Its text is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A setting makes no sense.
    #[error("sandbox configuration: {0}")]
    Config(String),
    /// Another server uses the same state directory.
    #[error("another server uses the state directory {0}")]
    InUse(String),
    /// The machine lacks something that isolation needs.
    #[error("this machine cannot run the process sandbox: {0}")]
    Missing(String),
    /// Something failed that should have worked.
    #[error("{doing}: {source}")]
    Failed { doing: String, source: io::Error },
}

impl SetupError {
    /// Wraps an I/O error with what was being done.
    pub(crate) fn doing(what: impl fmt::Display) -> impl FnOnce(io::Error) -> SetupError {
        move |source| SetupError::Failed { doing: what.to_string(), source }
    }

    pub(crate) fn path(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> SetupError {
        Self::doing(format!("cannot {verb} {}", path.display()))
    }
}
