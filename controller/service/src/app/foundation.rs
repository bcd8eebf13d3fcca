//! What there is before anything is served: stores, bus, gRPC, and the tasks around them.

use std::sync::{Arc, OnceLock};

use oxwhisk_controller::{Controller, RecentBounds, Records, Sharing, StoredCode, Telemetry};
use oxwhisk_controller_admin::Contents;
use oxwhisk_couchdb::CouchStores;
use oxwhisk_dispatch::Incarnation;
use oxwhisk_grpc::Listener;
use oxwhisk_invoker_remote::client::ControllerIdentity;
use oxwhisk_kafka::KafkaBus;
use oxwhisk_ops::{Operated, OpsOptions, OpsServer};
use oxwhisk_service::telemetry::FilterHandle;
use oxwhisk_service::{Readiness, Shutdown};
use oxwhisk_settings::{Exit, Refusal};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::engine;
use super::grpc::{self, Backing, Bound};
use super::readiness::Parts;
use super::telemetry;
use crate::caches::Announcements;
use crate::config::ServiceConfig;
use crate::peers::{PeerIdentity, PeerOptions, PeerParts, Peers};
use crate::{ClusterEngine, TicketedRecords};

/// Everything that lives as long as the process.
#[derive(Debug)]
pub(super) struct Foundation {
    pub(super) stores: Arc<CouchStores>,
    pub(super) bus: Arc<KafkaBus>,
    pub(super) code: Arc<StoredCode>,
    pub(super) records: Arc<Records>,
    pub(super) engine: Arc<ClusterEngine>,
    pub(super) peers: Arc<Peers>,
    pub(super) announcements: Arc<Announcements>,
    pub(super) sharing: Sharing,
    /// There from when it runs.
    pub(super) controller: Arc<OnceLock<Arc<Controller>>>,
    pub(super) telemetry: Telemetry,
    pub(super) readiness: Readiness,
    /// What has to be up for it; taken by whoever brings it up.
    pub(super) parts: Option<Parts>,
    /// Tasks around the controller.
    pub(super) tasks: Shutdown,
    /// The pages of operators and gRPC, which go on while the rest is drained.
    pub(super) fronts: Shutdown,
    pub(super) fronts_stop: CancellationToken,
}

impl Foundation {
    /// Builds it; asks nothing of CouchDB and Kafka.
    pub(super) async fn lay(
        config: &ServiceConfig,
        dump: String,
        log: FilterHandle,
    ) -> Result<Self, Refusal> {
        let stores =
            CouchStores::new(&config.couchdb).map_err(|error| Refusal::new(Exit::Config, chain(&error)))?;
        let stores = Arc::new(stores);
        let bus = KafkaBus::new(config.kafka.clone()).map_err(|error| Refusal::new(Exit::Config, error))?;
        let bus = Arc::new(bus);
        let code = Arc::new(StoredCode::new(
            stores.attachments(),
            stores.entities(),
            Arc::clone(&config.controller.manifest),
            config.controller.limits.clone(),
        ));
        let Bound { listener, advertised, dialer } = grpc::bind(&config.grpc, &config.name).await?;
        let incarnation = Incarnation(rand::random());
        let form = Arc::new(TicketedRecords::new(Arc::clone(&config.tickets), incarnation.0));
        let recent = RecentBounds::default();
        let records = Records::shared(Arc::clone(&bus) as _, stores.activations(), form, recent);
        let records = Arc::new(records);
        let own = PeerIdentity { name: config.name.clone(), incarnation, address: advertised.to_string() };
        let parts = PeerParts {
            bus: Arc::clone(&bus) as _,
            dialer: dialer.clone(),
            records: Arc::clone(&records) as _,
        };
        let peers = Arc::new(Peers::new(own, parts, PeerOptions::default()));
        let backing = engine::Backing {
            bus: Arc::clone(&bus) as _,
            records: Arc::clone(&records),
            activations: stores.activations(),
            identity: ControllerIdentity {
                name: config.name.clone(),
                incarnation,
                code_address: advertised.to_string(),
            },
            dialer,
            others: Arc::clone(&peers) as _,
        };
        let engine = Arc::new(engine::engine(config, backing));
        let announcements = Arc::new(Announcements::new(config.name.clone()));
        let sharing = Sharing::among_others(Arc::clone(&announcements) as _, config.cluster.unheard_ttl);
        let tasks = Shutdown::new();
        let telemetry = telemetry::start(&config.telemetry, &config.name, Arc::clone(&bus) as _, &tasks)?;
        let readiness = Readiness::new();
        let foundation = Self {
            stores,
            bus,
            code,
            records,
            engine,
            peers,
            announcements,
            sharing,
            controller: Arc::default(),
            telemetry,
            parts: Some(Parts::of(&readiness, config.ready_with)),
            readiness,
            tasks,
            fronts: Shutdown::new(),
            fronts_stop: CancellationToken::new(),
        };
        foundation.serve_operators(config, log).await?;
        foundation.serve_grpc(config, listener, dump)?;
        Ok(foundation)
    }

    async fn serve_operators(&self, config: &ServiceConfig, log: FilterHandle) -> Result<(), Refusal> {
        let address = config.ops.listen;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Refusal::new(Exit::Unavailable, format!("cannot listen on {address}: {error}"))
        })?;
        let operated = Operated {
            readiness: self.readiness.clone(),
            metrics: self.telemetry.metrics.clone(),
            log,
            log_admins: config.ops.log_admins.clone(),
        };
        let server = OpsServer::new(operated, OpsOptions::default());
        self.fronts.spawn("pages for operators", server.serve(listener, self.fronts_stop.clone()));
        Ok(())
    }

    fn serve_grpc(&self, config: &ServiceConfig, listener: Listener, dump: String) -> Result<(), Refusal> {
        let backing = Backing {
            subjects: self.stores.subjects(),
            contents: Contents {
                subjects: self.stores.subject_contents(),
                entities: self.stores.entity_contents(),
                activations: self.stores.activation_contents(),
            },
            bus: Arc::clone(&self.bus) as _,
            fleet: Arc::clone(&self.engine) as _,
            controller: Arc::clone(&self.controller),
            announcements: Arc::clone(&self.announcements),
            code: Arc::clone(&self.code),
            peers: Arc::clone(&self.peers),
            tickets: Arc::clone(&config.tickets),
            dump,
        };
        let server = grpc::server(backing, self.readiness.clone())?;
        self.fronts.spawn("grpc", server.serve(listener, self.fronts_stop.clone()));
        Ok(())
    }
}

/// An error with what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
