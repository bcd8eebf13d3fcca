//! Subscriptions and listeners of a member, on the bus that all members share.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::Shared;
use crate::{Bus as _, BusError, Completer, DeliveryId, Event, Heard, Listener, Subscription, Topic};

pub(super) type Ended = watch::Receiver<Option<BusError>>;

/// Waits until the member is gone.
async fn gone(ended: &mut Ended) -> BusError {
    match ended.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or(BusError::Closed),
        Err(_) => BusError::Closed,
    }
}

/// A subscription that waits for its turn.
#[derive(Debug)]
pub(super) struct SharedSubscription {
    topic: Topic,
    shared: Arc<Shared>,
    /// `None` while another member has it.
    inner: Option<Box<dyn Subscription>>,
    ended: Ended,
}

impl SharedSubscription {
    pub(super) fn new(topic: Topic, shared: &Arc<Shared>, ended: Ended) -> Self {
        Self { topic, shared: Arc::clone(shared), inner: None, ended }
    }

    fn give_up(&mut self) {
        if self.inner.take().is_some() {
            self.shared.changed();
        }
    }
}

/// Waits until the subscription's turn has come. May be cancelled: what it got stays in `inner`.
async fn turn(shared: &Shared, topic: Topic, inner: &mut Option<Box<dyn Subscription>>) {
    let mut news = shared.news.subscribe();
    while inner.is_none() {
        if let Ok(own) = shared.bus.subscribe(topic).await {
            *inner = Some(own);
            return;
        }
        // There is always a sender: the shared state has it.
        let _ = news.changed().await;
    }
}

#[async_trait]
impl Subscription for SharedSubscription {
    async fn next(&mut self, max: usize) -> Result<Event, BusError> {
        let Self { topic, shared, inner, ended } = self;
        let event = async {
            turn(shared, *topic, inner).await;
            match inner {
                Some(own) => own.next(max).await,
                None => Err(topic.already_subscribed()),
            }
        };
        let outcome = tokio::select! {
            biased;
            why = gone(ended) => Err(why),
            event = event => event,
        };
        if outcome.is_err() {
            self.give_up();
        }
        outcome
    }

    fn completer(&self) -> Arc<dyn Completer> {
        Arc::new(SharedCompleter {
            topic: self.topic,
            shared: Arc::clone(&self.shared),
            ended: self.ended.clone(),
        })
    }
}

impl Drop for SharedSubscription {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[derive(Debug)]
struct SharedCompleter {
    topic: Topic,
    shared: Arc<Shared>,
    ended: Ended,
}

#[async_trait]
impl Completer for SharedCompleter {
    async fn complete(&self, deliveries: &[DeliveryId]) -> Result<(), BusError> {
        if self.ended.borrow().is_none() {
            self.shared.bus.complete(self.topic, deliveries);
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct SharedListener {
    pub(super) inner: Box<dyn Listener>,
    pub(super) ended: Ended,
}

#[async_trait]
impl Listener for SharedListener {
    async fn next(&mut self) -> Result<Heard, BusError> {
        tokio::select! {
            biased;
            why = gone(&mut self.ended) => Err(why),
            heard = self.inner.next() => heard,
        }
    }
}
