//! The poll loop: a thread of its own, so that Kafka hears from us whatever the program does. It pauses partitions instead
//! of not polling, so no rebalance comes from a slow program.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_messaging::{BusError, Topic};
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tokio::sync::watch;

use super::group::{Group, Member, Shared};
use super::offsets::{ends, list, number, numbers, raw};
use super::state::{Commit, Start};
use crate::clock::{SKEW, before_now};
use crate::config::KafkaConfig;
use crate::error::{self, Asked, ConfigError, Meaning};
use crate::names::Names;
use crate::options::{self, Use};
use crate::status::{Context, Status};
use crate::wire::Record;

/// Records taken between two looks at everything else.
const BATCH: usize = 500;
/// Longest wait for a record while partitions are paused.
const HELD_UP: Duration = Duration::from_millis(20);
/// Pause after the state of partitions could not be asked for.
const RETRY: Duration = Duration::from_millis(200);

struct GroupContext<S> {
    client: Context,
    names: Names,
    member: Member,
    shared: Arc<Shared<S>>,
}

impl<S: Group> ClientContext for GroupContext<S> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.client.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }
}

type Consumer<S> = BaseConsumer<GroupContext<S>>;

impl<S: Group> ConsumerContext for GroupContext<S> {
    /// What is done of partitions that go away is committed while they are still ours.
    fn pre_rebalance(&self, consumer: &Consumer<S>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(partitions) = rebalance else { return };
        if consumer.assignment_lost() {
            tracing::warn!(topic = self.topic(), "partitions were lost: they are others' already");
        } else {
            self.commit(consumer);
        }
        let mut state = self.shared.state();
        for partition in numbers(partitions) {
            state.revoke(partition);
        }
        drop(state);
        self.shared.tell();
    }

    /// Nothing is read of new partitions until it is known what was done of them.
    fn post_rebalance(&self, consumer: &Consumer<S>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(partitions) = rebalance else { return };
        if let Err(error) = consumer.pause(partitions) {
            tracing::error!(topic = self.topic(), %error, "cannot pause partitions");
        }
        let mut state = self.shared.state();
        for partition in numbers(partitions) {
            state.assign(partition);
        }
    }
}

impl<S: Group> GroupContext<S> {
    fn topic(&self) -> &'static str {
        self.member.topic.name()
    }

    /// Waits for the answer: of commits that are not waited for, this client's library tells no failure, and during a rebalance
    /// they do fail.
    fn commit(&self, consumer: &Consumer<S>) {
        if self.shared.is_abandoned() {
            return;
        }
        let commits = self.shared.state().commits();
        if commits.is_empty() {
            return;
        }
        let offsets = self.offsets(&commits);
        let outcome = offsets.and_then(|offsets| consumer.commit(&offsets, CommitMode::Sync));
        if let Err(error) = outcome {
            tracing::warn!(topic = self.topic(), %error, "cannot commit on Kafka");
            let mut state = self.shared.state();
            commits.iter().for_each(|commit| state.not_committed(commit));
        }
    }

    fn offsets(&self, commits: &[Commit]) -> KafkaResult<TopicPartitionList> {
        let mut offsets = TopicPartitionList::with_capacity(commits.len());
        for Commit { topic, partition, offset, metadata } in commits {
            let name = self.names.topic(*topic);
            let mut element = offsets.add_partition(&name, raw(*partition));
            element.set_offset(Offset::Offset(i64::try_from(*offset).unwrap_or(i64::MAX)))?;
            element.set_metadata(metadata);
        }
        Ok(offsets)
    }
}

/// Starts the thread. What is returned becomes true when it has ended.
pub(crate) fn start<S: Group>(
    config: &KafkaConfig,
    member: Member,
    status: &Arc<Status>,
    shared: &Arc<Shared<S>>,
) -> Result<watch::Receiver<bool>, ConfigError> {
    let names = Names::of(config);
    let name = names.topic(member.topic);
    let mut options = options::consumer(config, &names.group(member.topic), Use::Member)?;
    if member.topic == Topic::Completed {
        // A store takes many records with little more effort than one.
        options::in_batches(&mut options, config);
    }
    if member.topic == Topic::DeadLetters {
        // Read now and then, by whichever process an administrator asks: a member that stayed in the group between two
        // readings would keep its part from everybody else.
        options.remove("group.instance.id");
    }
    let context =
        GroupContext { client: Context(Arc::clone(status)), names, member, shared: Arc::clone(shared) };
    let consumer = Consumer::from_config_and_context(&options, context).map_err(ConfigError::Option)?;
    consumer.subscribe(&[&name]).map_err(ConfigError::Option)?;
    let (ended, end) = watch::channel(false);
    let poll =
        Poll { consumer, name, config: config.clone(), status: Arc::clone(status), began: Instant::now() };
    let thread = std::thread::Builder::new().name(format!("kafka-{}", member.topic.name()));
    let thread = thread.spawn(move || {
        poll.run();
        ended.send_replace(true);
    });
    thread.map_err(|source| ConfigError::Thread { source })?;
    Ok(end)
}

struct Poll<S: Group> {
    consumer: Consumer<S>,
    /// The topic's name on Kafka.
    name: String,
    config: KafkaConfig,
    status: Arc<Status>,
    began: Instant,
}

impl<S: Group> Poll<S> {
    fn shared(&self) -> &Shared<S> {
        &self.consumer.context().shared
    }

    fn topic(&self) -> &str {
        &self.name
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn run(self) {
        let interval = self.config.consuming.commit_interval;
        let (mut committed, mut asked) = (Duration::ZERO, None::<Duration>);
        while !self.shared().is_stopped() {
            let wait = if self.shared().state().is_held_up() { HELD_UP.min(interval) } else { interval };
            self.take_records(wait);
            if asked.is_none_or(|asked| self.now() >= asked + RETRY) && !self.take_up() {
                asked = Some(self.now());
            }
            self.look_for_silence();
            self.regulate();
            // Waiting for a Kafka that is away would take as long as a session.
            if self.now() >= committed + interval && self.status.is_available() {
                self.consumer.context().commit(&self.consumer);
                committed = self.now();
            }
        }
        if self.status.is_available() {
            self.consumer.context().commit(&self.consumer);
        }
        // Closes the consumer; a static member keeps its partitions until its session ends, or it comes again.
        drop(self.consumer);
    }

    /// Waits for a record, and takes what has come with it.
    fn take_records(&self, wait: Duration) {
        let mut wait = wait;
        for _ in 0..BATCH {
            match self.consumer.poll(wait) {
                None => return,
                Some(Ok(message)) => {
                    let record = Record::read(&message);
                    let partition = number(message.partition());
                    self.shared().state().read(partition, record, self.now());
                    self.shared().tell();
                }
                Some(Err(error)) => self.failed(&error),
            }
            wait = Duration::ZERO;
        }
    }

    fn failed(&self, error: &KafkaError) {
        let principal = self.config.security.principal();
        let group = matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::GroupAuthorizationFailed));
        let action = if group { "consume with the group" } else { "read the topic" };
        let asked = Asked { principal: &principal, action, name: self.topic() };
        let told = match (error, error::meaning(error)) {
            (KafkaError::MessageConsumptionFatal(code), _) => {
                let instance = &self.config.instance;
                let text = format!("the consumer '{instance}' of '{}' cannot go on: {code}", self.topic());
                Some((BusError::Unavailable(text), true))
            }
            (_, Meaning::Forbidden(_)) => Some((error::of_request(asked, error), false)),
            _ if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                Some((BusError::Unavailable(format!("the topic '{}' is not there", self.topic())), false))
            }
            _ => None,
        };
        match told {
            Some((error, lasting)) => {
                self.shared().state().fail(error, lasting);
                self.shared().tell();
            }
            None => tracing::debug!(topic = self.topic(), %error, "reading from Kafka"),
        }
    }

    /// Asks what was done of new partitions. Says whether all are known; else it has to be asked again.
    fn take_up(&self) -> bool {
        let unknown = self.shared().state().unknown();
        if unknown.is_empty() {
            return true;
        }
        match self.starts(&unknown) {
            Ok(starts) => {
                let mut state = self.shared().state();
                for (partition, starts) in unknown.iter().zip(&starts) {
                    state.take_up(*partition, starts, self.now());
                }
                drop(state);
                self.shared().tell();
                true
            }
            Err(error) => {
                tracing::warn!(topic = self.topic(), %error, "cannot ask what was done of partitions, trying again");
                self.failed(&error);
                false
            }
        }
    }

    /// Of each partition, the topic's own and those that follow it.
    fn starts(&self, partitions: &[u32]) -> KafkaResult<Vec<Vec<Start>>> {
        let GroupContext { names, member, .. } = &**self.consumer.context();
        let topics = [member.topic].into_iter().chain(member.follow.iter().copied());
        let topics: Vec<String> = topics.map(|topic| names.topic(topic)).collect();
        let mut all = TopicPartitionList::with_capacity(topics.len() * partitions.len());
        for partition in partitions {
            for topic in &topics {
                all.add_partition(topic, raw(*partition));
            }
        }
        let starts = self.starts_of(&all)?;
        Ok(starts.chunks(topics.len()).map(<[Start]>::to_vec).collect())
    }

    fn starts_of(&self, partitions: &TopicPartitionList) -> KafkaResult<Vec<Start>> {
        let at = before_now(Duration::ZERO) - SKEW;
        let lows = self.ends(partitions, Offset::Beginning)?;
        let highs = self.ends(partitions, Offset::End)?;
        let committed = self.consumer.committed_offsets(partitions.clone(), self.config.request_timeout)?;
        let mut starts = Vec::with_capacity(partitions.count());
        for ((element, low), high) in committed.elements().iter().zip(lows).zip(highs) {
            element.error()?;
            let committed = match element.offset() {
                Offset::Offset(offset) => {
                    Some((u64::try_from(offset).unwrap_or(0), element.metadata().to_owned()))
                }
                _ => None,
            };
            starts.push(Start { committed, low, high, at });
        }
        Ok(starts)
    }

    fn ends(&self, partitions: &TopicPartitionList, which: Offset) -> KafkaResult<Vec<u64>> {
        ends(&self.consumer, partitions, which, self.config.request_timeout)
    }

    /// Halves of messages that nobody will complete must not hold their partition back for ever.
    fn look_for_silence(&self) {
        let now = self.now();
        let silent = self.shared().state().silent(now);
        if !silent.is_empty() {
            match self.ends(&list(self.topic(), &silent), Offset::End) {
                Ok(ends) => {
                    let mut state = self.shared().state();
                    silent.iter().zip(ends).for_each(|(partition, end)| state.log_ends(*partition, end, now));
                }
                Err(error) => {
                    tracing::debug!(topic = self.topic(), %error, "cannot ask for the end of partitions")
                }
            }
        }
        self.shared().state().expire();
    }

    fn regulate(&self) {
        let flow = self.shared().state().flow();
        let paused = (!flow.pause.is_empty()).then(|| self.consumer.pause(&list(self.topic(), &flow.pause)));
        let resumed =
            (!flow.resume.is_empty()).then(|| self.consumer.resume(&list(self.topic(), &flow.resume)));
        for error in [paused, resumed].into_iter().flatten().filter_map(Result::err) {
            tracing::error!(topic = self.topic(), %error, "cannot pause or resume partitions");
        }
    }
}
