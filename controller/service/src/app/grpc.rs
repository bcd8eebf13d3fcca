//! What is served over gRPC.

use std::sync::{Arc, OnceLock};

use oxwhisk_controller::{Controller, StoredCode};
use oxwhisk_controller_admin::{Contents, Parts};
use oxwhisk_grpc::settings::{EndpointSettings, SecuritySettings};
use oxwhisk_grpc::{
    Access, Address, ChannelOptions, Dialer, Identity, Listener, Role, Security, Server, ServerOptions,
    TlsFiles, TlsSource,
};

use oxwhisk_messaging::LaneBus;
use oxwhisk_proto::code::v1::code_server::CodeServer;
use oxwhisk_service::Readiness;
use oxwhisk_settings::{Exit, Refusal};
use oxwhisk_store::SubjectStore;
use oxwhisk_ticket::TicketIssuer;

use crate::CodeService;
use crate::caches::{Announcements, SharedCaches};
use crate::dead_letters::LaneRedrive;
use crate::directory::{FleetAccess, FleetDirectory};
use crate::peers::Peers;

/// Bytes of the largest request for code: a ticket and names.
const MAX_CODE_REQUEST: usize = 128 << 10;

/// What the services are over.
pub(super) struct Backing {
    pub(super) subjects: Arc<dyn SubjectStore>,
    pub(super) contents: Contents,
    pub(super) bus: Arc<dyn LaneBus>,
    pub(super) fleet: Arc<dyn FleetAccess>,
    pub(super) controller: Arc<OnceLock<Arc<Controller>>>,
    pub(super) announcements: Arc<Announcements>,
    pub(super) code: Arc<StoredCode>,
    pub(super) peers: Arc<Peers>,
    pub(super) tickets: Arc<TicketIssuer>,
    /// The configuration in force, without secrets.
    pub(super) dump: String,
}

pub(super) fn server(backing: Backing, readiness: Readiness) -> Result<Arc<Server>, Refusal> {
    let Backing { subjects, contents, bus, fleet, controller, announcements, code, peers, tickets, dump } =
        backing;
    let invokers = Arc::new(FleetDirectory::new(fleet));
    let caches = Arc::new(SharedCaches::new(controller, announcements));
    let redrive = Arc::new(LaneRedrive::new(Arc::clone(&bus)));
    let parts = Parts::new(subjects, contents, bus, invokers, caches, dump).with_redrive(redrive);
    let code = CodeServer::new(CodeService::new(tickets, code)).max_decoding_message_size(MAX_CODE_REQUEST);
    // Invokers and other controllers stay connected.
    let options = ServerOptions { max_connections: 4096, ..ServerOptions::default() };
    let server = oxwhisk_controller_admin::register(Server::builder(options), parts)
        .service(Access::roles(&[Role::Invoker]), code)
        .service(Access::roles(&[Role::Controller]), peers.service())
        .reflection(oxwhisk_proto::DESCRIPTORS)
        .map_err(|error| Refusal::new(Exit::Software, error))?
        .health(readiness);
    Ok(server.build())
}

/// Where gRPC is served, and how this process reaches others by it.
pub(super) struct Bound {
    pub(super) listener: Listener,
    /// Where others find it.
    pub(super) advertised: Address,
    pub(super) dialer: Dialer,
}

/// Listens where the configuration says.
pub(super) async fn bind(config: &EndpointSettings, name: &str) -> Result<Bound, Refusal> {
    let (security, dialer) = match &config.security {
        SecuritySettings::Plaintext { insecure } => {
            let dialer = Dialer::plaintext(*insecure, ChannelOptions::default());
            (Security::Plaintext { insecure: *insecure }, dialer)
        }
        SecuritySettings::MutualTls(files) => {
            let source = Arc::new(own_certificate(files, name)?);
            let dialer = Dialer::secure(Arc::clone(&source), ChannelOptions::default());
            (Security::MutualTls(source), dialer)
        }
    };
    let listener = Listener::bind(&config.listen, security).await;
    let listener = listener.map_err(|error| Refusal::new(Exit::Unavailable, error))?;
    let host = nix::unistd::gethostname().unwrap_or_default();
    let advertised = config.advertised(listener.address(), &host.to_string_lossy());
    tracing::info!(address = %listener.address(), %advertised, "gRPC is served");
    Ok(Bound { listener, advertised, dialer })
}

fn own_certificate(files: &TlsFiles, name: &str) -> Result<TlsSource, Refusal> {
    let source = TlsSource::open(files.clone()).map_err(|error| Refusal::new(Exit::Config, error))?;
    check_name(&source.identity(), name)
        .map_err(|fault| Refusal::new(Exit::Config, format!("'{}' {fault}", files.certificate.display())))?;
    Ok(source)
}

/// Others expect this controller under its name, and would refuse it under any other.
fn check_name(certified: &Identity, name: &str) -> Result<(), String> {
    if certified.role() == Role::Controller && certified.name() == name {
        return Ok(());
    }
    Err(format!("is the certificate of {certified}, and this is controller/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_of_this_controller() {
        let check = |text: &str| check_name(&text.parse().expect("an identity"), "controller0");
        assert_eq!(check("controller/controller0"), Ok(()));
        for other in ["controller/controller1", "invoker/controller0"] {
            assert!(check(other).unwrap_err().contains(other), "{other}");
        }
    }
}
