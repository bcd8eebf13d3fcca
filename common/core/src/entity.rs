//! Entities: what users create, and the records of what ran.

mod action;
mod activation;
mod store_level;

pub use action::{Action, ActionPut, NewActionDefaults, PutError};
pub use activation::{Activation, Response, Status};
pub use store_level::{StoreLevel, StoreLevelError};
