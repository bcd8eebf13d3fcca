//! Hearing a channel: all its partitions from now on, or from a while ago, without a group and without commits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_messaging::{BusError, Channel, Heard, Listener};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use crate::blocking::until_led;
use crate::clock::before_now;
use crate::config::KafkaConfig;
use crate::consumer::offsets::{ends, since};
use crate::error::{self, Asked, Meaning};
use crate::names::Names;
use crate::options::{self, Use};
use crate::status::{Context, Status};

type Consumer = StreamConsumer<Context>;

/// What is to be listened to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listened {
    pub(crate) channel: Channel,
    pub(crate) partitions: u32,
    /// How far back.
    pub(crate) back: Duration,
}

pub(crate) struct KafkaListener {
    consumer: Arc<Consumer>,
    config: KafkaConfig,
    topic: String,
    partitions: u32,
    closing: CancellationToken,
}

impl fmt::Debug for KafkaListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KafkaListener").field(&self.topic).finish()
    }
}

impl KafkaListener {
    pub(crate) async fn begin(
        config: &KafkaConfig,
        listened: Listened,
        status: &Arc<Status>,
        closing: CancellationToken,
    ) -> Result<Self, BusError> {
        let Listened { channel, partitions, back } = listened;
        let names = Names::of(config);
        let unavailable = |error: &dyn fmt::Display| BusError::Unavailable(error.to_string());
        let options = options::consumer(config, &names.listener(channel, &config.instance), Use::Listener)
            .map_err(|error| unavailable(&error))?;
        let consumer = Consumer::from_config_and_context(&options, Context(Arc::clone(status)))
            .map_err(|error| unavailable(&error))?;
        let listener = Self {
            consumer: Arc::new(consumer),
            config: config.clone(),
            topic: names.channel(channel),
            partitions,
            closing,
        };
        listener.go_to_the_end(back).await.map_err(|error| listener.failed(&error))?;
        Ok(listener)
    }

    /// Reads from where the partitions end now, and not from where they end when reading begins; or from what was produced
    /// within the time `back` on.
    async fn go_to_the_end(&self, back: Duration) -> KafkaResult<()> {
        let (consumer, topic) = (Arc::clone(&self.consumer), self.topic.clone());
        let (partitions, limit) = (self.partitions, self.config.request_timeout);
        let assigned = until_led(limit, move || {
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&topic, 0, i32::try_from(partitions).unwrap_or(i32::MAX) - 1);
            let mut ends = ends(&*consumer, &list, Offset::End, limit)?;
            if !back.is_zero() {
                let found = since(&*consumer, &list, before_now(back), limit)?;
                ends.iter_mut().zip(found).for_each(|(end, found)| *end = found.unwrap_or(*end).min(*end));
            }
            for (partition, end) in (0..).zip(ends) {
                list.set_partition_offset(
                    &topic,
                    partition,
                    Offset::Offset(i64::try_from(end).unwrap_or(i64::MAX)),
                )?;
            }
            consumer.assign(&list)
        });
        assigned.await
    }

    fn failed(&self, error: &KafkaError) -> BusError {
        let principal = self.config.security.principal();
        error::of_request(Asked { principal: &principal, action: "read the topic", name: &self.topic }, error)
    }
}

#[async_trait]
impl Listener for KafkaListener {
    async fn next(&mut self) -> Result<Heard, BusError> {
        loop {
            let received = tokio::select! {
                biased;
                () = self.closing.cancelled() => return Err(BusError::Closed),
                received = self.consumer.recv() => received,
            };
            let error = match received {
                Ok(message) => {
                    let Some(payload) = message.payload() else { continue };
                    let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
                    return Ok(Heard::Message { key, payload: Bytes::copy_from_slice(payload) });
                }
                Err(error) => error,
            };
            if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
                // What came next is not kept any more.
                tracing::warn!(topic = self.topic, "messages on Kafka were missed");
                self.go_to_the_end(Duration::ZERO).await.map_err(|error| self.failed(&error))?;
                return Ok(Heard::Missed);
            }
            if let Meaning::Forbidden(_) = error::meaning(&error) {
                return Err(self.failed(&error));
            }
            tracing::debug!(topic = self.topic, %error, "listening on Kafka");
        }
    }
}
