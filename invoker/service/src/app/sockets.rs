//! Where it is reached, taken before anything else is done.

use std::sync::Arc;

use oxwhisk_core::id::InvokerId;
use oxwhisk_grpc::settings::SecuritySettings;
use oxwhisk_grpc::{Address, Identity, Listener, Role, Security, TlsSource};
use oxwhisk_settings::{Exit, Refusal};
use tokio::net::TcpListener;

use crate::config::InvokerServiceConfig;

#[derive(Debug)]
pub(super) struct Sockets {
    /// For controllers.
    pub(super) grpc: Listener,
    /// What controllers are told to connect to.
    pub(super) address: Address,
    /// `None`: plain text.
    pub(super) tls: Option<Arc<TlsSource>>,
    /// For operators.
    pub(super) ops: TcpListener,
}

impl Sockets {
    pub(super) async fn bind(config: &InvokerServiceConfig) -> Result<Self, Refusal> {
        let (tls, security) = match &config.grpc.security {
            SecuritySettings::Plaintext { insecure } => (None, Security::Plaintext { insecure: *insecure }),
            SecuritySettings::MutualTls(files) => {
                let tls =
                    TlsSource::open(files.clone()).map_err(|error| Refusal::new(Exit::Config, error))?;
                check_name(&tls.identity(), config.identity.id).map_err(|fault| {
                    Refusal::new(Exit::Config, format!("'{}' {fault}", files.certificate.display()))
                })?;
                let tls = Arc::new(tls);
                (Some(Arc::clone(&tls)), Security::MutualTls(tls))
            }
        };
        let grpc = Listener::bind(&config.grpc.listen, security).await;
        let grpc = grpc.map_err(|error| Refusal::new(Exit::Unavailable, error))?;
        let ops = TcpListener::bind(config.ops.listen).await.map_err(|error| {
            Refusal::new(Exit::Unavailable, format!("cannot listen on {}: {error}", config.ops.listen))
        })?;
        let host = nix::unistd::gethostname().unwrap_or_default();
        let address = config.grpc.advertised(grpc.address(), &host.to_string_lossy());
        Ok(Self { grpc, address, tls, ops })
    }
}

/// Controllers believe an address only when the certificate there names the invoker.
fn check_name(certified: &Identity, id: InvokerId) -> Result<(), String> {
    if certified.role() == Role::Invoker && certified.name() == id.to_string() {
        return Ok(());
    }
    Err(format!("is the certificate of {certified}, and this is {}/{id}", Role::Invoker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_of_this_invoker() {
        let check = |text: &str| check_name(&text.parse().unwrap(), InvokerId(3));
        assert_eq!(check("invoker/invoker3"), Ok(()));
        for other in ["controller/invoker3", "invoker/invoker4", "invoker/invoker03"] {
            assert!(check(other).unwrap_err().contains(other), "{other}");
        }
    }
}
