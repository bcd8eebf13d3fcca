//! A platform of one controller, and its only user.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oxwhisk_controller::{
    ApiInfo, Backends, Controller, ControllerConfig, Fleet, LocalEngine, LocalThrottles, Records,
    RecordsElsewhere, Server, ServerConfig, StoredCode, Telemetry, Throttles,
};
use oxwhisk_core::limits::{SystemLimits, UserLimits};
use oxwhisk_core::manifest::Manifest;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, Subject, SubjectNamespace};
use oxwhisk_invoker_api::{InvokerClient, RecordSink};
use oxwhisk_loadbalancer::HashPlacement;
use oxwhisk_messaging::Bus;
use oxwhisk_store::memory::{
    MemoryActivationStore, MemoryAttachmentStore, MemoryEntityStore, MemorySubjectStore,
};
use oxwhisk_store::{ActivationStore, EntityStore, SubjectStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::invoker::EchoInvoker;
use crate::slow::{SlowBus, SlowEntities};

const UUID: &str = "11111111-1111-4111-8111-111111111111";
const MANIFEST: &str = r#"{"runtimes": {"go": [{"kind": "go:1", "image": {"name": "g"}}]}}"#;
/// Longest wait for what must come.
const DEADLINE: Duration = Duration::from_secs(20);

/// What outlives a controller.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) bus: Arc<SlowBus>,
    pub(crate) entities: Arc<SlowEntities>,
    attachments: Arc<MemoryAttachmentStore>,
    pub(crate) activations: Arc<MemoryActivationStore>,
    pub(crate) subjects: Arc<MemorySubjectStore>,
    /// Each controller's own, unless a test has some.
    pub(crate) throttles: Option<Arc<dyn Throttles>>,
    pub(crate) elsewhere: Option<Arc<dyn RecordsElsewhere>>,
}

/// A running controller.
#[derive(Debug)]
pub(crate) struct Platform {
    pub(crate) invoker: Arc<EchoInvoker>,
    address: SocketAddr,
    controller: Arc<Controller>,
}

pub(crate) fn me() -> EntityName {
    EntityName::new("me").unwrap()
}

fn key() -> AuthKey {
    AuthKey { uuid: UUID.to_owned(), key: "k".repeat(64) }
}

impl Parts {
    pub(crate) async fn new() -> Self {
        let attachments = Arc::new(MemoryAttachmentStore::default());
        let subjects = Arc::new(MemorySubjectStore::default());
        let namespaces = vec![SubjectNamespace { name: me(), auth: key() }];
        let subject = Subject { subject: "me".to_owned(), blocked: false, namespaces };
        subjects.put_subject(&subject).await.unwrap();
        Self {
            bus: Arc::default(),
            entities: Arc::new(SlowEntities::new(MemoryEntityStore::new(Arc::clone(&attachments)))),
            attachments,
            activations: Arc::default(),
            subjects,
            throttles: None,
            elsewhere: None,
        }
    }

    pub(crate) async fn limit(&self, limits: UserLimits) {
        self.subjects.put_limits(&me(), Some(&limits)).await.unwrap();
    }

    pub(crate) async fn start(&self) -> Platform {
        self.start_watched(Telemetry::default()).await
    }

    pub(crate) async fn start_watched(&self, telemetry: Telemetry) -> Platform {
        let manifest = Arc::new(Manifest::parse(MANIFEST).unwrap());
        let entities = Arc::clone(&self.entities) as Arc<dyn EntityStore>;
        let activations = Arc::clone(&self.activations) as Arc<dyn ActivationStore>;
        let bus = Arc::clone(&self.bus) as Arc<dyn Bus>;
        let code = StoredCode::new(
            Arc::clone(&self.attachments) as _,
            Arc::clone(&entities),
            Arc::clone(&manifest),
            SystemLimits::default(),
        );
        let records = Arc::new(Records::new(Arc::clone(&bus), Arc::clone(&activations)));
        let invoker = Arc::new(EchoInvoker::new(Arc::clone(&records) as Arc<dyn RecordSink>));
        let invokers = vec![Arc::clone(&invoker) as Arc<dyn InvokerClient>];
        let fleet = Arc::new(Fleet::new(invokers, Arc::new(HashPlacement)));
        let engine =
            LocalEngine::new(fleet, Arc::clone(&bus), Arc::clone(&records), Arc::clone(&activations));
        let backends = Backends {
            entities,
            subjects: Arc::clone(&self.subjects) as _,
            activations,
            code: Arc::new(code),
            records,
            bus,
            engine: Arc::new(engine),
            throttles: self.throttles.clone().unwrap_or_else(|| Arc::new(LocalThrottles::default())),
            elsewhere: self.elsewhere.clone(),
        };
        let info = ApiInfo { build: String::new(), build_number: String::new() };
        let config = ControllerConfig { telemetry, ..ControllerConfig::new(manifest, info) };
        let controller = Controller::start(config, backends).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(Arc::clone(&controller), ServerConfig::default());
        tokio::spawn(async move { server.serve(listener).await });
        Platform { invoker, address, controller }
    }
}

impl Platform {
    /// Sends a request and leaves the connection to the caller.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> TcpStream {
        let authorization = STANDARD.encode(key().compact());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} /api/v1/namespaces/_/{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
             Authorization: Basic {authorization}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// The answer as it comes, head and body.
    pub(crate) async fn answer(&self, method: &str, path: &str, body: &Value) -> String {
        let mut stream = self.send(method, path, body).await;
        let mut answer = String::new();
        tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }

    /// The status and the body, `null` where it is no JSON.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.answer(method, path, body).await;
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// `GET` without credentials, outside the API.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    pub(crate) async fn drain(&self) -> bool {
        self.controller.drain(DEADLINE).await
    }
}

/// Asks until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("never: {what}"))
}
