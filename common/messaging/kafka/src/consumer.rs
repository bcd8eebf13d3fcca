//! Consuming a queue as a member of its group.

mod poll;
mod state;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use oxwhisk_messaging::{BusError, Completer, DeliveryId, Event, Subscription, Topic};
use tokio::sync::{Notify, watch};

use crate::config::KafkaConfig;
use crate::error::ConfigError;
use crate::status::Status;
pub(crate) use poll::ends;
use state::State;

/// What the poll loop and the program share.
pub(crate) struct Shared {
    state: Mutex<State>,
    arrived: Notify,
    stop: AtomicBool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn close(&self) {
        self.state().close();
        self.stop();
        self.arrived.notify_one();
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// A poll loop that was begun.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    /// Becomes true when it has written its last commit and left.
    ended: watch::Receiver<bool>,
}

impl Running {
    pub(crate) fn is_subscribed(&self) -> bool {
        !self.shared.is_stopped()
    }

    pub(crate) async fn ended(&mut self) {
        // An error says that the thread is gone.
        let _ = self.ended.wait_for(|ended| *ended).await;
    }
}

/// Begins to consume.
pub(crate) fn begin(
    config: &KafkaConfig,
    topic: Topic,
    status: &Arc<Status>,
) -> Result<(Running, KafkaSubscription), ConfigError> {
    let shared = Arc::new(Shared {
        state: Mutex::new(State::new(config.consuming, topic.holds_notes())),
        arrived: Notify::new(),
        stop: AtomicBool::new(false),
    });
    let ended = poll::start(config, topic, status, &shared)?;
    let running = Running { shared: Arc::clone(&shared), ended };
    Ok((running, KafkaSubscription { topic, shared }))
}

pub(crate) struct KafkaSubscription {
    topic: Topic,
    shared: Arc<Shared>,
}

impl fmt::Debug for KafkaSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KafkaSubscription").field(&self.topic).finish()
    }
}

#[async_trait]
impl Subscription for KafkaSubscription {
    async fn next(&mut self, max: usize) -> Result<Event, BusError> {
        loop {
            if let Some(event) = self.shared.state().next(max)? {
                return Ok(event);
            }
            self.shared.arrived.notified().await;
        }
    }

    fn completer(&self) -> Arc<dyn Completer> {
        Arc::new(KafkaCompleter { topic: self.topic, shared: Arc::clone(&self.shared) })
    }
}

impl Drop for KafkaSubscription {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

struct KafkaCompleter {
    topic: Topic,
    shared: Arc<Shared>,
}

impl fmt::Debug for KafkaCompleter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KafkaCompleter").field(&self.topic).finish()
    }
}

#[async_trait]
impl Completer for KafkaCompleter {
    /// Committed within the commit interval.
    async fn complete(&self, deliveries: &[DeliveryId]) -> Result<(), BusError> {
        self.shared.state().complete(deliveries);
        Ok(())
    }
}
