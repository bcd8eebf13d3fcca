//! Making events of what was told, and putting them on the bus.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use oxwhisk_core::event::{ActivationEvent, EventBody, UserEvent};
use oxwhisk_messaging::{Bus, BusStatus, Channel};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ActionMetrics;
use crate::user_events::{Counts, Told, UserEvents, What};

/// Events worked off before other tasks get their turn: half a thousand at once, and a call in a hundred waited
/// a millisecond longer for its answer.
const BATCH: usize = 32;
/// Pause after a batch that was not full. Meanwhile telling an event wakes nobody, and monitoring does not mind.
const LINGER: Duration = Duration::from_millis(50);
/// Events on their way to the bus at once.
const UNDER_WAY: usize = 64;
/// How long the end of the process waits for the last ones.
const LAST: Duration = Duration::from_secs(1);

/// Where events go.
#[derive(Clone, Debug, Default)]
pub struct Outlets {
    /// The bus whose channel `events` gets them.
    pub bus: Option<Arc<dyn Bus>>,
    /// Who counts them by action.
    pub actions: Option<Arc<ActionMetrics>>,
}

impl Outlets {
    /// Nobody wants events: there is nothing to publish.
    #[must_use]
    pub const fn are_none(&self) -> bool {
        self.bus.is_none() && self.actions.is_none()
    }
}

/// Works off what [`UserEvents`] takes.
#[derive(Debug)]
pub struct Publisher {
    /// Who tells it: `invoker0`, `controller1`.
    source: String,
    outlets: Outlets,
    queue: mpsc::Receiver<Told>,
    counts: Arc<Counts>,
}

impl Publisher {
    /// Events of `source`, and who publishes them: a task of the caller's has to [`Publisher::run`] it.
    #[must_use]
    pub fn new(source: impl Into<String>, outlets: Outlets) -> (UserEvents, Self) {
        let counts = Arc::new(Counts::default());
        let (events, queue) = UserEvents::new(Arc::clone(&counts));
        (events, Self { source: source.into(), outlets, queue, counts })
    }

    /// How many events were published and dropped.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Publishes until `stop`, and then what is left, for a moment.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        while stop
            .run_until_cancelled(self.queue.recv_many(&mut batch, BATCH))
            .await
            .is_some_and(|taken| taken > 0)
        {
            let full = batch.len() == BATCH;
            let published = self.publish(std::mem::take(&mut batch));
            if stop.run_until_cancelled(published).await.is_none() {
                break;
            }
            if full {
                tokio::task::yield_now().await;
            } else {
                stop.run_until_cancelled(tokio::time::sleep(LINGER)).await;
            }
        }
        self.queue.close();
        while let Ok(told) = self.queue.try_recv() {
            batch.push(told);
        }
        if tokio::time::timeout(LAST, self.publish(batch)).await.is_err() {
            tracing::debug!("the last user events were not published in time");
        }
    }

    async fn publish(&self, batch: Vec<Told>) {
        let mut texts = Vec::with_capacity(batch.len());
        for told in batch {
            self.counts.taken(&told);
            let Some(body) = body(&told.what) else { continue };
            if let Some(actions) = &self.outlets.actions {
                actions.count(told.caller.namespace.as_str(), &body);
            }
            if self.outlets.bus.is_some()
                && let Some(payload) = self.text(&told, body)
            {
                texts.push((told.caller.namespace, payload));
            }
        }
        let Some(bus) = &self.outlets.bus else { return };
        if *bus.status().borrow() != BusStatus::Available {
            return self.counts.dropped.add(texts.len() as u64);
        }
        let publish = |(namespace, payload): (oxwhisk_core::name::EntityName, Bytes)| async move {
            match bus.publish(Channel::Events, namespace.as_str(), payload).await {
                Ok(()) => self.counts.published.increment(),
                Err(error) => {
                    self.counts.dropped.increment();
                    tracing::debug!(%error, "a user event is lost");
                }
            }
        };
        stream::iter(texts).for_each_concurrent(UNDER_WAY, publish).await;
    }

    fn text(&self, told: &Told, body: EventBody<'_>) -> Option<Bytes> {
        let caller = &told.caller;
        let caller = (&*caller.subject, caller.namespace.as_str(), &*caller.namespace_uuid);
        let event = UserEvent::new(&self.source, caller, body, told.at);
        // Of texts and numbers only, so that it cannot fail.
        serde_json::to_vec(&event).ok().map(Bytes::from)
    }
}

/// `None`: the record does not say what ran.
fn body(what: &What) -> Option<EventBody<'_>> {
    match what {
        What::Activation(record) => ActivationEvent::of(record).map(EventBody::Activation),
        What::Metric(metric, value) => Some(EventBody::Metric { metric_name: *metric, metric_value: *value }),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use oxwhisk_core::entity::{Activation, Response, Status};
    use oxwhisk_core::event::Metric;
    use oxwhisk_core::id::ActivationId;
    use oxwhisk_core::name::EntityName;
    use oxwhisk_core::parameters::Parameters;
    use oxwhisk_core::version::Version;
    use oxwhisk_invoker_api::Caller;
    use oxwhisk_messaging::memory::{MemoryBus, MemoryOptions};
    use oxwhisk_messaging::{Heard, Listener};
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn caller() -> Caller {
        Caller {
            subject: "someone".into(),
            namespace: EntityName::new("guest").unwrap(),
            namespace_uuid: "23bc46b1".into(),
        }
    }

    pub(crate) fn record(path: &str) -> Activation {
        let mut annotations = Parameters::new();
        annotations.set("path", path);
        annotations.set("kind", "nodejs:20");
        annotations.set("limits", &json!({"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1}));
        annotations.set("waitTime", &17);
        Activation {
            namespace: caller().namespace,
            name: EntityName::new("hello").unwrap(),
            version: Version::FIRST,
            subject: "someone".into(),
            activation_id: ActivationId::generate(),
            start: 1,
            end: 124,
            duration: Some(123),
            cause: None,
            response: Response { status: Status::Success, size: Some(2), result: None },
            logs: Vec::new(),
            annotations,
            publish: false,
        }
    }

    async fn heard(listener: &mut Box<dyn Listener>) -> (String, Value) {
        let next = tokio::time::timeout(Duration::from_secs(30), listener.next()).await.expect("in time");
        let Ok(Heard::Message { key, payload }) = next else { panic!("no event: {next:?}") };
        (key, serde_json::from_slice(&payload).expect("JSON"))
    }

    #[tokio::test]
    async fn events_reach_the_bus_in_openwhisks_form() {
        let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new(MemoryOptions::default()));
        let mut listener = bus.listen(Channel::Events, std::time::Duration::ZERO).await.unwrap();
        let outlets = Outlets { bus: Some(bus), actions: None };
        let (events, publisher) = Publisher::new("invoker0", outlets);
        let (counts, stop) = (publisher.counts(), CancellationToken::new());
        let publishing = tokio::spawn(publisher.run(stop.clone()));
        let record = Arc::new(record("guest/hello"));
        events.activation(&caller(), &record);
        let (key, event) = heard(&mut listener).await;
        assert_eq!(key, "guest");
        assert_eq!(event["source"], "invoker0");
        assert_eq!(event["eventType"], "Activation");
        assert_eq!(event["userId"], "23bc46b1");
        assert_eq!(event["body"]["activationId"], record.activation_id.to_string());
        events.metric(&caller(), Metric::ConcurrentRateLimit, 1);
        let (_, event) = heard(&mut listener).await;
        assert_eq!(event["body"], json!({"metricName": "ConcurrentRateLimit", "metricValue": 1}));
        // What is told last is published on the way out.
        events.metric(&caller(), Metric::TimedRateLimit, 1);
        stop.cancel();
        publishing.await.unwrap();
        assert_eq!(heard(&mut listener).await.1["body"]["metricName"], "TimedRateLimit");
        assert_eq!((counts.published.get(), counts.dropped.get()), (3, 0));
        events.metric(&caller(), Metric::TimedRateLimit, 1);
        assert_eq!(counts.dropped.get(), 1);
    }

    #[tokio::test]
    async fn what_does_not_say_what_ran_is_no_event_and_a_closed_bus_loses_events() {
        let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new(MemoryOptions::default()));
        bus.close().await;
        let (events, publisher) = Publisher::new("invoker0", Outlets { bus: Some(bus), actions: None });
        let (counts, stop) = (publisher.counts(), CancellationToken::new());
        let mut silent = record("guest/hello");
        silent.annotations.remove_all(&["limits".to_owned()]);
        events.activation(&caller(), &Arc::new(silent));
        events.activation(&caller(), &Arc::new(record("guest/hello")));
        stop.cancel();
        publisher.run(stop).await;
        assert_eq!((counts.published.get(), counts.dropped.get()), (0, 1));
    }
}
