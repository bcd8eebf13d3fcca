//! Handing records out.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;

use super::Spool;
use super::state::Next;
use crate::{BusError, Completer, Delivery, DeliveryId, Event, Subscription};

#[derive(Debug)]
pub(in super::super) struct SpoolSubscription {
    completer: Arc<SpoolCompleter>,
    /// What was read of a file of the backlog, and not handed out yet.
    read: VecDeque<Delivery>,
}

#[derive(Debug)]
struct SpoolCompleter(Arc<Spool>);

impl SpoolSubscription {
    pub(super) fn new(spool: Arc<Spool>) -> Self {
        Self { completer: Arc::new(SpoolCompleter(spool)), read: VecDeque::new() }
    }

    /// Reads a file of the backlog. One that cannot be read is left out, so that it does not hold up what is behind it; its
    /// records come again after a restart.
    async fn read(&mut self, number: u32) {
        let shared = Arc::clone(&self.completer.0.shared);
        let read = tokio::task::spawn_blocking(move || shared.segments.read(number)).await;
        let records = read.map_err(io::Error::other).flatten().unwrap_or_else(|error| {
            tracing::error!(segment = number, %error, "a spool file cannot be read, its records are left out");
            Vec::new()
        });
        self.read = self.completer.0.shared.state().backlog_read(number, records);
    }
}

#[async_trait]
impl Subscription for SpoolSubscription {
    async fn next(&mut self, max: usize) -> Result<Event, BusError> {
        loop {
            let next = self.completer.0.shared.state().next(max, &mut self.read)?;
            match next {
                Next::Event(event) => return Ok(event),
                Next::Read(number) => self.read(number).await,
                Next::Nothing => self.completer.0.shared.arrived.notified().await,
            }
        }
    }

    fn completer(&self) -> Arc<dyn Completer> {
        Arc::clone(&self.completer) as _
    }
}

impl Drop for SpoolSubscription {
    fn drop(&mut self) {
        self.completer.0.shared.state().unsubscribe();
    }
}

#[async_trait]
impl Completer for SpoolCompleter {
    async fn complete(&self, deliveries: &[DeliveryId]) -> Result<(), BusError> {
        self.0.complete(deliveries);
        Ok(())
    }
}
