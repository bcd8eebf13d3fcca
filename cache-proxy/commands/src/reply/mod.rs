//! Replies: where one ends, and how keys in it lose their prefix.

mod frame;
mod strip;

pub use frame::{MalformedReply, Passed, Scanner};
pub use strip::{Element, strip, strip_exec, strip_message, subscription, texts};
