//! HTTP/1.1 to a container, as far as its protocol needs it: `POST /init` and `POST /run` over a kept connection.
//!
//! Written by hand because a warm call is a few microseconds of work: the calling task writes the request with one
//! system call and reads the answer itself. A general client would hand both to a connection task.

mod connect;
mod connection;
mod reply;
mod request;
mod watch;

pub(crate) use connect::connect;
pub(crate) use connection::{Connection, ExchangeError, Head};
pub(crate) use request::{CacheFacts, Circumstances, InitRequest, RunRequest};
