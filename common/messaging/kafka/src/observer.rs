//! Looking at a group's progress without being a member.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use crate::blocking::until_led;
use crate::config::KafkaConfig;
use crate::consumer::offsets::ends;
use crate::error::{self, ConfigError, Meaning};
use crate::options::{self, Use};
use crate::status::{Context, Status};
use crate::tracker;

pub(crate) struct Observer {
    consumer: BaseConsumer<Context>,
    topic: String,
    limit: Duration,
}

impl Observer {
    pub(crate) fn new(
        config: &KafkaConfig,
        group: &str,
        topic: String,
        status: &Arc<Status>,
    ) -> Result<Self, ConfigError> {
        let options = options::consumer(config, group, Use::Listener)?;
        let consumer = BaseConsumer::from_config_and_context(&options, Context(Arc::clone(status)))
            .map_err(ConfigError::Option)?;
        Ok(Self { consumer, topic, limit: config.request_timeout })
    }

    /// Records of each partition that are not done, as far as that is committed.
    pub(crate) async fn lengths(self: Arc<Self>, partitions: u32) -> KafkaResult<Vec<u64>> {
        until_led(self.limit, move || self.ask(partitions)).await
    }

    fn ask(&self, partitions: u32) -> KafkaResult<Vec<u64>> {
        let measured = self.measure(partitions);
        // What the client has to say; messages there are none. A group that we may not ask about shows only here, the
        // question itself just has no answer.
        let mut forbidden = None;
        while let Some(said) = self.consumer.poll(Duration::ZERO) {
            forbidden = said
                .err()
                .filter(|error| matches!(error::meaning(error), Meaning::Forbidden(_)))
                .or(forbidden);
        }
        match forbidden {
            Some(error) if measured.is_err() => Err(error),
            _ => measured,
        }
    }

    fn measure(&self, partitions: u32) -> KafkaResult<Vec<u64>> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.topic, 0, i32::try_from(partitions).unwrap_or(i32::MAX) - 1);
        let lows = ends(&self.consumer, &list, Offset::Beginning, self.limit)?;
        let highs = ends(&self.consumer, &list, Offset::End, self.limit)?;
        let committed = self.consumer.committed_offsets(list, self.limit)?;
        let mut lengths = Vec::with_capacity(lows.len());
        for ((element, low), high) in committed.elements().iter().zip(lows).zip(highs) {
            element.error()?;
            let length = match element.offset() {
                Offset::Offset(offset) => {
                    let offset = u64::try_from(offset).unwrap_or(0).max(low);
                    tracker::left(offset, element.metadata(), high)
                }
                _ => high.saturating_sub(low),
            };
            lengths.push(length);
        }
        Ok(lengths)
    }
}
