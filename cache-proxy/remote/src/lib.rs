//! Tokens of a cache by gRPC.
//!
//! An invoker shows the ticket of each activation, which a controller has made: what the activation may have of the cache is what
//! the ticket says, whatever the invoker does. [`server`] is the proxy's end, [`client`] the invoker's; [`admin`] is for administrators.
//!
//! A proxy that starts knows no token; an invoker whose word may have been lost says which of its activations live on.

#[cfg(feature = "server")]
pub mod admin;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;
