//! What a client of Kafka is told at its start.

mod read;
mod security;

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

pub use read::{OPEN_TABLES, read};
pub use security::{ClientCertificate, Mechanism, Sasl, Security, Tls};

/// What a process does with Kafka; decides what it checks at its start and which permissions it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Creates, produces and consumes everything.
    Controller,
    /// Produces records, heartbeats and user events, and consumes nothing.
    Invoker,
}

#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `host:port`, separated by commas.
    pub hosts: String,
    /// Names this process among those of its kind, and stays the same when it starts again: `controller0`.
    pub instance: String,
    pub role: Role,
    /// Stands before the names of our topics. Not empty in a cluster that OpenWhisk uses as well: it has topics of the same
    /// names with other messages.
    pub prefix: String,
    /// Stands before `events`, which is OpenWhisk's own topic for others to consume.
    pub events_prefix: String,
    pub security: Security,
    pub topics: TopicSettings,
    pub producing: Producing,
    pub consuming: Consuming,
    /// How long one question to Kafka may take (metadata, offsets, the checks at start).
    pub request_timeout: Duration,
    /// How long closing may take until what is not written then is left.
    pub close_timeout: Duration,
    /// Further options of librdkafka. Values may be secret, so none is ever shown.
    pub options: BTreeMap<String, SecretString>,
}

/// What topics are created with and checked for.
#[derive(Clone, Copy, Debug)]
pub struct TopicSettings {
    /// Least number of lanes, the partitions of `activations`, `activations.parked` and `inflight`: as many consumers may
    /// share them.
    pub activation_partitions: u32,
    /// Least partitions of the other queues.
    pub partitions: u32,
    /// Copies of each partition, as far as there are brokers.
    pub replication: u32,
    /// Least time that messages are kept.
    pub retention: Duration,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self {
            activation_partitions: 64,
            partitions: 16,
            replication: 3,
            retention: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Producing {
    /// After that a message that was not acknowledged is given up; it may be there all the same.
    pub timeout: Duration,
    /// How long a message waits for company.
    pub linger: Duration,
    /// KiB of messages that wait to be acknowledged; with more, the bus is full.
    pub queue_kib: u32,
    /// Bytes of records taken without waiting and not durable yet; with more, the bus is full.
    pub unacknowledged_bytes: usize,
    /// Bytes of the largest message. With 10 MB of logs in short lines a record has some 35 MB.
    pub max_message: usize,
    /// Larger payloads travel in chunks of this size.
    pub chunk: usize,
}

impl Default for Producing {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            linger: Duration::from_millis(1),
            queue_kib: 64 << 10,
            unacknowledged_bytes: 64 << 20,
            max_message: 64 << 20,
            chunk: 512 << 10,
        }
    }
}

impl Producing {
    /// What an invoker produces nobody waits for: an answer goes to the controller directly, and its record may come
    /// behind it. So it waits for company, which spares the brokers most of their requests.
    fn of(role: Role) -> Self {
        let own = Self::default();
        match role {
            Role::Controller => own,
            Role::Invoker => Self { linger: Duration::from_millis(50), ..own },
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Consuming {
    /// A consumer that says nothing for so long has lost its partitions to others.
    pub session_timeout: Duration,
    /// How often what is done is committed.
    pub commit_interval: Duration,
    /// Messages that wait to be taken by the program, of one subscription; with lanes, of each topic.
    pub pending_messages: usize,
    /// Bytes of those.
    pub pending_bytes: usize,
    /// Messages of one partition that are read and not done.
    pub outstanding: usize,
    /// Bytes of messages whose chunks have not all come yet; with more, one partition is read at a time.
    pub partial_bytes: usize,
    /// How long the next chunk of a message may take, longer than any producer tries.
    pub chunk_patience: Duration,
    /// Characters of a commit's metadata: the brokers' `offset.metadata.max.bytes`.
    pub metadata: usize,
    /// KiB that librdkafka reads ahead, of one subscription; lanes have two clients.
    pub fetch_kib: u32,
}

impl Default for Consuming {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(30),
            commit_interval: Duration::from_millis(200),
            pending_messages: 4096,
            pending_bytes: 8 << 20,
            outstanding: 10_000,
            partial_bytes: 64 << 20,
            chunk_patience: Duration::from_secs(60),
            metadata: 4096,
            fetch_kib: 16 << 10,
        }
    }
}

impl KafkaConfig {
    /// Defaults for everything but who asks, and where.
    #[must_use]
    pub fn new(hosts: impl Into<String>, instance: impl Into<String>, role: Role) -> Self {
        Self {
            hosts: hosts.into(),
            instance: instance.into(),
            role,
            prefix: "oxwhisk.".to_owned(),
            events_prefix: String::new(),
            security: Security::default(),
            topics: TopicSettings::default(),
            producing: Producing::of(role),
            consuming: Consuming::default(),
            request_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(10),
            options: BTreeMap::new(),
        }
    }
}
