//! An invoker among other services.
//!
//! [`cli`] and [`config`] read what is wanted; [`app`] puts the parts together and takes them down again: the container
//! pool over a factory, the gRPC server that controllers converse with, and Kafka, to which records and heartbeats go.
//! An invoker node runs strangers' code, so it is assumed to be taken over one day. This process holds no credential of a
//! store; it gets code and hands records over by the tickets of what it was given to run, and from Kafka it reads nothing.

pub mod app;
mod cache;
pub mod cli;
pub mod config;
mod containers;
mod relay;
