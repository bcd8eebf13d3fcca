//! An invoker behind gRPC: both ends of the conversation between a controller and an invoker.
//!
//! `server` is the invoker's end. It drives [`oxwhisk_dispatch::Keeper`], which decides what is run, kept and said, and
//! has the invoker proper do it. `client` is the controller's end: one conversation with each invoker, which comes back
//! by itself, and what invokers say as events for [`oxwhisk_dispatch::Dispatcher`]. `convert` translates between the
//! contract's messages and the platform's types; nothing that a peer sends is believed to be well-formed.

#[cfg(feature = "client")]
pub mod client;
mod convert;
#[cfg(feature = "server")]
pub mod server;

pub use convert::Malformed;
pub use oxwhisk_grpc::{DialError, Dialer};

/// Bytes of a body that travels within the conversation; larger ones go by calls of their own.
pub const INLINE_MAX: usize = 64 << 10;
