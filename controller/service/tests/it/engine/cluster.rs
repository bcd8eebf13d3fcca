//! Controllers that share lanes and stores, and their only user.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use oxwhisk_controller::{
    ApiInfo, Backends, Controller, ControllerConfig, Engine, LocalThrottles, RecentBounds, Records, Server,
    ServerConfig, StoredCode, Telemetry,
};
use oxwhisk_controller_service::peers::OtherControllers;
use oxwhisk_controller_service::{ClusterEngine, EngineConfig, EngineParts, TicketedRecords};
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::limits::{SystemLimits, UserLimits};
use oxwhisk_core::manifest::Manifest;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, Subject, SubjectNamespace};
use oxwhisk_dispatch::Incarnation;
use oxwhisk_grpc::ChannelOptions;
use oxwhisk_invoker_remote::Dialer;
use oxwhisk_invoker_remote::client::{ControllerIdentity, ConversationOptions};
use oxwhisk_loadbalancer::HashPlacement;
use oxwhisk_loadbalancer::balancer::LineConfig;
use oxwhisk_loadbalancer::fleet::FleetConfig;
use oxwhisk_messaging::memory::{MemoryLaneBus, MemoryLanes, MemoryOptions};
use oxwhisk_messaging::{Bus, LaneBus, Topic};
use oxwhisk_store::memory::{
    MemoryActivationStore, MemoryAttachmentStore, MemoryEntityStore, MemorySubjectStore,
};
use oxwhisk_store::{ActivationStore, EntityStore, SubjectStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::invoker::InvokerProcess;
use crate::fixture::issuer;

const UUID: &str = "11111111-1111-4111-8111-111111111111";
const MANIFEST: &str = r#"{"runtimes": {"go": [{"kind": "go:1", "image": {"name": "g"}}],
    "nodejs": [{"kind": "nodejs:20", "default": true, "image": {"name": "n"}}]}}"#;
/// Longest wait for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What outlives every process.
pub(crate) struct Cluster {
    pub(crate) lanes: MemoryLanes,
    entities: Arc<MemoryEntityStore>,
    attachments: Arc<MemoryAttachmentStore>,
    pub(crate) activations: Arc<MemoryActivationStore>,
    subjects: Arc<MemorySubjectStore>,
    pub(crate) living: Arc<Living>,
}

/// Controllers that were started and not killed.
#[derive(Debug, Default)]
pub(crate) struct Living {
    engines: Mutex<HashMap<Incarnation, Weak<ClusterEngine>>>,
    /// What they tell each other is lost.
    pub(crate) silent: AtomicBool,
}

impl Living {
    fn engine(&self, incarnation: Incarnation) -> Option<Arc<ClusterEngine>> {
        self.engines.lock().unwrap().get(&incarnation)?.upgrade()
    }
}

impl OtherControllers for Living {
    fn is_present(&self, incarnation: Incarnation) -> bool {
        self.engine(incarnation).is_some()
    }

    fn tell_ended(&self, incarnation: Incarnation, ids: &[ActivationId]) {
        let engine = self.engine(incarnation).filter(|_| !self.silent.load(Ordering::Relaxed));
        let (Some(engine), ids) = (engine, ids.to_vec()) else { return };
        // Whoever tells holds its own engine's lock, and may be told at the same time.
        tokio::spawn(async move { engine.ended_elsewhere(&ids) });
    }
}

/// One life of a controller process.
pub(crate) struct ControllerProcess {
    pub(crate) engine: Arc<ClusterEngine>,
    pub(crate) incarnation: Incarnation,
    pub(crate) bus: Arc<MemoryLaneBus>,
    controller: Arc<Controller>,
    address: std::net::SocketAddr,
    serving: tokio::task::JoinHandle<()>,
    living: Arc<Living>,
}

impl Cluster {
    pub(crate) async fn new() -> Self {
        let attachments = Arc::new(MemoryAttachmentStore::default());
        let subjects = Arc::new(MemorySubjectStore::default());
        let me = EntityName::new("me").unwrap();
        let auth = AuthKey { uuid: UUID.to_owned(), key: "k".repeat(64) };
        let namespaces = vec![SubjectNamespace { name: me, auth }];
        subjects
            .put_subject(&Subject { subject: "me".to_owned(), blocked: false, namespaces })
            .await
            .unwrap();
        let cluster = Self {
            lanes: MemoryLanes::new(8, MemoryOptions::default()),
            entities: Arc::new(MemoryEntityStore::new(Arc::clone(&attachments))),
            attachments,
            activations: Arc::default(),
            subjects,
            living: Arc::default(),
        };
        let limits = UserLimits { concurrent_invocations: Some(10_000), ..UserLimits::default() };
        cluster.limit(limits).await;
        cluster
    }

    /// What the namespace may do, as often in a minute as it likes.
    pub(crate) async fn limit(&self, limits: UserLimits) {
        let limits = UserLimits { invocations_per_minute: Some(100_000), ..limits };
        self.subjects.put_limits(&EntityName::new("me").unwrap(), Some(&limits)).await.unwrap();
    }

    pub(crate) async fn invoker(&self, number: u32) -> InvokerProcess {
        InvokerProcess::start(number, self.lanes.member()).await
    }

    pub(crate) async fn controller(&self, number: u32) -> ControllerProcess {
        self.controller_with(number, |config| config).await
    }

    pub(crate) async fn controller_with(
        &self,
        number: u32,
        change: impl FnOnce(EngineConfig) -> EngineConfig,
    ) -> ControllerProcess {
        self.controller_watched(number, change, Telemetry::default()).await
    }

    pub(crate) async fn controller_watched(
        &self,
        number: u32,
        change: impl FnOnce(EngineConfig) -> EngineConfig,
        telemetry: Telemetry,
    ) -> ControllerProcess {
        let bus = self.lanes.member();
        let incarnation = Incarnation(rand::random());
        let identity = ControllerIdentity {
            name: format!("controller{number}"),
            incarnation,
            code_address: "127.0.0.1:1".to_owned(),
        };
        let config = EngineConfig {
            discovery: Duration::from_millis(300),
            retry_first: Duration::from_millis(10),
            retry_longest: Duration::from_millis(100),
            fleet: FleetConfig { offline_after: Duration::from_millis(800), ..FleetConfig::default() },
            line: LineConfig { wait_limit: DEADLINE, ..LineConfig::default() },
            conversation: ConversationOptions {
                hello_timeout: DEADLINE,
                retry_longest: Duration::from_millis(100),
                ..ConversationOptions::default()
            },
            ..EngineConfig::new(identity)
        };
        let tickets = Arc::new(issuer('A'));
        let activations = Arc::clone(&self.activations) as Arc<dyn ActivationStore>;
        let form = Arc::new(TicketedRecords::new(Arc::clone(&tickets), incarnation.0));
        let records = Arc::new(Records::shared(
            Arc::clone(&bus) as Arc<dyn Bus>,
            Arc::clone(&activations),
            form,
            RecentBounds::default(),
        ));
        let parts = EngineParts {
            bus: Arc::clone(&bus) as Arc<dyn LaneBus>,
            activations: Arc::clone(&activations),
            records: Arc::clone(&records),
            tickets,
            dialer: Dialer::plaintext(false, ChannelOptions::default()),
            others: Arc::clone(&self.living) as _,
        };
        let engine = Arc::new(ClusterEngine::new(change(config), Box::new(HashPlacement), parts));
        self.living.engines.lock().unwrap().insert(incarnation, Arc::downgrade(&engine));
        let manifest = Arc::new(Manifest::parse(MANIFEST).unwrap());
        let entities = Arc::clone(&self.entities) as Arc<dyn EntityStore>;
        let code = StoredCode::new(
            Arc::clone(&self.attachments) as _,
            Arc::clone(&entities),
            Arc::clone(&manifest),
            SystemLimits::default(),
        );
        let backends = Backends {
            entities,
            subjects: Arc::clone(&self.subjects) as _,
            activations,
            code: Arc::new(code),
            records,
            bus: Arc::clone(&bus) as Arc<dyn Bus>,
            engine: Arc::clone(&engine) as Arc<dyn Engine>,
            throttles: Arc::new(LocalThrottles::default()),
            elsewhere: None,
        };
        let info = ApiInfo { build: String::new(), build_number: String::new() };
        let config = ControllerConfig { telemetry, ..ControllerConfig::new(manifest, info) };
        let controller = Controller::start(config, backends).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(Arc::clone(&controller), ServerConfig::default());
        let serving = tokio::spawn(async move { server.serve(listener).await });
        ControllerProcess {
            engine,
            incarnation,
            bus,
            controller,
            address,
            serving,
            living: Arc::clone(&self.living),
        }
    }

    /// How many records there are of an activation: at most one.
    pub(crate) async fn record(&self, id: ActivationId) -> Option<Activation> {
        let namespace = EntityName::new("me").unwrap();
        let document = self.activations.get(&namespace, id).await.unwrap()?;
        Some(Activation::from_document(&document).unwrap())
    }

    pub(crate) async fn recorded(&self, id: ActivationId) -> Activation {
        until("a record", async || self.record(id).await).await
    }

    /// Nothing is queued, noted or parked any more.
    pub(crate) async fn settled(&self) {
        let bus = self.lanes.member();
        for topic in [Topic::Activations, Topic::Parked, Topic::InFlight] {
            until(topic.name(), async || (bus.depth(topic).await.unwrap() == 0).then_some(())).await;
        }
    }
}

impl ControllerProcess {
    /// The status and the body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let key = format!("{UUID}:{}", "k".repeat(64));
        let authorization = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key);
        let request = format!(
            "{method} /api/v1/namespaces/_/{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
             Authorization: Basic {authorization}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{text}",
            text.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        let status = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    pub(crate) async fn create(&self, name: &str, annotations: Value) {
        let body = json!({
            "exec": {"kind": "go:1", "code": "c"}, "annotations": annotations, "limits": {"memory": 256},
        });
        let (status, answer) = self.call("PUT", &format!("actions/{name}?overwrite=true"), &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) async fn submit(&self, name: &str, body: &Value) -> ActivationId {
        let (status, answer) = self.call("POST", &format!("actions/{name}"), body).await;
        assert_eq!(status, 202, "{answer}");
        id_of(&answer)
    }

    /// Until so many invokers take work.
    pub(crate) async fn sees(&self, invokers: usize) {
        until("usable invokers", async || (self.engine.usable() == invokers).then_some(())).await;
    }

    /// As a `kill -9`: what it has not written is gone with it.
    pub(crate) async fn kill(self) {
        self.living.engines.lock().unwrap().remove(&self.incarnation);
        self.bus.kill();
        self.serving.abort();
        self.engine.close(DEADLINE).await;
        drop(self.controller);
    }
}

pub(crate) fn id_of(answer: &Value) -> ActivationId {
    answer["activationId"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
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
