//! A cache-proxy among other services: the binary `cache-proxy`.
//!
//! - [`cli`] and [`config`] read what is wanted; [`app`] puts the proxy together with gRPC for invokers and pages for operators.
//!
//! It is the one process that has the secret of its Redis. The secret comes from a file; it is in no environment, no log, no
//! error and, since the process cannot be dumped or traced by others than root, in no core dump.

pub mod app;
pub mod cli;
pub mod config;
