//! Whether Kafka can be reached, as the clients see it.

use std::sync::{Arc, Mutex, PoisonError};

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
    complaint: Mutex<Option<String>>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            current: watch::Sender::new(BusStatus::Away("Kafka was not reached yet".to_owned())),
            lost: Notify::new(),
            refused: watch::Sender::new(None),
            complaint: Mutex::default(),
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
        let away = BusStatus::Away(reason.to_owned());
        let before = self.current.send_replace(away);
        if before == BusStatus::Available {
            tracing::warn!(reason, "Kafka is away");
            self.lost.notify_one();
        }
    }

    fn complain(&self, reason: &str) {
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    /// What a client last had to complain about.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            // What was said of one of them says more than their number.
            let why = self.0.refusal().or_else(|| self.0.complaint());
            return self.0.away(&why.unwrap_or_else(|| reason.to_owned()));
        }
        self.0.complain(reason);
        if let Meaning::Refused(text) = error::meaning(&error) {
            let text = format!("{text}: {reason}");
            self.0.refused.send_replace(Some(text.clone()));
            self.0.away(&text);
        }
    }
}

impl ConsumerContext for Context {}
