//! Whether Kafka can be reached, as the clients see it.

use std::sync::Arc;

use oxwhisk_messaging::BusStatus;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::{Notify, watch};

use crate::error::{self, Meaning};

/// Shared by all clients of a bus.
#[derive(Debug)]
pub(crate) struct Status {
    current: watch::Sender<BusStatus>,
    /// Kafka went away; somebody has to look when it comes back.
    pub(crate) lost: Notify,
    /// Why Kafka refused us, which no waiting mends.
    refused: watch::Sender<Option<String>>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            current: watch::Sender::new(BusStatus::Away("Kafka was not reached yet".to_owned())),
            lost: Notify::new(),
            refused: watch::Sender::new(None),
        }
    }
}

impl Status {
    pub(crate) fn subscribe(&self) -> watch::Receiver<BusStatus> {
        self.current.subscribe()
    }

    pub(crate) fn available(&self) {
        self.refused.send_replace(None);
        self.current.send_if_modified(|current| {
            let news = *current != BusStatus::Available;
            if news {
                *current = BusStatus::Available;
                tracing::info!("Kafka is available");
            }
            news
        });
    }

    pub(crate) fn away(&self, reason: &str) {
        let news = self.current.send_if_modified(|current| {
            let news = *current == BusStatus::Available;
            *current = BusStatus::Away(reason.to_owned());
            news
        });
        if news {
            tracing::warn!(reason, "Kafka is away");
            self.lost.notify_one();
        }
    }

    pub(crate) fn is_available(&self) -> bool {
        *self.current.borrow() == BusStatus::Available
    }

    /// What Kafka said when it last refused us, unless it took us since.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.refused.borrow().clone()
    }
}

/// The context of every client: logs as we log, and tells the status.
#[derive(Clone, Debug)]
pub(crate) struct Context(pub(crate) Arc<Status>);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
            _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error::meaning(&error) {
            Meaning::Refused(text) => {
                let text = format!("{text}: {reason}");
                self.0.refused.send_replace(Some(text.clone()));
                self.0.away(&text);
            }
            Meaning::Away(_) | Meaning::Forbidden(_) => {}
        }
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            // The refusal, if it was one, says more.
            self.0.away(&self.0.refusal().unwrap_or_else(|| reason.to_owned()));
        }
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    }
}

impl ConsumerContext for Context {}
