//! The bus itself.

mod begin;
mod lanes;
mod records;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_messaging::{Bus, BusError, BusStatus, Channel, Listener, Message, Receipt, Subscription, Topic};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::KafkaConfig;
use crate::consumer::{self, Running};
use crate::error::{self, Asked, ConfigError};
use crate::lanes::Running as RunningLanes;
use crate::listener::{KafkaListener, Listened};
use crate::names::Names;
use crate::observer::Observer;
use crate::partitioner::Lengths;
use crate::producer::{Outgoing, Producer};
use crate::status::Status;

/// How often producers look at the lengths of partitions, while they produce.
const LOOK: Duration = Duration::from_secs(1);

/// The bus of services on several hosts.
pub struct KafkaBus(Arc<Inner>);

impl fmt::Debug for KafkaBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaBus").field("hosts", &self.0.config.hosts).finish_non_exhaustive()
    }
}

struct Inner {
    config: KafkaConfig,
    names: Names,
    status: Arc<Status>,
    producer: Producer,
    subscriptions: tokio::sync::Mutex<HashMap<Topic, Running>>,
    lanes: tokio::sync::Mutex<Option<RunningLanes>>,
    observers: Mutex<HashMap<Topic, Arc<Observer>>>,
    routes: Mutex<HashMap<Topic, Lengths>>,
    /// Something was produced with a route since the last look at lengths.
    routed: AtomicBool,
    /// Bytes of records that were taken without waiting and are not durable yet.
    unacknowledged: AtomicUsize,
    tasks: TaskTracker,
    runtime: Handle,
    /// Nothing more is taken.
    closing: CancellationToken,
    /// Nothing more is waited for.
    closed: CancellationToken,
}

impl KafkaBus {
    /// Makes the clients; they connect by themselves. Call [`KafkaBus::ready`] before anything else, in a task of its own if
    /// need be: what is asked of the bus before that waits or fails.
    ///
    /// # Errors
    /// When the configuration is wrong in itself.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(config: KafkaConfig) -> Result<Self, ConfigError> {
        let status = Arc::new(Status::default());
        let inner = Arc::new(Inner {
            names: Names::of(&config),
            producer: Producer::new(&config, &status)?,
            config,
            status,
            subscriptions: tokio::sync::Mutex::default(),
            lanes: tokio::sync::Mutex::default(),
            observers: Mutex::default(),
            routes: Mutex::default(),
            routed: AtomicBool::new(false),
            unacknowledged: AtomicUsize::new(0),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
        });
        let (watching, measuring) = (Arc::clone(&inner), Arc::clone(&inner));
        inner.tasks.spawn(async move { watching.watch().await });
        inner.tasks.spawn(async move { measuring.measure().await });
        Ok(Self(inner))
    }
}

impl Inner {
    fn open(&self) -> Result<(), BusError> {
        if self.closing.is_cancelled() { Err(BusError::Closed) } else { Ok(()) }
    }

    async fn produce(&self, topic: Topic, message: Message) -> Result<(), BusError> {
        let name = self.names.topic(topic);
        let partition = match &message.route {
            Some(route) => {
                let count = self.producer.partitions(topic.name(), &name).await?;
                Some(self.choose(topic, route, count))
            }
            None => None,
        };
        self.append(topic, partition, message).await.map(drop)
    }

    /// Answers the offset.
    async fn append(&self, topic: Topic, partition: Option<u32>, message: Message) -> Result<u64, BusError> {
        let name = self.names.topic(topic);
        let Message { key, attempt, transient, payload, .. } = &message;
        let outgoing = Outgoing {
            name: topic.name(),
            topic: &name,
            partition,
            key,
            attempt: *attempt,
            transient: *transient,
            payload: Some(payload.clone()),
            chunked: true,
        };
        self.producer.send(outgoing).await
    }

    /// Appends a tombstone.
    async fn withdraw(&self, topic: Topic, partition: Option<u32>, key: &str) -> Result<(), BusError> {
        let name = self.names.topic(topic);
        let outgoing = Outgoing {
            name: topic.name(),
            topic: &name,
            partition,
            key,
            attempt: 1,
            transient: false,
            payload: None,
            chunked: false,
        };
        self.producer.send(outgoing).await.map(drop)
    }

    fn choose(&self, topic: Topic, route: &str, count: u32) -> u32 {
        self.routed.store(true, Ordering::Relaxed);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.entry(topic).or_default().choose(route, count)
    }

    /// Looks at the lengths of partitions now and then, as long as it matters.
    async fn measure(&self) {
        while self.closing.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            if !self.routed.swap(false, Ordering::Relaxed) {
                continue;
            }
            let topics: Vec<Topic> =
                self.routes.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
            for topic in topics {
                match self.lengths(topic).await {
                    Ok(lengths) => {
                        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
                        routes.entry(topic).or_default().found(lengths);
                    }
                    // Until the next look, what is produced is counted from what was known.
                    Err(error) => tracing::debug!(topic = topic.name(), %error, "cannot measure partitions"),
                }
            }
        }
    }

    async fn lengths(&self, topic: Topic) -> Result<Vec<u64>, BusError> {
        let name = self.names.topic(topic);
        let count = self.producer.partitions(topic.name(), &name).await?;
        let observer = self.observer(topic).map_err(|error| BusError::Unavailable(error.to_string()))?;
        observer.lengths(count).await.map_err(|error| {
            let principal = self.config.security.principal();
            let asked = Asked { principal: &principal, action: "ask for the length of", name: &name };
            error::of_request(asked, &error)
        })
    }

    fn observer(&self, topic: Topic) -> Result<Arc<Observer>, ConfigError> {
        let mut observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(observer) = observers.get(&topic) {
            return Ok(Arc::clone(observer));
        }
        let (group, name) = (self.names.group(topic), self.names.topic(topic));
        let observer = Arc::new(Observer::new(&self.config, &group, name, &self.status)?);
        observers.insert(topic, Arc::clone(&observer));
        Ok(observer)
    }

    /// Looks whether Kafka is back, whenever it went away.
    async fn watch(&self) {
        loop {
            tokio::select! {
                () = self.closing.cancelled() => return,
                () = self.status.lost.notified() => {}
            }
            while !self.status.is_available() {
                let name = self.names.topic(Topic::Completed);
                if self.producer.probe(name, Duration::from_secs(1)).await {
                    self.status.available();
                }
                if self
                    .closing
                    .run_until_cancelled(tokio::time::sleep(Duration::from_millis(200)))
                    .await
                    .is_none()
                {
                    return;
                }
            }
        }
    }

    async fn close(&self) {
        self.closing.cancel();
        let mut subscriptions = std::mem::take(&mut *self.subscriptions.lock().await);
        let mut lanes = self.lanes.lock().await.take();
        subscriptions.values().for_each(Running::close);
        lanes.iter().for_each(RunningLanes::close);
        self.tasks.close();
        let all = async {
            for running in subscriptions.values_mut() {
                running.ended().await;
            }
            if let Some(running) = &mut lanes {
                running.ended().await;
            }
            self.tasks.wait().await;
        };
        if tokio::time::timeout(self.config.close_timeout, all).await.is_err() {
            tracing::warn!("the bus is closed before everything was written to Kafka");
        }
        self.closed.cancel();
        self.producer.flush(self.config.close_timeout.min(Duration::from_secs(1))).await;
    }
}

impl Drop for KafkaBus {
    fn drop(&mut self) {
        self.0.closing.cancel();
        self.0.closed.cancel();
    }
}

#[async_trait]
impl Bus for KafkaBus {
    async fn produce(&self, topic: Topic, message: Message) -> Result<(), BusError> {
        self.0.open()?;
        self.0.produce(topic, message).await
    }

    fn produce_now(&self, topic: Topic, key: &str, payload: Vec<u8>) -> Result<Receipt, BusError> {
        topic.must_not_wait()?;
        self.0.open()?;
        records::take(&self.0, topic, key, payload)
    }

    async fn withdraw(&self, topic: Topic, key: &str) -> Result<(), BusError> {
        topic.must_hold_notes()?;
        self.0.open()?;
        self.0.withdraw(topic, None, key).await
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscription>, BusError> {
        topic.must_not_have_lanes()?;
        let mut subscriptions = self.0.subscriptions.lock().await;
        self.0.open()?;
        if let Some(running) = subscriptions.get_mut(&topic) {
            if running.is_subscribed() {
                return Err(topic.already_subscribed());
            }
            // The member of the group has the same name, and its last commit is still on the way.
            running.ended().await;
        }
        let begun = consumer::begin(&self.0.config, topic, &self.0.status);
        let (running, subscription) = begun.map_err(|error| BusError::Unavailable(error.to_string()))?;
        subscriptions.insert(topic, running);
        Ok(Box::new(subscription))
    }

    async fn partitions(&self, topic: Topic) -> Result<u32, BusError> {
        self.0.open()?;
        self.0.producer.partitions(topic.name(), &self.0.names.topic(topic)).await
    }

    async fn depth(&self, topic: Topic) -> Result<u64, BusError> {
        Ok(self.0.lengths(topic).await?.into_iter().sum())
    }

    async fn publish(&self, channel: Channel, key: &str, payload: Bytes) -> Result<(), BusError> {
        self.0.open()?;
        let name = self.0.names.channel(channel);
        let outgoing = Outgoing {
            name: channel.name(),
            topic: &name,
            partition: None,
            key,
            attempt: 1,
            transient: false,
            payload: Some(payload),
            chunked: false,
        };
        self.0.producer.send(outgoing).await.map(drop)
    }

    async fn listen(&self, channel: Channel, back: Duration) -> Result<Box<dyn Listener>, BusError> {
        self.0.open()?;
        let name = self.0.names.channel(channel);
        let partitions = self.0.producer.partitions(channel.name(), &name).await?;
        let listened = Listened { channel, partitions, back };
        let closing = self.0.closing.clone();
        let begun = KafkaListener::begin(&self.0.config, listened, &self.0.status, closing);
        Ok(Box::new(begun.await?))
    }

    fn status(&self) -> watch::Receiver<BusStatus> {
        self.0.status.subscribe()
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
