//! The producing side: every message is acknowledged by all in-sync replicas, or it is an error that says so.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_messaging::BusError;
use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use crate::blocking::blocking;
use crate::chunk::{MessageId, Part, split};
use crate::config::{KafkaConfig, Producing};
use crate::error::{self, Asked, ConfigError};
use crate::options;
use crate::partitioner;
use crate::status::{Context, Status};
use crate::wire;

/// One message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing<'a> {
    /// For errors: the name without prefix.
    pub(crate) name: &'static str,
    pub(crate) topic: &'a str,
    /// By its key, if none is chosen.
    pub(crate) partition: Option<u32>,
    pub(crate) key: &'a str,
    pub(crate) attempt: u32,
    pub(crate) transient: bool,
    /// `None` is a tombstone.
    pub(crate) payload: Option<Bytes>,
    /// Whether the other side puts chunks together.
    pub(crate) chunked: bool,
}

/// Tells the offset of a message's last record when that is acknowledged, or that one is not.
type Acknowledged = oneshot::Sender<Result<u64, KafkaError>>;

/// What the records of a message share.
struct Pending {
    waiting: Mutex<Waiting>,
}

struct Waiting {
    left: usize,
    told: Option<Acknowledged>,
}

impl Pending {
    fn acknowledge(&self, outcome: Result<u64, KafkaError>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.left -= 1;
        let over = outcome.is_err() || waiting.left == 0;
        if let Some(told) = over.then(|| waiting.told.take()).flatten() {
            // Whoever waited may have given up.
            let _ = told.send(outcome);
        }
    }
}

struct Deliveries(Context);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Arc<Pending>) {
        pending.acknowledge(match result {
            Ok(message) => Ok(u64::try_from(message.offset()).unwrap_or(0)),
            Err((error, _)) => Err(error.clone()),
        });
    }
}

type Client = ThreadedProducer<Deliveries, NoCustomPartitioner>;

/// A client, and how it names its messages. One that is broken for good is replaced by another.
struct Generation {
    client: Client,
    id: u64,
}

pub(crate) struct Producer {
    config: KafkaConfig,
    status: Arc<Status>,
    generation: Mutex<Arc<Generation>>,
    sequence: AtomicU64,
    /// Partitions of topics, once known.
    partitions: Mutex<HashMap<String, u32>>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

fn begin(config: &KafkaConfig, status: &Arc<Status>) -> Result<Arc<Generation>, ConfigError> {
    let options = options::producer(config)?;
    let context = Deliveries(Context(Arc::clone(status)));
    let client = Client::from_config_and_context(&options, context).map_err(ConfigError::Option)?;
    Ok(Arc::new(Generation { client, id: rand::random() }))
}

impl Producer {
    pub(crate) fn new(config: &KafkaConfig, status: &Arc<Status>) -> Result<Self, ConfigError> {
        Ok(Self {
            generation: Mutex::new(begin(config, status)?),
            config: config.clone(),
            status: Arc::clone(status),
            sequence: AtomicU64::new(0),
            partitions: Mutex::default(),
        })
    }

    fn generation(&self) -> MutexGuard<'_, Arc<Generation>> {
        self.generation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many partitions a topic has.
    pub(crate) async fn partitions(&self, name: &'static str, topic: &str) -> Result<u32, BusError> {
        let known = || self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = known().get(topic).copied() {
            return Ok(count);
        }
        let (generation, limit, asked) =
            (Arc::clone(&self.generation()), self.config.producing.timeout, topic.to_owned());
        let found = blocking(move || {
            let metadata = generation.client.client().fetch_metadata(Some(&asked), limit)?;
            let topic = metadata.topics().first();
            match topic.and_then(|topic| topic.error()) {
                Some(code) => Err(KafkaError::MetadataFetch(code.into())),
                None => Ok(topic.map_or(0, |topic| topic.partitions().len() as u32)),
            }
        });
        let count = found.await.unwrap_or(Err(KafkaError::Canceled)).map_err(|error| {
            self.failed(
                Asked {
                    principal: &self.config.security.principal(),
                    action: "write to the topic",
                    name: topic,
                },
                name,
                &error,
            )
        })?;
        if count == 0 {
            return Err(BusError::Unavailable(format!("the topic '{topic}' is not there")));
        }
        known().insert(topic.to_owned(), count);
        Ok(count)
    }

    fn failed(&self, asked: Asked<'_>, name: &'static str, error: &KafkaError) -> BusError {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => BusError::Full { topic: name },
            Some(RDKafkaErrorCode::MessageTimedOut | RDKafkaErrorCode::RequestTimedOut) => {
                BusError::TimedOut { topic: name }
            }
            _ => error::of_request(asked, error),
        }
    }

    /// Sends a message and waits until it is acknowledged; answers the offset of its last record.
    pub(crate) async fn send(&self, outgoing: Outgoing<'_>) -> Result<u64, BusError> {
        let size = outgoing.key.len() + outgoing.payload.as_ref().map_or(0, Bytes::len);
        let Producing { max_message, chunk, .. } = self.config.producing;
        let limit = if outgoing.chunked { max_message } else { chunk };
        if size > limit {
            return Err(BusError::TooLarge { size, limit });
        }
        let count = self.partitions(outgoing.name, outgoing.topic).await?;
        let partition = outgoing.partition.unwrap_or_else(|| partitioner::of_key(outgoing.key, count));
        if partition >= count {
            let text = format!("the topic '{}' has no partition {partition}", outgoing.topic);
            return Err(BusError::Unavailable(text));
        }
        let (told, acknowledged) = oneshot::channel();
        let enqueued = self.enqueue(&outgoing, partition, told);
        let outcome = match enqueued {
            Ok(()) => acknowledged.await.unwrap_or(Err(KafkaError::Canceled)),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(offset) => {
                self.status.available();
                Ok(offset)
            }
            Err(error) => {
                let principal = self.config.security.principal();
                if let Some((code, reason)) = self.replace_if_broken() {
                    // So it is without a permission to write to any topic.
                    return Err(match code {
                        RDKafkaErrorCode::ClusterAuthorizationFailed => {
                            BusError::Forbidden(format!("{principal} may not produce: {reason}"))
                        }
                        _ => BusError::Unavailable(format!("the producer could not go on: {reason}")),
                    });
                }
                let asked =
                    Asked { principal: &principal, action: "write to the topic", name: outgoing.topic };
                Err(self.failed(asked, outgoing.name, &error))
            }
        }
    }

    /// Under the lock, so that the chunks of a message follow each other.
    fn enqueue(&self, outgoing: &Outgoing<'_>, partition: u32, told: Acknowledged) -> Result<(), KafkaError> {
        let generation = self.generation();
        let message =
            MessageId { producer: generation.id, sequence: self.sequence.fetch_add(1, Ordering::Relaxed) };
        let Some(payload) = &outgoing.payload else {
            let pending = Arc::new(Pending { waiting: Mutex::new(Waiting { left: 1, told: Some(told) }) });
            return generation.put(outgoing, partition, (message, Part::WHOLE), None, pending);
        };
        let parts: Vec<(Part, Bytes)> = split(payload, self.config.producing.chunk).collect();
        let pending =
            Arc::new(Pending { waiting: Mutex::new(Waiting { left: parts.len(), told: Some(told) }) });
        for (part, bytes) in parts {
            generation.put(outgoing, partition, (message, part), Some(&bytes), Arc::clone(&pending))?;
        }
        Ok(())
    }

    /// A producer to which something happened that it cannot go on after is replaced. What it still had is told as failed.
    /// Returns what happened.
    pub(crate) fn replace_if_broken(&self) -> Option<(RDKafkaErrorCode, String)> {
        let mut generation = self.generation();
        let (code, reason) = generation.client.client().fatal_error()?;
        tracing::error!(%code, reason, "the Kafka producer cannot go on and is replaced");
        match begin(&self.config, &self.status) {
            Ok(next) => *generation = next,
            Err(error) => tracing::error!(%error, "cannot replace the Kafka producer"),
        }
        Some((code, reason))
    }

    /// Waits until Kafka answers, or not.
    pub(crate) async fn probe(&self, topic: String, limit: Duration) -> bool {
        let generation = Arc::clone(&self.generation());
        let answered =
            blocking(move || generation.client.client().fetch_metadata(Some(&topic), limit).is_ok());
        answered.await.unwrap_or(false)
    }

    /// Waits until everything sent is acknowledged, or given up.
    pub(crate) async fn flush(&self, limit: Duration) {
        let generation = Arc::clone(&self.generation());
        if let Some(Err(error)) = blocking(move || generation.client.flush(limit)).await {
            tracing::warn!(%error, "messages to Kafka were not acknowledged before the end");
        }
    }
}

impl Generation {
    fn put(
        &self,
        outgoing: &Outgoing<'_>,
        partition: u32,
        (message, part): (MessageId, Part),
        payload: Option<&[u8]>,
        pending: Arc<Pending>,
    ) -> Result<(), KafkaError> {
        let record = BaseRecord {
            topic: outgoing.topic,
            partition: i32::try_from(partition).ok(),
            payload,
            key: Some(outgoing.key),
            timestamp: None,
            headers: Some(headers(message, part, outgoing)),
            delivery_opaque: pending,
        };
        self.client.send(record).map_err(|(error, _)| error)
    }
}

fn headers(message: MessageId, part: Part, outgoing: &Outgoing<'_>) -> OwnedHeaders {
    let Outgoing { attempt, transient, .. } = *outgoing;
    let mut headers = OwnedHeaders::new_with_capacity(4)
        .insert(Header { key: wire::MESSAGE, value: Some(&message.to_bytes()) });
    if part != Part::WHOLE {
        headers = headers.insert(Header { key: wire::PART, value: Some(&part.to_bytes()) });
    }
    if attempt != 1 {
        headers = headers.insert(Header { key: wire::ATTEMPT, value: Some(attempt.to_string().as_str()) });
    }
    if transient {
        headers = headers.insert(Header { key: wire::TRANSIENT, value: Some("1") });
    }
    headers
}
