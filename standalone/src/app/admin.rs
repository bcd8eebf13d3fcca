//! The admin API of this server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_controller::{Controller, Fleet};
use oxwhisk_controller_admin::parts::Health;
use oxwhisk_controller_admin::{Caches, Contents, InvokerDirectory, InvokerStatus, Parts};
use oxwhisk_core::id::InvokerId;
use oxwhisk_grpc::settings::SecuritySettings;
use oxwhisk_grpc::{Address, Listener, Security, Server, ServerOptions, TlsSource};
use oxwhisk_messaging::Bus;
use oxwhisk_service::Readiness;
use oxwhisk_settings::{Exit, Refusal};
use oxwhisk_store::SubjectStore;

use crate::config::AdminConfig;

/// The socket's name in the data directory, where `wskadmin` looks for it.
pub(super) const SOCKET: &str = "admin.sock";

/// What the API is over.
pub(super) struct Backing {
    pub(super) subjects: Arc<dyn SubjectStore>,
    pub(super) contents: Contents,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) fleet: Arc<Fleet>,
    pub(super) controller: Arc<Controller>,
    /// The configuration in force, without secrets.
    pub(super) dump: String,
}

pub(super) fn server(backing: Backing, readiness: Readiness) -> Result<Arc<Server>, Refusal> {
    let invokers = Arc::new(OwnFleet(backing.fleet));
    let caches = Arc::new(OwnCaches(backing.controller));
    let parts = Parts::new(backing.subjects, backing.contents, backing.bus, invokers, caches, backing.dump);
    let options =
        ServerOptions { max_connections: 64, grace: Duration::from_secs(2), ..ServerOptions::default() };
    let server = oxwhisk_controller_admin::register(Server::builder(options), parts)
        .reflection(oxwhisk_proto::DESCRIPTORS)
        .map_err(|error| Refusal::new(Exit::Software, error))?
        .health(readiness);
    Ok(server.build())
}

/// The socket, and the address that the configuration names. Without a socket the server does all else: some file
/// systems have none.
pub(super) async fn listeners(config: &AdminConfig, data_dir: &Path) -> Result<Vec<Listener>, Refusal> {
    let mut listeners = Vec::new();
    let socket = Address::Unix(data_dir.join(SOCKET));
    match Listener::bind(&socket, Security::Plaintext { insecure: false }).await {
        Ok(listener) => listeners.push(listener),
        Err(error) => tracing::warn!(%error, "the admin API has no socket"),
    }
    if let Some(address) = &config.listen {
        let security = security(&config.security)?;
        let listener = Listener::bind(address, security).await;
        let listener = listener.map_err(|error| Refusal::new(Exit::Unavailable, error))?;
        tracing::info!(address = %listener.address(), "the admin API is served");
        listeners.push(listener);
    }
    Ok(listeners)
}

fn security(settings: &SecuritySettings) -> Result<Security, Refusal> {
    Ok(match settings {
        SecuritySettings::Plaintext { insecure } => Security::Plaintext { insecure: *insecure },
        SecuritySettings::MutualTls(files) => {
            let source = TlsSource::open(files.clone()).map_err(|error| Refusal::new(Exit::Config, error))?;
            Security::MutualTls(Arc::new(source))
        }
    })
}

/// There is no other controller to tell.
#[derive(Debug)]
struct OwnCaches(Arc<Controller>);

#[async_trait]
impl Caches for OwnCaches {
    async fn forget_identities(&self) {
        self.0.invalidate_identities();
    }

    async fn forget_entities(&self) {
        self.0.invalidate_entities();
    }
}

/// The one invoker, in this process.
#[derive(Debug)]
struct OwnFleet(Arc<Fleet>);

#[async_trait]
impl InvokerDirectory for OwnFleet {
    fn invokers(&self) -> Vec<InvokerStatus> {
        let status = |invoker: &Arc<dyn oxwhisk_invoker_api::InvokerClient>| {
            let (enabled, running) = self.0.duty_of(invoker.id())?;
            let capacity = invoker.capacity();
            Some(InvokerStatus {
                id: invoker.id(),
                health: if enabled { Health::Up } else { Health::Down },
                enabled,
                memory: capacity.memory,
                busy: capacity.busy,
                idle: capacity.idle,
                running,
                address: "in-process".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            })
        };
        self.0.invokers().iter().filter_map(status).collect()
    }

    async fn set_enabled(&self, id: InvokerId, enabled: bool) -> Option<bool> {
        self.0.set_enabled(id, enabled)
    }

    async fn drained(&self, id: InvokerId, limit: Duration) -> Option<u64> {
        self.0.drained(id, limit).await
    }
}
