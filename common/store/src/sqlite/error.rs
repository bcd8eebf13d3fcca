//! How a database's failures read in the stores' words.

use oxwhisk_sqlite::{DatabaseError, Failed};

use crate::StoreError;

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Damaged { .. } => Self::Corrupt(error.to_string()),
            DatabaseError::Unavailable { .. } | DatabaseError::Closed { .. } => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

/// Work in a transaction: what it gives, or why it stops.
pub(super) type Outcome<T> = Result<T, Failed<StoreError>>;

/// Something in the file that is not what was written there.
pub(super) fn corrupt<T>(what: impl std::fmt::Display) -> Outcome<T> {
    Err(Failed::Refused(StoreError::Corrupt(what.to_string())))
}
