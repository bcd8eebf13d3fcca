//! Controllers that find each other over a bus in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxwhisk_controller::{InFlight, NotAdmitted, RecordsHere, Throttles};
use oxwhisk_controller_service::peers::{MembershipListener, PeerIdentity, PeerOptions, PeerParts, Peers};
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_dispatch::Incarnation;
use oxwhisk_grpc::channel::Backoff;
use oxwhisk_grpc::dev_certificates::Authority;
use oxwhisk_grpc::{Access, ChannelOptions, Dialer, Listener, Role, Security, Server, ServerOptions};
use oxwhisk_messaging::memory::MemoryBus;
use oxwhisk_throttle::{Account, Config, Kind, Limits, View};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::proxy::Proxy;
use crate::fixture::source;

/// Longest wait for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What all controllers share.
pub(crate) struct Cluster {
    pub(crate) bus: Arc<MemoryBus>,
    pub(crate) authority: Authority,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) options: PeerOptions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Joined(String, Incarnation),
    Gone(Incarnation),
    CutOff(Incarnation),
    Ended(Vec<ActivationId>),
    Members(usize),
}

/// Everything that a controller was told.
#[derive(Debug, Default)]
pub(crate) struct Diary(Mutex<Vec<Told>>);

impl Diary {
    pub(crate) fn all(&self) -> Vec<Told> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn has(&self, told: &Told) -> bool {
        self.0.lock().unwrap().contains(told)
    }

    pub(crate) fn members(&self) -> usize {
        let told = self.all();
        let members = told.iter().rev().find_map(|told| match told {
            Told::Members(count) => Some(*count),
            _ => None,
        });
        members.unwrap_or(1)
    }
}

impl MembershipListener for Diary {
    fn joined(&self, peer: &PeerIdentity) {
        self.0.lock().unwrap().push(Told::Joined(peer.name.clone(), peer.incarnation));
    }

    fn gone(&self, incarnation: Incarnation) {
        self.0.lock().unwrap().push(Told::Gone(incarnation));
    }

    fn cut_off(&self, incarnation: Incarnation) {
        self.0.lock().unwrap().push(Told::CutOff(incarnation));
    }

    fn ended(&self, ids: &[ActivationId]) {
        self.0.lock().unwrap().push(Told::Ended(ids.to_vec()));
    }

    fn members(&self, view: &View) {
        self.0.lock().unwrap().push(Told::Members(view.members().len()));
    }
}

/// Records that a controller has.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<HashMap<ActivationId, Arc<Activation>>>);

impl Shelf {
    pub(crate) fn put(&self, record: Activation) {
        self.0.lock().unwrap().insert(record.activation_id, Arc::new(record));
    }
}

impl RecordsHere for Shelf {
    fn held(&self, namespace: &EntityName, id: ActivationId) -> Option<Arc<Activation>> {
        self.0.lock().unwrap().get(&id).filter(|record| record.namespace == *namespace).cloned()
    }
}

/// One running controller. Dropped, it dies: its connections break and its address refuses.
pub(crate) struct Node {
    pub(crate) identity: PeerIdentity,
    pub(crate) peers: Peers,
    pub(crate) diary: Arc<Diary>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) proxy: Proxy,
    pub(crate) throttles: Arc<dyn Throttles>,
    stop: CancellationToken,
    server: JoinHandle<bool>,
}

fn options() -> PeerOptions {
    let lease = Duration::from_secs(1);
    PeerOptions {
        heartbeat: Duration::from_millis(50),
        // However busy the machine is, nobody is refused because of it.
        throttles: Config { lease, patience: DEADLINE, idle: lease, ..Config::default() },
        silence: DEADLINE,
        greet_timeout: Duration::from_secs(20),
        record_timeout: Duration::from_secs(20),
        ..PeerOptions::default()
    }
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self {
            bus: Arc::new(MemoryBus::default()),
            authority: Authority::generate("test").unwrap(),
            directory: tempfile::tempdir().unwrap(),
            options: options(),
        }
    }

    pub(crate) fn dialer(&self, identity: &str) -> Dialer {
        let backoff = Backoff { first: Duration::from_millis(5), longest: Duration::from_millis(100) };
        let options = ChannelOptions { backoff, connect_timeout: DEADLINE, ..ChannelOptions::default() };
        Dialer::secure(source(&self.authority, self.directory.path(), identity), options)
    }

    /// A controller, which may not have found the others yet.
    pub(crate) async fn start(&self, name: &str, incarnation: u64) -> Node {
        let certificate = format!("controller/{name}");
        let tls = source(&self.authority, self.directory.path(), &certificate);
        let listener =
            Listener::bind(&"127.0.0.1:0".parse().unwrap(), Security::MutualTls(tls)).await.unwrap();
        let proxy = Proxy::start(listener.address().to_string()).await;
        let identity = PeerIdentity {
            name: name.to_owned(),
            incarnation: Incarnation(incarnation),
            address: proxy.address.to_string(),
        };
        let shelf = Arc::new(Shelf::default());
        let parts = PeerParts {
            bus: Arc::clone(&self.bus) as _,
            dialer: self.dialer(&certificate),
            records: Arc::clone(&shelf) as _,
        };
        let peers = Peers::new(identity.clone(), parts, self.options.clone());
        let server = Server::builder(ServerOptions { grace: Duration::ZERO, ..ServerOptions::default() })
            .service(Access::roles(&[Role::Controller]), peers.service())
            .build();
        let stop = CancellationToken::new();
        let server = tokio::spawn(server.serve(listener, stop.clone()));
        let diary = Arc::new(Diary::default());
        peers.start(Arc::clone(&diary) as _);
        let throttles = peers.throttles();
        Node { identity, peers, diary, shelf, proxy, throttles, stop, server }
    }

    /// So many controllers that all know each other.
    pub(crate) async fn of(&self, count: u64) -> Vec<Node> {
        let mut nodes = Vec::new();
        for number in 0..count {
            nodes.push(self.start(&format!("controller{number}"), 100 + number).await);
        }
        together(&nodes).await;
        nodes
    }
}

/// Waits until all of these, and no others, decide together and talk to each other.
pub(crate) async fn together(nodes: &[Node]) {
    for node in nodes {
        let what = format!("{} knows {}", node.identity.name, nodes.len());
        until(&what, async || (node.diary.members() == nodes.len()).then_some(())).await;
        assert!(node.peers.settled(DEADLINE).await, "{}: {:?}", node.identity.name, node.diary.all());
    }
}

impl Node {
    /// Asks for one invocation of the account.
    pub(crate) async fn admit(&self, account: &Account, limits: Limits) -> Result<InFlight, NotAdmitted> {
        Arc::clone(&self.throttles).admit(account.clone(), limits, now()).decided().await
    }

    /// Dies. What it had in flight is given to whoever asks for it, so that it is not given back.
    pub(crate) async fn kill(self) {
        let Self { peers, proxy, stop, server, .. } = self;
        drop((peers, proxy));
        stop.cancel();
        server.await.unwrap();
    }
}

pub(crate) fn account(namespace: &str, kind: Kind) -> Account {
    Account { namespace: namespace.into(), kind }
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
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
