//! A collector: OTLP's own service, which keeps what it gets.

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
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::platform::DEADLINE;

#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    seen: watch::Receiver<Seen>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// All that came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) spans: Vec<SeenSpan>,
    pub(crate) resources: BTreeMap<String, Value>,
}

#[derive(Clone, Debug)]
pub(crate) struct SeenSpan {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty without one.
    pub(crate) parent: String,
    pub(crate) kind: i32,
    pub(crate) attributes: BTreeMap<String, Value>,
    pub(crate) failure: Option<String>,
}

impl Seen {
    pub(crate) fn named(&self, name: &str) -> Vec<&SeenSpan> {
        self.spans.iter().filter(|span| span.name == name).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        !self.named(name).is_empty()
    }

    /// The only one of this name.
    #[track_caller]
    pub(crate) fn span(&self, name: &str) -> &SeenSpan {
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
            let resources = attributes(of_resource.resource.unwrap_or_default().attributes);
            let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans).map(seen);
            self.0.send_modify(|seen| {
                seen.resources.extend(resources);
                seen.spans.extend(spans);
            });
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

fn seen(span: Span) -> SeenSpan {
    assert!(span.start_time_unix_nano > 0 && span.start_time_unix_nano <= span.end_time_unix_nano);
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let failure = span.status.filter(|status| status.code == StatusCode::Error as i32);
    SeenSpan {
        name: span.name,
        trace: hex(span.trace_id),
        id: hex(span.span_id),
        parent: hex(span.parent_span_id),
        kind: span.kind,
        attributes: attributes(span.attributes),
        failure: failure.map(|status| status.message),
    }
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
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

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until what came is enough. Spans end after what happens in them, so the outermost one comes last; batches
    /// keep that order.
    pub(crate) async fn until(&self, enough: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.clone();
        let waiting = async { seen.wait_for(|seen| enough(seen)).await.expect("it serves").clone() };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(seen) => seen,
            Err(_) => panic!("never enough: {:?}", *self.seen.borrow()),
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(30), self.serving).await.expect("it stops").expect("well");
    }
}
