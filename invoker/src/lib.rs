//! The container pool of one node.
pub mod config;
mod interval;
pub mod keep_alive;
mod pool;
