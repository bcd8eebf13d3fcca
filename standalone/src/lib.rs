//! All of Oxwhisk in one process.
//!
//! [`cli`] and [`config`] read what is wanted; [`app`] puts the services together on SQLite, the embedded bus and the
//! process sandbox.

pub mod app;
pub mod cache;
pub mod cli;
pub mod config;
