//! Entities as the API works with them: documents with their code, cached, checked and changed.

mod actions;
mod code;
mod encryption;

pub(crate) use actions::{Actions, KnownAction, Written, check_put, put_fault, store_fault};
pub use code::{StoredCode, WantedCode};
pub(crate) use encryption::UnlockError;
pub use encryption::{EncryptionScheme, KeyError, ParameterCiphers, SchemeError};
