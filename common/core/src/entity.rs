//! Entities: what users create, and the records of what ran.

mod action;
mod activation;

pub use action::{Action, ActionPut, PutError};
pub use activation::{Activation, Response, Status};
