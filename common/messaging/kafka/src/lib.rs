//! The bus on Apache Kafka, for services on several hosts.
//!
//! What is decided without Kafka stands apart from what talks to it: [`tracker`] (which messages are done, and how a commit
//! says so), [`chunk`] (messages larger than a record), [`partitioner`], [`topics`] (what topics must be like), [`acl`] (what
//! each role must be permitted) and [`options`] (which options of librdkafka our promises rest on) are pure. `producer`,
//! `consumer`, `lanes`, `listener` and `observer` are thin shells around librdkafka; [`KafkaBus`] puts them together.
//!
//! A consumer group called like its topic shares each queue; its members are static, so that a restart moves nothing, and
//! its partitions move one by one (cooperative-sticky). The group of `activations` shares the lanes: who has a partition of
//! it reads those of the same number of `activations.parked` and `inflight`, without a group of their own. Channels are read
//! by everybody, without a group.

pub mod acl;
mod blocking;
mod bus;
pub mod chunk;
mod clock;
pub mod config;
mod consumer;
mod error;
mod lanes;
mod listener;
pub mod names;
mod observer;
pub mod options;
pub mod partitioner;
mod producer;
mod status;
mod times;
pub mod topics;
pub mod tracker;
mod wire;

pub use bus::KafkaBus;
pub use config::{KafkaConfig, Role};
pub use error::{ConfigError, StartError};
pub use names::Names;
