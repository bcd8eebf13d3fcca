//! Dispatches. What identifies one stands in its ticket and nowhere else.

#[cfg(feature = "server")]
mod read;
#[cfg(feature = "client")]
mod written;

#[cfg(feature = "server")]
pub(crate) use read::{Arguments, from_message};
#[cfg(feature = "client")]
pub(crate) use written::to_message;
