//! Sending spans in batches.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use oxwhisk_trace::{FinishedSpan, SampleRate, SpanSink, Tracer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, ClientTlsConfig};

use crate::convert::span_data;
use crate::queue::{Counts, Queue};

/// Spans sent together.
const BATCH: usize = 512;
/// Pause after a batch that was not full: meanwhile a span that ends wakes nobody.
const LINGER: Duration = Duration::from_millis(200);
/// Longest attempt to send a batch, its repetitions included.
const LIMIT: Duration = Duration::from_secs(10);
/// How long the end of the process waits for the last batches.
const LAST: Duration = Duration::from_secs(2);

/// Where spans go, and which.
#[derive(Clone, Debug, PartialEq)]
pub struct Collector {
    /// `http://host:4317`, or `https://...`.
    pub endpoint: String,
    /// PEM of the authority that signed the collector's certificate; needed for `https`.
    pub authority: Option<String>,
    /// Of new traces.
    pub rate: SampleRate,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot export traces to '{endpoint}': {source}")]
pub struct StartError {
    endpoint: String,
    source: ExporterBuildError,
}

/// Sends what the tracer records.
#[derive(Debug)]
pub struct Exporter {
    exporter: SpanExporter,
    endpoint: String,
    scope: InstrumentationScope,
    queue: mpsc::Receiver<FinishedSpan>,
    counts: Arc<Counts>,
    /// Whether the collector took the last batch, so that only changes are logged.
    reachable: bool,
}

/// A tracer for a service (`controller`) of which this process is an `instance` (`controller0`), and its exporter. Connects
/// when there is something to send.
///
/// # Errors
/// When the endpoint is none.
///
/// # Panics
/// Outside a tokio runtime.
pub fn start(
    collector: &Collector,
    service: &'static str,
    instance: &str,
) -> Result<(Tracer, Exporter), StartError> {
    let failed = |source| StartError { endpoint: collector.endpoint.clone(), source };
    let builder = SpanExporter::builder().with_tonic().with_endpoint(&collector.endpoint).with_timeout(LIMIT);
    let builder = match &collector.authority {
        Some(pem) => {
            builder.with_tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
        }
        None => builder,
    };
    let mut exporter = builder.build().map_err(failed)?;
    exporter.set_resource(&resource(service, instance));
    let counts = Arc::new(Counts::default());
    let (queue, receiver) = Queue::new(Arc::clone(&counts));
    let tracer = Tracer::new(Arc::new(queue) as Arc<dyn SpanSink>, collector.rate);
    let exporter = Exporter {
        exporter,
        endpoint: collector.endpoint.clone(),
        scope: InstrumentationScope::builder("oxwhisk").with_version(env!("CARGO_PKG_VERSION")).build(),
        queue: receiver,
        counts,
        reachable: true,
    };
    Ok((tracer, exporter))
}

fn resource(service: &'static str, instance: &str) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.namespace", "oxwhisk"),
            KeyValue::new("service.name", service),
            KeyValue::new("service.instance.id", instance.to_owned()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build()
}

impl Exporter {
    /// How many spans were sent and dropped.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Sends until `stop`, and then what is left, for a moment.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        while stop
            .run_until_cancelled(self.queue.recv_many(&mut batch, BATCH))
            .await
            .is_some_and(|taken| taken > 0)
        {
            let full = batch.len() == BATCH;
            self.send(std::mem::take(&mut batch), &stop).await;
            if !full {
                stop.run_until_cancelled(tokio::time::sleep(LINGER)).await;
            }
        }
        self.queue.close();
        let rest = async {
            while self.queue.recv_many(&mut batch, BATCH).await > 0 {
                self.send(std::mem::take(&mut batch), &CancellationToken::new()).await;
            }
        };
        if tokio::time::timeout(LAST, rest).await.is_err() {
            tracing::debug!("the last spans were not sent in time");
        }
    }

    /// Sends a batch; one that is under way when the process is told to stop gets a last moment.
    async fn send(&mut self, batch: Vec<FinishedSpan>, stop: &CancellationToken) {
        let count = batch.len() as u64;
        let batch = batch.into_iter().map(|span| span_data(span, &self.scope)).collect();
        let sending = self.exporter.export(batch);
        let over = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST).await;
        };
        let sent = tokio::select! {
            sent = sending => sent.map_err(|error| error.to_string()),
            () = over => Err("the process stops".to_owned()),
        };
        match sent {
            Ok(()) => {
                self.counts.exported.add(count);
                if !std::mem::replace(&mut self.reachable, true) {
                    tracing::info!(endpoint = self.endpoint, "the collector takes spans again");
                }
            }
            Err(reason) => {
                self.counts.dropped.add(count);
                if std::mem::replace(&mut self.reachable, false) {
                    tracing::warn!(endpoint = self.endpoint, reason, "the collector takes no spans");
                }
            }
        }
    }
}
