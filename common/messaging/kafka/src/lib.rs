//! The bus on Apache Kafka.
pub mod acl;
mod blocking;
pub mod chunk;
pub mod config;
mod error;
pub mod names;
pub mod options;
pub mod partitioner;
mod producer;
mod status;
pub mod topics;
pub mod tracker;
mod wire;

pub use config::{KafkaConfig, Role};
pub use error::{ConfigError, StartError};
