//! Several controllers in one process, over real connections with mutual TLS.

mod cluster;
mod ends;
mod limits;
mod membership;
mod proxy;
mod records;
