//! HTTP/1.1 as far as a container's `/init` and `/run` need it: keep-alive, bodies by length or in chunks,
//! `Expect: 100-continue`, and answers in one write.

mod chunked;
mod head;
mod wire;

pub(crate) use self::wire::{Request, Wire, WireError};
