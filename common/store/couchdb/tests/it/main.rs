//! The stores over a real server.

mod conformance;
mod deployment;
mod durability;
mod faults;
mod fixture;
mod proxy;
mod raw;
mod samples;
mod server;
mod shapes;
mod tls;
