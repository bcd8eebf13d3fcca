//! The configuration of a cache-proxy: what each key means here.

mod redis;
mod tickets;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_cache_proxy::{CertificateFiles, ProxyConfig, Servers};
use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_grpc::settings::{EndpointSettings, read_endpoint};
use oxwhisk_ops::settings::OpsConfig;
use oxwhisk_service::LogConfig;
use oxwhisk_settings::log;
use oxwhisk_ticket::TicketVerifier;

use crate::cli::Args;

const GRPC: &str = "oxwhisk.grpc";
const GRPC_PORT: u16 = 9097;
const OPS_PORT: u16 = 8087;
const LISTEN: &str = "oxwhisk.cache.listen";
const PORT: u16 = 6380;
const THREADS: &str = "oxwhisk.cache.threads";

/// Everything a cache-proxy is started with.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// For clients.
    pub listen: SocketAddr,
    /// `None`: they speak plain text.
    pub tls: Option<CertificateFiles>,
    pub threads: usize,
    pub proxy: ProxyConfig,
    pub servers: Servers,
    pub tickets: Arc<TicketVerifier>,
    /// For invokers.
    pub grpc: EndpointSettings,
    pub ops: OpsConfig,
    pub log: LogConfig,
    /// Written when clients are served.
    pub ready_file: Option<PathBuf>,
    /// For what is being answered when the proxy is stopped.
    pub shutdown_grace: Duration,
}

struct Listen(SocketAddr);

impl Setting for Listen {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("'{text}' is not an address such as '10.0.0.7:6380'"))
    }

    fn literal(&self) -> String {
        setting::quoted(&self.0.to_string())
    }
}

/// Reads every key. `None` after a fault, which is then with the settings.
pub(crate) fn read(settings: &mut Settings, args: &Args, is_terminal: bool) -> Option<ServiceConfig> {
    let Listen(listen) = settings.value(LISTEN, Listen(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT)));
    let threads = settings.value(THREADS, 1u16);
    if threads == 0 {
        settings.fault(THREADS, "must be at least 1");
    }
    let tls = read_tls(settings);
    let proxy = oxwhisk_cache_proxy::settings::read(settings);
    let servers = redis::read(settings);
    let tickets = tickets::read(settings);
    let grpc = read_endpoint(settings, GRPC, GRPC_PORT);
    let ops = oxwhisk_ops::settings::read(settings, OPS_PORT);
    let log = log::read(settings, is_terminal);
    let shutdown_grace = settings.value("oxwhisk.shutdown-grace", Duration::from_secs(5));
    Some(ServiceConfig {
        listen,
        tls,
        threads: threads.into(),
        proxy,
        servers: servers?,
        tickets: Arc::new(tickets?),
        grpc,
        ops,
        log,
        ready_file: args.ready_file.clone(),
        shutdown_grace,
    })
}

/// Both files or none.
fn read_tls(settings: &mut Settings) -> Option<CertificateFiles> {
    let names = ["certificate", "key"].map(|name| format!("oxwhisk.cache.tls.{name}"));
    let certificate: Option<PathBuf> = settings.optional(&names[0]);
    let key: Option<PathBuf> = settings.optional(&names[1]);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
        (None, None) => None,
        (None, Some(_)) => {
            settings.fault(&names[0], "is not set: TLS for clients takes both files");
            None
        }
        (Some(_), None) => {
            settings.fault(&names[1], "is not set: TLS for clients takes both files");
            None
        }
    }
}
