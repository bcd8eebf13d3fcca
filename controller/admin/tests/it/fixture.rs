//! A server on a unix socket, and what is behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oxwhisk_controller_admin::{Caches, Contents, InvokerDirectory, InvokerStatus, Parts, register};
use oxwhisk_core::id::InvokerId;
use oxwhisk_grpc::{
    Address, Channel, ChannelOptions, Listener, Security, Server, ServerOptions, Trust, channel,
};
use oxwhisk_messaging::Bus;
use oxwhisk_messaging::memory::{MemoryBus, MemoryOptions};
use oxwhisk_store::SubjectStore;
use oxwhisk_store::memory::{MemoryActivationStore, MemoryEntityStore, MemorySubjectStore};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Counts how often it was made to forget.
#[derive(Debug, Default)]
pub(crate) struct CountingCaches {
    pub(crate) identities: AtomicU32,
    pub(crate) entities: AtomicU32,
}

#[tonic::async_trait]
impl Caches for CountingCaches {
    async fn forget_identities(&self) {
        self.identities.fetch_add(1, Ordering::SeqCst);
    }

    async fn forget_entities(&self) {
        self.entities.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct NoInvokers;

#[tonic::async_trait]
impl InvokerDirectory for NoInvokers {
    fn invokers(&self) -> Vec<InvokerStatus> {
        Vec::new()
    }

    async fn set_enabled(&self, _id: InvokerId, _enabled: bool) -> Option<bool> {
        None
    }

    async fn drained(&self, _id: InvokerId, _limit: Duration) -> Option<u64> {
        None
    }
}

pub(crate) struct Fixture {
    pub(crate) channel: Channel,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) subjects: Arc<dyn SubjectStore>,
    pub(crate) caches: Arc<CountingCaches>,
    _stop: tokio_util::sync::DropGuard,
    _dir: TempDir,
}

pub(crate) async fn start() -> Fixture {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new(MemoryOptions::default()));
    let store = Arc::new(MemorySubjectStore::default());
    let subjects: Arc<dyn SubjectStore> = Arc::clone(&store) as _;
    let caches = Arc::new(CountingCaches::default());
    let contents = Contents {
        subjects: store,
        entities: Arc::new(MemoryEntityStore::default()),
        activations: Arc::new(MemoryActivationStore::default()),
    };
    let (own_bus, own_subjects) = (Arc::clone(&bus), Arc::clone(&subjects));
    let own_caches: Arc<dyn Caches> = Arc::clone(&caches) as _;
    let parts = Parts::new(own_subjects, contents, own_bus, Arc::new(NoInvokers), own_caches, String::new());
    let server = register(Server::builder(ServerOptions::default()), parts).build();
    let address = Address::Unix(dir.path().join("s"));
    let plain = Security::Plaintext { insecure: false };
    let listener = Listener::bind(&address, plain).await.expect("bound");
    let stop = CancellationToken::new();
    tokio::spawn(server.serve(listener, stop.clone()));
    let trust = Trust::Plaintext { insecure: false };
    let channel = channel::connect(address, trust, &ChannelOptions::default()).expect("a channel");
    Fixture { channel, bus, subjects, caches, _stop: stop.drop_guard(), _dir: dir }
}
