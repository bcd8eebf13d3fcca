//! Putting the parts together, before any of them works.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use oxwhisk_grpc::{Access, ChannelOptions, Role, Server, ServerOptions};
use oxwhisk_invoker_remote::Dialer;
use oxwhisk_invoker_remote::server::{InvokerIdentity, InvokerServer};
use oxwhisk_kafka::KafkaBus;
use oxwhisk_messaging::Bus;
use oxwhisk_metrics::Metrics;
use oxwhisk_ops::{Operated, OpsOptions, OpsServer};
use oxwhisk_service::readiness::Part;
use oxwhisk_service::telemetry::FilterHandle;
use oxwhisk_service::{Readiness, Shutdown};
use oxwhisk_settings::{Exit, Refusal, open_files};
use tokio_util::sync::CancellationToken;

use super::sockets::Sockets;
use super::{App, telemetry};
use crate::config::InvokerServiceConfig;
use crate::containers::Maker;

/// What [`App::work`] begins with.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) maker: Maker,
    pub(super) pool: Part,
    pub(super) kafka: Part,
}

/// Makes everything that waits for nobody, and serves it: controllers and operators are answered from here on, if only
/// that the invoker takes no work yet.
pub(super) fn build(
    config: InvokerServiceConfig,
    sockets: Sockets,
    log: FilterHandle,
) -> Result<(App, Beginning), Refusal> {
    if let Err(error) = open_files::raise_limit() {
        tracing::warn!(%error, "cannot raise the limit of open files, many containers may exhaust it");
    }
    let readiness = Readiness::new();
    let maker = Maker::of(&config.containers, config.cache.as_ref());
    let beginning = Beginning {
        pool: readiness.await_part("container pool"),
        kafka: readiness.await_part("kafka"),
        maker,
    };
    let bus = KafkaBus::new(config.kafka.clone()).map_err(|error| Refusal::new(Exit::Config, error))?;
    let bus = Arc::new(bus);
    let identity = InvokerIdentity {
        id: config.identity.id,
        incarnation: rand::random(),
        kinds: beginning.maker.kinds(&config.manifest),
    };
    let dialer = match &sockets.tls {
        Some(tls) => Dialer::secure(Arc::clone(tls), ChannelOptions::default()),
        None => Dialer::plaintext(config.insecure(), ChannelOptions::default()),
    };
    let server =
        InvokerServer::new(identity, Arc::clone(&bus) as Arc<dyn Bus>, dialer, config.remote.clone());
    let (metrics, telling) = (Metrics::new(), Shutdown::new());
    let name = config.identity.id.to_string();
    let told = Arc::clone(&bus) as Arc<dyn Bus>;
    let telemetry = telemetry::start(&config.telemetry, &name, told, &metrics, &telling)?;
    let app = App {
        address: sockets.address.to_string(),
        tls: sockets.tls.clone(),
        bus,
        server,
        readiness,
        metrics,
        telemetry,
        tasks: Shutdown::new(),
        telling,
        serving: CancellationToken::new(),
        operating: Shutdown::new(),
        factory: OnceLock::new(),
        invoker: OnceLock::new(),
        config,
    };
    app.serve(sockets, log)?;
    Ok((app, beginning))
}

impl App {
    fn serve(&self, sockets: Sockets, log: FilterHandle) -> Result<(), Refusal> {
        let options = ServerOptions { grace: Duration::from_secs(2), ..ServerOptions::default() };
        let grpc = Server::builder(options)
            .service(Access::roles(&[Role::Controller]), self.server.service())
            .reflection(oxwhisk_proto::DESCRIPTORS)
            .map_err(|error| Refusal::new(Exit::Software, error))?
            .health(self.readiness.clone())
            .build();
        tracing::info!(address = %sockets.grpc.address(), "controllers are served");
        self.tasks.spawn("grpc", grpc.serve(sockets.grpc, self.serving.clone()));
        let operated = Operated {
            readiness: self.readiness.clone(),
            metrics: self.metrics.clone(),
            log,
            log_admins: self.config.ops.log_admins.clone(),
        };
        let ops = OpsServer::new(operated, OpsOptions::default());
        self.operating.spawn("ops", ops.serve(sockets.ops, self.operating.token()));
        Ok(())
    }
}
