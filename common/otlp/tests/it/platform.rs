//! A controller and an invoker in one process, which export their spans.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oxwhisk_container::ContainerFactory;
use oxwhisk_controller::{
    ApiInfo, Backends, Controller, ControllerConfig, Engine, Fleet, LocalEngine, LocalThrottles, Records,
    Server, ServerConfig, StoredCode, Telemetry,
};
use oxwhisk_core::limits::SystemLimits;
use oxwhisk_core::manifest::Manifest;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, Subject, SubjectNamespace};
use oxwhisk_invoker::{Invoker, InvokerConfig, InvokerTelemetry};
use oxwhisk_invoker_api::InvokerClient;
use oxwhisk_loadbalancer::HashPlacement;
use oxwhisk_messaging::memory::{MemoryBus, MemoryLanes, MemoryOptions};
use oxwhisk_messaging::{Bus, LaneBus};
use oxwhisk_otlp::{Collector, start};
use oxwhisk_otlp_receiver::Receiver;
use oxwhisk_store::memory::{
    MemoryActivationStore, MemoryAttachmentStore, MemoryEntityStore, MemorySubjectStore,
};
use oxwhisk_store::{ActivationStore, AttachmentStore, EntityStore, SubjectStore};
use oxwhisk_trace::SampleRate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Backing, Cluster, Member};
use crate::container::{Factory, Traces};

/// Longest wait for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

const UUID: &str = "11111111-1111-4111-8111-111111111111";
/// Of runtimes that do not mark the end of their logs. Invokers are tested with an action of `nodejs`.
const MANIFEST: &str = r#"{"runtimes": {
    "go": [{"kind": "go:1", "image": {"name": "g"}, "sentinelledLogs": false}],
    "nodejs": [{"kind": "nodejs:20", "default": true, "image": {"name": "n"}, "sentinelledLogs": false}]}}"#;

#[derive(Debug)]
pub(crate) struct Platform {
    address: SocketAddr,
    controller: Arc<Controller>,
    invoker: Arc<Invoker>,
    bus: Arc<dyn Bus>,
    cluster: Option<Cluster>,
    traces: Traces,
    stop: CancellationToken,
    exporting: JoinHandle<()>,
}

/// How controller and invoker reach each other.
pub(crate) enum Way {
    /// By calls within the process.
    OneProcess(Arc<dyn Bus>),
    /// By gRPC.
    Cluster(Arc<dyn LaneBus>),
}

impl Way {
    pub(crate) fn one_process() -> Self {
        Self::OneProcess(Arc::new(MemoryBus::new(MemoryOptions::default())))
    }

    pub(crate) fn cluster() -> Self {
        Self::Cluster(MemoryLanes::new(4, MemoryOptions::default()).member())
    }

    fn bus(&self) -> Arc<dyn Bus> {
        match self {
            Self::OneProcess(bus) => Arc::clone(bus),
            Self::Cluster(bus) => Arc::clone(bus) as Arc<dyn Bus>,
        }
    }
}

/// What differs between the ways.
struct Parts {
    records: Arc<Records>,
    engine: Arc<dyn Engine>,
    invoker: Arc<Invoker>,
    cluster: Option<Cluster>,
}

fn key() -> AuthKey {
    AuthKey { uuid: UUID.to_owned(), key: "k".repeat(64) }
}

async fn subjects() -> Arc<dyn SubjectStore> {
    let subjects = Arc::new(MemorySubjectStore::default());
    let me = EntityName::new("me").unwrap();
    let namespaces = vec![SubjectNamespace { name: me, auth: key() }];
    let subject = Subject { subject: "me".to_owned(), blocked: false, namespaces };
    subjects.put_subject(&subject).await.unwrap();
    subjects
}

impl Platform {
    /// With two actions: `hello`, and `dies`, whose container ends when it runs.
    pub(crate) async fn start(receiver: &Receiver, way: Way) -> Self {
        // What clients ask for is recorded, and nothing else.
        let collector = Collector { endpoint: receiver.endpoint(), authority: None, rate: SampleRate::NONE };
        let (tracer, exporter) = start(&collector, "platform", "platform0").unwrap();
        let stop = CancellationToken::new();
        let exporting = tokio::spawn(exporter.run(stop.clone()));
        let attachments = Arc::new(MemoryAttachmentStore::default());
        let entities: Arc<dyn EntityStore> = Arc::new(MemoryEntityStore::new(Arc::clone(&attachments)));
        let activations: Arc<dyn ActivationStore> = Arc::new(MemoryActivationStore::default());
        let manifest = Arc::new(Manifest::parse(MANIFEST).unwrap());
        let attachments = attachments as Arc<dyn AttachmentStore>;
        let limits = SystemLimits::default();
        let code =
            Arc::new(StoredCode::new(attachments, Arc::clone(&entities), Arc::clone(&manifest), limits));
        let factory = Arc::new(Factory::new());
        let traces = Arc::clone(&factory.traces);
        let bus = way.bus();
        let telemetry = InvokerTelemetry { tracer: tracer.clone(), ended: None };
        let config = InvokerConfig { telemetry, ..InvokerConfig::default() };
        let Parts { records, engine, invoker, cluster } = match way {
            Way::OneProcess(bus) => in_one_process(bus, &activations, &code, config, factory).await,
            Way::Cluster(bus) => {
                let (activations, code) = (Arc::clone(&activations), Arc::clone(&code));
                let backing = Backing { bus, activations, code };
                let member = Member::new(&backing);
                let records = Arc::clone(&member.records);
                let cluster = member.start(backing, config, factory).await;
                let (engine, invoker) = (Arc::clone(&cluster.engine), Arc::clone(&cluster.invoker));
                Parts { records, engine, invoker, cluster: Some(cluster) }
            }
        };
        let backends = Backends {
            entities,
            subjects: subjects().await,
            activations,
            code,
            records,
            bus: Arc::clone(&bus),
            engine,
            throttles: Arc::new(LocalThrottles::default()),
            elsewhere: None,
        };
        let info = ApiInfo { build: String::new(), build_number: String::new() };
        let telemetry = Telemetry { tracer, ..Telemetry::default() };
        let config = ControllerConfig { telemetry, ..ControllerConfig::new(manifest, info) };
        let controller = Controller::start(config, backends).await.unwrap();
        if let Some(cluster) = &cluster {
            cluster.ready().await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(Arc::clone(&controller), ServerConfig::default());
        tokio::spawn(async move { server.serve(listener).await });
        let platform = Self { address, controller, invoker, bus, cluster, traces, stop, exporting };
        for action in ["hello", "dies"] {
            let body = r#"{"exec": {"kind": "go:1", "code": "x"}}"#;
            assert_eq!(platform.call("PUT", action, None, body).await.0, 200);
        }
        platform
    }

    async fn call(&self, method: &str, action: &str, trace: Option<&str>, body: &str) -> (u16, String) {
        let authorization = STANDARD.encode(key().compact());
        let trace = trace.map(|trace| format!("traceparent: {trace}\r\n")).unwrap_or_default();
        let request = format!(
            "{method} /api/v1/namespaces/_/actions/{action} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
             Authorization: Basic {authorization}\r\nContent-Type: application/json\r\n{trace}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::time::timeout(DEADLINE, exchange).await.unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    pub(crate) async fn invoke(&self, action: &str, trace: Option<&str>) -> (u16, String) {
        self.call("POST", action, trace, "{}").await
    }

    /// What containers were told of traces with requests of this path. The platform's own actions have none.
    pub(crate) fn traces(&self, path: &str) -> Vec<String> {
        let traces = self.traces.lock().unwrap();
        traces
            .iter()
            .filter(|(to, trace)| to == path && !trace.is_empty())
            .map(|(_, trace)| trace.clone())
            .collect()
    }

    pub(crate) async fn stop(self) {
        assert!(self.controller.drain(DEADLINE).await);
        assert!(self.invoker.shutdown(Instant::now() + DEADLINE).await);
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
        self.bus.close().await;
        assert!(self.controller.written(DEADLINE).await);
        self.stop.cancel();
        self.exporting.await.unwrap();
    }
}

async fn in_one_process(
    bus: Arc<dyn Bus>,
    activations: &Arc<dyn ActivationStore>,
    code: &Arc<StoredCode>,
    config: InvokerConfig,
    factory: Arc<Factory>,
) -> Parts {
    let records = Arc::new(Records::new(Arc::clone(&bus), Arc::clone(activations)));
    let factory = factory as Arc<dyn ContainerFactory>;
    let invoker = Invoker::start(config, factory, Arc::clone(code) as _, Arc::clone(&records) as _, None);
    let invoker = invoker.await.unwrap();
    let invokers = vec![Arc::clone(&invoker) as Arc<dyn InvokerClient>];
    let fleet = Arc::new(Fleet::new(invokers, Arc::new(HashPlacement)));
    let engine = LocalEngine::new(fleet, bus, Arc::clone(&records), Arc::clone(activations));
    Parts { records, engine: Arc::new(engine), invoker, cluster: None }
}
