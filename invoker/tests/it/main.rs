//! The invoker against containers that are scripted servers in this process.

mod cache;
mod cache_errors;
mod cold;
mod containers;
mod fixture;
mod lifecycle;
mod logs;
mod outcomes;
mod pooling;
mod rooms;
mod runtimes;
mod server;
mod telemetry;
mod tokens;
