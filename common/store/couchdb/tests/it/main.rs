//! The stores over a real server.

mod conformance;
mod fixture;
mod raw;
mod server;
