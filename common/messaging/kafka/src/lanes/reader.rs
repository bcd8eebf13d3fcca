//! The client without a group: a thread of its own that reads `activations.parked` and `inflight` of the lanes that are ours.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_messaging::{BusError, Topic};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::watch;

use super::FOLLOW;
use super::state::{Source, State};
use crate::config::KafkaConfig;
use crate::consumer::group::{Group as _, Shared};
use crate::consumer::offsets::{ends, list, number, raw, since};
use crate::error::{self, Asked, ConfigError, Meaning};
use crate::names::Names;
use crate::options::{self, Use};
use crate::status::{Context, Status};
use crate::wire::Record;

/// Records taken between two looks at everything else.
const BATCH: usize = 500;
/// Longest wait for a record: lanes come, go and are asked for barriers meanwhile.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// The same while partitions are paused.
const HELD_UP: Duration = Duration::from_millis(20);
/// Pause after a question to Kafka had no answer.
const RETRY: Duration = Duration::from_millis(200);

/// Starts the thread. What is returned becomes true when it has ended.
pub(super) fn start(
    config: &KafkaConfig,
    status: &Arc<Status>,
    shared: &Arc<Shared<State>>,
) -> Result<watch::Receiver<bool>, ConfigError> {
    let names = Names::of(config);
    let options = options::consumer(config, &names.reader(&config.instance), Use::Reader)?;
    let consumer = BaseConsumer::from_config_and_context(&options, Context(Arc::clone(status)))
        .map_err(ConfigError::Option)?;
    let topics = FOLLOW.iter().map(|topic| (names.topic(*topic), *topic)).collect();
    let mut reader = Reader {
        consumer,
        names,
        topics,
        config: config.clone(),
        shared: Arc::clone(shared),
        began: Instant::now(),
        reading: HashMap::new(),
        silent_until: Duration::ZERO,
    };
    let (ended, end) = watch::channel(false);
    let thread = std::thread::Builder::new().name("kafka-lanes".to_owned()).spawn(move || {
        reader.run();
        ended.send_replace(true);
    });
    thread.map_err(|source| ConfigError::Thread { source })?;
    Ok(end)
}

struct Reader {
    consumer: BaseConsumer<Context>,
    names: Names,
    /// By their names on Kafka.
    topics: HashMap<String, Topic>,
    config: KafkaConfig,
    shared: Arc<Shared<State>>,
    began: Instant,
    /// What the client reads, and for which assignment.
    reading: HashMap<(Topic, u32), Source>,
    /// Kafka did not answer, and is asked again then.
    silent_until: Duration,
}

impl Reader {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn run(&mut self) {
        while !self.shared.is_stopped() {
            let wait = if self.shared.state().is_reader_held_up() { HELD_UP } else { LONGEST_WAIT };
            self.take_records(wait);
            if self.now() >= self.silent_until
                && let Err(error) = self.look()
            {
                tracing::warn!(%error, "cannot read lanes from Kafka, trying again");
                self.failed(&error);
                self.silent_until = self.now() + RETRY;
            }
            for topic in FOLLOW {
                self.regulate(*topic);
            }
        }
    }

    /// Waits for a record, and takes what has come with it.
    fn take_records(&self, wait: Duration) {
        let mut wait = wait;
        for _ in 0..BATCH {
            match self.consumer.poll(wait) {
                None => return,
                Some(Ok(message)) => {
                    let topic = self.topics.get(message.topic()).copied();
                    let key = topic.map(|topic| (topic, number(message.partition())));
                    if let Some(source) = key.and_then(|key| self.reading.get(&key)) {
                        let record = Record::read(&message);
                        self.shared.state().read_from(*source, record, self.now());
                        self.shared.tell();
                    }
                }
                Some(Err(error)) => self.failed(&error),
            }
            wait = Duration::ZERO;
        }
    }

    /// Whatever has to be asked of Kafka, or told to the client.
    fn look(&mut self) -> KafkaResult<()> {
        self.begin()?;
        self.follow()?;
        self.look_for_barriers()?;
        FOLLOW.iter().try_for_each(|topic| self.look_for_silence(*topic))
    }

    /// Finds out from where on `inflight` of new lanes is to be read.
    fn begin(&self) -> KafkaResult<()> {
        let beginning = self.shared.state().beginning();
        for (source, time) in beginning {
            let partitions = self.list(Topic::InFlight, &[source.lane]);
            let since = match time {
                None => None,
                Some(time) => {
                    let found = since(&self.consumer, &partitions, time, self.config.request_timeout)?;
                    found.into_iter().next().flatten()
                }
            };
            self.shared.state().begin(source, since);
            self.shared.tell();
        }
        Ok(())
    }

    /// Reads what is to be read, and nothing else.
    fn follow(&mut self) -> KafkaResult<()> {
        let sources: HashMap<Source, u64> = self.shared.state().sources().into_iter().collect();
        let lost: Vec<Source> =
            self.reading.values().copied().filter(|source| !sources.contains_key(source)).collect();
        if !lost.is_empty() {
            let mut partitions = TopicPartitionList::new();
            for Source { topic, lane, .. } in &lost {
                partitions.add_partition(&self.names.topic(*topic), raw(*lane));
            }
            self.consumer.incremental_unassign(&partitions)?;
            self.reading.retain(|_, source| !lost.contains(source));
        }
        let is_new = |source: &Source| !self.reading.contains_key(&(source.topic, source.lane));
        let new: Vec<(Source, u64)> = sources.into_iter().filter(|(source, _)| is_new(source)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut partitions = TopicPartitionList::new();
        for (Source { topic, lane, .. }, next) in &new {
            let next = Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX));
            partitions.add_partition_offset(&self.names.topic(*topic), raw(*lane), next)?;
        }
        self.consumer.incremental_assign(&partitions)?;
        for (source, _) in new {
            self.reading.insert((source.topic, source.lane), source);
            self.shared.state().reads(source);
        }
        Ok(())
    }

    fn look_for_barriers(&self) -> KafkaResult<()> {
        let asked = self.shared.state().asked();
        if asked.is_empty() {
            return Ok(());
        }
        let lanes: Vec<u32> = asked.iter().map(|(lane, _)| *lane).collect();
        let ends = self.ends(Topic::InFlight, &lanes)?;
        let mut state = self.shared.state();
        asked.iter().zip(ends).for_each(|((lane, barriers), end)| state.ends(*lane, barriers, end));
        drop(state);
        self.shared.tell();
        Ok(())
    }

    /// Halves of messages that nobody will complete must not hold their lane back for ever.
    fn look_for_silence(&self, topic: Topic) -> KafkaResult<()> {
        let now = self.now();
        let silent = self.shared.state().reader_silent(topic, now);
        if !silent.is_empty() {
            let ends = self.ends(topic, &silent)?;
            let mut state = self.shared.state();
            silent.iter().zip(ends).for_each(|(lane, end)| state.reader_log_ends(topic, *lane, end, now));
        }
        self.shared.state().reader_expires(topic);
        Ok(())
    }

    fn regulate(&self, topic: Topic) {
        let flow = self.shared.state().reader_flow(topic);
        let paused = (!flow.pause.is_empty()).then(|| self.consumer.pause(&self.list(topic, &flow.pause)));
        let resumed =
            (!flow.resume.is_empty()).then(|| self.consumer.resume(&self.list(topic, &flow.resume)));
        for error in [paused, resumed].into_iter().flatten().filter_map(Result::err) {
            tracing::error!(topic = topic.name(), %error, "cannot pause or resume partitions");
        }
    }

    fn list(&self, topic: Topic, lanes: &[u32]) -> TopicPartitionList {
        list(&self.names.topic(topic), lanes)
    }

    fn ends(&self, topic: Topic, lanes: &[u32]) -> KafkaResult<Vec<u64>> {
        ends(&self.consumer, &self.list(topic, lanes), Offset::End, self.config.request_timeout)
    }

    fn failed(&self, error: &KafkaError) {
        let Meaning::Forbidden(_) = error::meaning(error) else {
            return tracing::debug!(%error, "reading lanes from Kafka");
        };
        let principal = self.config.security.principal();
        let [parked, in_flight] = [Topic::Parked, Topic::InFlight].map(|topic| self.names.topic(topic));
        let name = format!("{parked}' and '{in_flight}");
        let asked = Asked { principal: &principal, action: "read the topics", name: &name };
        let error: BusError = error::of_request(asked, error);
        self.shared.state().fail(error, false);
        self.shared.tell();
    }
}
