//! What a controller tells those who watch it: metrics, traces, user events.

mod counts;
mod depths;
mod dispatching;
mod records;
mod request;

use std::sync::Arc;

use http::StatusCode;
use oxwhisk_events::UserEvents;
use oxwhisk_messaging::Bus;
use oxwhisk_metrics::{Metrics, Source};
use oxwhisk_trace::{Span, Tracer};

use crate::auth::Caller;
use crate::http::fault::Fault;
use crate::http::reply::Reply;
use crate::invoke::Records;
use counts::Counts;
pub(crate) use depths::Depths;
pub use dispatching::Dispatching;
use records::RecordsSource;

/// Whom a controller tells. Nobody, by default.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// Gets the controller's metrics.
    pub metrics: Metrics,
    /// Serve them at `GET /metrics` of the API too, as OpenWhisk's standalone server does.
    pub metrics_on_api: bool,
    pub tracer: Tracer,
    pub events: UserEvents,
}

/// A controller's telemetry while it runs.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) tracer: Tracer,
    pub(crate) counts: Arc<Counts>,
    /// What `GET /metrics` of the API answers, if it does.
    pub(crate) page: Option<Metrics>,
    events: UserEvents,
}

impl Watch {
    /// Registers the controller's own metrics.
    pub(crate) fn new(
        telemetry: &Telemetry,
        bus: &Arc<dyn Bus>,
        records: &Arc<Records>,
    ) -> (Arc<Self>, Depths) {
        records.trace_with(&telemetry.tracer);
        let counts = Arc::new(Counts::default());
        let (depths, sampler) = Depths::new(Arc::clone(bus));
        telemetry.metrics.add(Arc::clone(&counts) as Arc<dyn Source>);
        telemetry.metrics.add(depths);
        telemetry.metrics.add(Arc::new(RecordsSource(Arc::clone(records))));
        let watch = Self {
            tracer: telemetry.tracer.clone(),
            counts,
            page: telemetry.metrics_on_api.then(|| telemetry.metrics.clone()),
            events: telemetry.events.clone(),
        };
        (Arc::new(watch), sampler)
    }

    /// Looks at what the throttles said to an invocation, and passes it on.
    pub(crate) fn admitted<T>(&self, caller: &Caller, said: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(Fault { limit: Some(limit), .. }) = &said {
            self.counts.throttled(*limit);
            self.events.metric(&caller.dispatched, *limit, 1);
        }
        said
    }

    /// Counts an invocation that the throttles admitted, and has the log mark its beginning and its end.
    pub(crate) async fn invocation(
        &self,
        blocking: bool,
        received: i64,
        invoking: impl Future<Output = Result<Reply, Fault>>,
    ) -> Result<Reply, Fault> {
        let (count, token) = match blocking {
            true => (&self.counts.blocking, "controller_blockingActivation"),
            false => (&self.counts.non_blocking, "controller_activation"),
        };
        count.increment();
        let mut step = Span::none(None).marked(token, received);
        let said = invoking.await;
        match &said {
            Ok(reply) if blocking && reply.status == StatusCode::ACCEPTED => self.counts.outlived.increment(),
            Ok(_) => {}
            Err(fault) => step.fail(|| fault.message.clone()),
        }
        said
    }
}
