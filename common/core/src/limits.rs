//! What an action may use, what a namespace may ask for, and what the deployment allows at most.

mod action;
mod system;
mod user;

pub use action::{ActionLimits, ActionLimitsPatch, LimitViolation};
pub use system::{Bounds, SystemLimits};
pub use user::{EffectiveLimits, UserLimits};
