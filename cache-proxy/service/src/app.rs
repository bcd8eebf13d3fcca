//! The whole proxy: put together, run until a signal, stopped.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_cache_proxy::{Administration, ClientTls, Listening, Proxy, ProxySource};
use oxwhisk_cache_remote::admin::AdminService;
use oxwhisk_cache_remote::server::TokensService;
use oxwhisk_grpc::settings::SecuritySettings;
use oxwhisk_grpc::{Access, Listener, Role, Security, Server, ServerOptions, TlsSource};
use oxwhisk_metrics::Metrics;
use oxwhisk_ops::{Operated, OpsOptions, OpsServer};
use oxwhisk_proto::cache::v1::cache_admin_server::CacheAdminServer;
use oxwhisk_proto::cache::v1::cache_tokens_server::CacheTokensServer;
use oxwhisk_service::telemetry::FilterHandle;
use oxwhisk_service::{Readiness, Shutdown, StopSignals, Telemetry};
use oxwhisk_settings::{Exit, Refusal, Start, open_files, ready_file};
use tokio::net::TcpListener;

use crate::config::ServiceConfig;

/// Runs the proxy until it is told to stop.
///
/// # Errors
/// When it cannot start: one line that says why, and the exit code.
pub async fn run(start: Start<ServiceConfig>) -> Result<ExitCode, Refusal> {
    let Start { config, warnings, .. } = start;
    let telemetry = Telemetry::start(&config.log).map_err(|error| Refusal::new(Exit::Config, error))?;
    oxwhisk_service::panic::log_panics();
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut stop_signals = StopSignals::install().map_err(|error| Refusal::new(Exit::Software, error))?;
    if let Err(error) = open_files::raise_limit() {
        tracing::warn!(%error, "cannot raise the limit of open files, many clients may exhaust it");
    }
    let sockets = Sockets::bind(&config).await?;
    let app = App::start(&config, sockets, telemetry.filter())?;
    announce(&config, &app.proxy)?;
    let signal = stop_signals.recv().await;
    tracing::info!("{signal}: clients' connections end");
    let stopped =
        oxwhisk_service::signals::drain_or_force(app.stop(config.shutdown_grace), stop_signals.recv()).await;
    drop(telemetry);
    Ok(match stopped {
        Ok(()) => Exit::Stopped.into(),
        Err(second) => ExitCode::from(second.exit_code()),
    })
}

/// Taken before anything else is done: a taken port and a wrong certificate are the commonest reasons not to start.
struct Sockets {
    clients: Listening,
    grpc: Listener,
    ops: TcpListener,
}

impl Sockets {
    async fn bind(config: &ServiceConfig) -> Result<Self, Refusal> {
        let unavailable = |address: std::net::SocketAddr| {
            move |error| Refusal::new(Exit::Unavailable, format!("cannot listen on {address}: {error}"))
        };
        let security = match &config.grpc.security {
            SecuritySettings::Plaintext { insecure } => Security::Plaintext { insecure: *insecure },
            SecuritySettings::MutualTls(files) => {
                let tls =
                    TlsSource::open(files.clone()).map_err(|error| Refusal::new(Exit::Config, error))?;
                if tls.identity().role() != Role::CacheProxy {
                    let fault = format!(
                        "'{}' is the certificate of {}, and this is a cache-proxy",
                        files.certificate.display(),
                        tls.identity()
                    );
                    return Err(Refusal::new(Exit::Config, fault));
                }
                Security::MutualTls(Arc::new(tls))
            }
        };
        let tls = config.tls.clone().map(ClientTls::open).transpose();
        let tls = tls.map_err(|error| Refusal::new(Exit::Config, error))?.map(Arc::new);
        let socket = std::net::TcpListener::bind(config.listen).map_err(unavailable(config.listen))?;
        let clients = Listening { socket, tls };
        let grpc = Listener::bind(&config.grpc.listen, security).await;
        let grpc = grpc.map_err(|error| Refusal::new(Exit::Unavailable, error))?;
        let ops = TcpListener::bind(config.ops.listen).await.map_err(unavailable(config.ops.listen))?;
        Ok(Self { clients, grpc, ops })
    }
}

struct App {
    proxy: Proxy,
    readiness: Readiness,
    serving: Shutdown,
    operating: Shutdown,
}

impl App {
    fn start(config: &ServiceConfig, sockets: Sockets, log: FilterHandle) -> Result<Self, Refusal> {
        let readiness = Readiness::new();
        let part = readiness.await_part("redis");
        let proxy = Proxy::start(config.proxy, &config.servers, &[sockets.clients], config.threads)
            .map_err(|error| Refusal::new(Exit::Software, error))?;
        let metrics = Metrics::new();
        metrics.add(Arc::new(ProxySource::new(&proxy)));
        let tokens = TokensService::new(
            Arc::clone(proxy.control()),
            Arc::clone(proxy.counts()),
            Arc::clone(&config.tickets),
        );
        let admin = AdminService::new(Administration::of(&proxy));
        let options = ServerOptions { grace: Duration::from_secs(1), ..ServerOptions::default() };
        let grpc = Server::builder(options)
            .service(Access::roles(&[Role::Invoker]), CacheTokensServer::new(tokens))
            .service(Access::roles(&[Role::Admin]), CacheAdminServer::new(admin))
            .reflection(oxwhisk_proto::DESCRIPTORS)
            .map_err(|error| Refusal::new(Exit::Software, error))?
            .health(readiness.clone())
            .build();
        let (serving, operating) = (Shutdown::new(), Shutdown::new());
        tracing::info!(address = %sockets.grpc.address(), "invokers are served");
        serving.spawn("grpc", grpc.serve(sockets.grpc, serving.token()));
        let (is_there, ended) = (proxy.is_there(), serving.token());
        serving.spawn("readiness of redis", async move {
            let following = part.follow(is_there, |there| match there {
                true => Ok(()),
                false => Err("it cannot be reached".to_owned()),
            });
            ended.run_until_cancelled(following).await;
        });
        let operated = Operated {
            readiness: readiness.clone(),
            metrics,
            log,
            log_admins: config.ops.log_admins.clone(),
        };
        let ops = OpsServer::new(operated, OpsOptions::default());
        operating.spawn("ops", ops.serve(sockets.ops, operating.token()));
        Ok(Self { proxy, readiness, serving, operating })
    }

    async fn stop(self, grace: Duration) {
        self.readiness.drain();
        self.serving.drain(grace).await;
        // It joins threads.
        if tokio::task::spawn_blocking(|| self.proxy.stop()).await.is_err() {
            tracing::error!("the proxy could not be stopped");
        }
        self.operating.drain(grace).await;
    }
}

fn announce(config: &ServiceConfig, proxy: &Proxy) -> Result<(), Refusal> {
    let address = proxy.addresses().first().map(ToString::to_string).unwrap_or_default();
    tracing::info!(address, "clients are served");
    let Some(path) = &config.ready_file else { return Ok(()) };
    ready_file::write(path, &address, std::process::id()).map_err(|error| {
        Refusal::new(Exit::CannotCreate, format!("cannot write '{}': {error}", path.display()))
    })
}
