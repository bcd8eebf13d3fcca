//! Both ends, over gRPC.

mod fixture;
mod security;
mod tokens;
