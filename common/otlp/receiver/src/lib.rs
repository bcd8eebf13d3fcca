//! A collector for tests: OTLP's own service over gRPC, which keeps the spans that it gets.
//!
//! It knows nothing of the platform, so that tests of a crate and black-box tests of the binaries look at spans alike: as
//! they come over the wire.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// How long spans are waited for: longer than anything takes on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(90);

/// Serves from its start to its end.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    seen: watch::Receiver<Seen>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// All that came, in the order in which it came.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub spans: Vec<SeenSpan>,
}

/// One span, with numbers in lower case hexadecimal.
#[derive(Clone, Debug)]
pub struct SeenSpan {
    /// `service.name` and `service.instance.id` of the process that it is of.
    pub service: String,
    pub instance: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty without one.
    pub parent: String,
    pub kind: SpanKind,
    pub attributes: BTreeMap<String, Value>,
    pub failure: Option<String>,
}

impl Seen {
    /// All of one trace.
    #[must_use]
    pub fn of_trace(&self, trace: &str) -> Self {
        Self { spans: self.spans.iter().filter(|span| span.trace == trace).cloned().collect() }
    }

    #[must_use]
    pub fn named(&self, name: &str) -> Vec<&SeenSpan> {
        self.spans.iter().filter(|span| span.name == name).collect()
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        !self.named(name).is_empty()
    }

    /// The only one of this name.
    ///
    /// # Panics
    /// When there is none, or another.
    #[must_use]
    #[track_caller]
    pub fn span(&self, name: &str) -> &SeenSpan {
        let [span] = &self.named(name)[..] else { panic!("not one '{name}': {self:?}") };
        span
    }
}

struct Collecting(watch::Sender<Seen>);

#[tonic::async_trait]
impl TraceService for Collecting {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_resource in request.into_inner().resource_spans {
            let resource = attributes(of_resource.resource.unwrap_or_default().attributes);
            let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let spans = spans.map(|span| seen(span, &resource));
            self.0.send_modify(|seen| seen.spans.extend(spans));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, Value> {
    let value = |pair: KeyValue| match pair.value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => (pair.key, json!(text)),
        Some(any_value::Value::IntValue(number)) => (pair.key, json!(number)),
        Some(any_value::Value::BoolValue(flag)) => (pair.key, json!(flag)),
        other => panic!("{} is {other:?}", pair.key),
    };
    pairs.into_iter().map(value).collect()
}

fn seen(span: Span, resource: &BTreeMap<String, Value>) -> SeenSpan {
    let kind = span.kind();
    let of_process = |key: &str| resource.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert!(span.start_time_unix_nano > 0 && span.start_time_unix_nano <= span.end_time_unix_nano);
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let failure = span.status.filter(|status| status.code == StatusCode::Error as i32);
    SeenSpan {
        service: of_process("service.name"),
        instance: of_process("service.instance.id"),
        name: span.name,
        trace: hex(span.trace_id),
        id: hex(span.span_id),
        parent: hex(span.parent_span_id),
        kind,
        attributes: attributes(span.attributes),
        failure: failure.map(|status| status.message),
    }
}

impl Receiver {
    /// At any free port of loopback.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    /// At an address that processes under test were told before.
    ///
    /// # Panics
    /// When that is taken.
    pub async fn start_at(address: &str) -> Self {
        let bound = TcpListener::bind(address).await;
        let listener = bound.unwrap_or_else(|error| panic!("cannot listen on {address}: {error}"));
        let address = listener.local_addr().expect("an address");
        let (sender, seen) = watch::channel(Seen::default());
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let service = TraceServiceServer::new(Collecting(sender));
        let serving = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            let server =
                Server::builder().add_service(service).serve_with_incoming_shutdown(incoming, stopped);
            server.await.expect("it serves");
        });
        Self { address, seen, stop, serving }
    }

    /// As an exporter is told it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until what came is enough. Spans end after what happens in them, so the outermost one comes last; batches
    /// keep that order, and each process has batches of its own.
    ///
    /// # Panics
    /// When it never is.
    pub async fn until(&self, enough: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.clone();
        let waiting = async { seen.wait_for(|seen| enough(seen)).await.expect("it serves").clone() };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(seen) => seen,
            Err(_) => panic!("never enough: {:?}", *self.seen.borrow()),
        }
    }

    /// Ends it, and its connections.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.serving).await.expect("it stops").expect("well");
    }
}
