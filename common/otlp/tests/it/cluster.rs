//! The engine of a cluster, and an invoker that it reaches by gRPC.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_container::ContainerFactory;
use oxwhisk_controller::{RecentBounds, Records, StoredCode};
use oxwhisk_controller_service::peers::OtherControllers;
use oxwhisk_controller_service::{ClusterEngine, CodeService, EngineConfig, EngineParts, TicketedRecords};
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_dispatch::Incarnation;
use oxwhisk_grpc::{Access, Address, ChannelOptions, Listener, Role, Security, Server, ServerOptions};
use oxwhisk_invoker::{Invoker, InvokerConfig};
use oxwhisk_invoker_remote::Dialer;
use oxwhisk_invoker_remote::client::ControllerIdentity;
use oxwhisk_invoker_remote::server::{
    HeartbeatOptions, InvokerIdentity, InvokerServer, InvokerServerOptions,
};
use oxwhisk_loadbalancer::HashPlacement;
use oxwhisk_messaging::{Bus, LaneBus};
use oxwhisk_proto::code::v1::code_server::CodeServer;
use oxwhisk_store::ActivationStore;
use oxwhisk_ticket::{KeyRing, TicketIssuer};
use tokio_util::sync::CancellationToken;

use crate::platform::DEADLINE;

/// What the engine works with.
pub(crate) struct Backing {
    pub(crate) bus: Arc<dyn LaneBus>,
    pub(crate) activations: Arc<dyn ActivationStore>,
    pub(crate) code: Arc<StoredCode>,
}

/// What both sides know of this controller, before its engine is there.
pub(crate) struct Member {
    incarnation: Incarnation,
    tickets: Arc<TicketIssuer>,
    pub(crate) records: Arc<Records>,
}

#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) engine: Arc<ClusterEngine>,
    pub(crate) invoker: Arc<Invoker>,
    conversations: InvokerServer,
    serving: CancellationToken,
}

impl Member {
    pub(crate) fn new(backing: &Backing) -> Self {
        let ring = || KeyRing::parse(&format!("1:{}=", "A".repeat(43)).into()).unwrap();
        let (incarnation, tickets) = (Incarnation(1), Arc::new(TicketIssuer::new(ring(), ring())));
        let form = Arc::new(TicketedRecords::new(Arc::clone(&tickets), incarnation.0));
        let (bus, activations) = (Arc::clone(&backing.bus), Arc::clone(&backing.activations));
        let records = Records::shared(bus, activations, form, RecentBounds::default());
        Self { incarnation, tickets, records: Arc::new(records) }
    }

    /// With one invoker.
    pub(crate) async fn start(
        self,
        backing: Backing,
        config: InvokerConfig,
        factory: Arc<dyn ContainerFactory>,
    ) -> Cluster {
        let Backing { bus, activations, code } = backing;
        let serving = CancellationToken::new();
        let code = CodeServer::new(CodeService::new(Arc::clone(&self.tickets), code));
        let code = Server::builder(options()).service(Access::roles(&[Role::Invoker]), code).build();
        let code_address = serve(code, &serving).await;
        let identity = InvokerIdentity { id: InvokerId(0), incarnation: 2, kinds: Vec::new() };
        let (for_invoker, server_options) =
            (Arc::clone(&bus) as Arc<dyn Bus>, InvokerServerOptions::default());
        let conversations = InvokerServer::new(identity, for_invoker, dialer(), server_options);
        let (code, records) = (conversations.code(), conversations.records());
        let observer = Some(conversations.observer());
        let invoker = Invoker::start(config, factory, code, records, observer).await.unwrap();
        conversations.attach(Arc::clone(&invoker) as _);
        let service =
            Server::builder(options()).service(Access::roles(&[Role::Controller]), conversations.service());
        let address = serve(service.build(), &serving).await.to_string();
        conversations.announce(HeartbeatOptions::new(address, String::new(), "1".to_owned()));
        let identity = ControllerIdentity {
            name: "controller0".to_owned(),
            incarnation: self.incarnation,
            code_address: code_address.to_string(),
        };
        let config = EngineConfig { discovery: Duration::from_millis(300), ..EngineConfig::new(identity) };
        let (records, tickets) = (self.records, self.tickets);
        let parts =
            EngineParts { bus, activations, records, tickets, dialer: dialer(), others: Arc::new(Everybody) };
        let engine = Arc::new(ClusterEngine::new(config, Box::new(HashPlacement), parts));
        Cluster { engine, invoker, conversations, serving }
    }
}

impl Cluster {
    /// Until its invoker takes work.
    pub(crate) async fn ready(&self) {
        let usable = async {
            while self.engine.usable() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, usable).await.expect("the invoker is usable");
    }

    /// After what runs has ended.
    pub(crate) async fn stop(self) {
        assert!(self.conversations.close(DEADLINE).await);
        assert!(self.engine.close(DEADLINE).await);
        self.serving.cancel();
    }
}

fn dialer() -> Dialer {
    Dialer::plaintext(false, ChannelOptions::default())
}

fn options() -> ServerOptions {
    ServerOptions { grace: Duration::ZERO, ..ServerOptions::default() }
}

async fn serve(server: Arc<Server>, serving: &CancellationToken) -> Address {
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(&address, Security::Plaintext { insecure: false }).await.unwrap();
    let address = listener.address().clone();
    tokio::spawn(server.serve(listener, serving.clone()));
    address
}

/// No controller is missed.
#[derive(Debug)]
struct Everybody;

impl OtherControllers for Everybody {
    fn is_present(&self, _incarnation: Incarnation) -> bool {
        true
    }

    fn tell_ended(&self, _incarnation: Incarnation, _ids: &[ActivationId]) {}
}
