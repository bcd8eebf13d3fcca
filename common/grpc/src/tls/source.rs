//! What handshakes use, renewed when the files were replaced.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::client::Resumption;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};

use super::material::{self, Material, TlsError, TlsFiles};
use super::verify;
use crate::identity::{Expected, Identity};

/// HTTP/2, in the handshake.
const ALPN: &[u8] = b"h2";

/// TLS files in use. Shared by all servers and channels of a process.
#[derive(Debug)]
pub struct TlsSource {
    files: TlsFiles,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    seen: [Stamp; 3],
    /// Counts what was taken into use, so that users of a channel's settings know when to build them again.
    generation: u64,
    material: Arc<Material>,
    server: Arc<ServerConfig>,
}

/// How a file looked; another one under the same name looks different. `None`: it cannot be looked at.
type Stamp = Option<(u64, u64, SystemTime)>;

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()?))
}

impl TlsSource {
    /// Reads the files.
    ///
    /// # Errors
    /// When one of them cannot be used, or the certificate names none of our roles.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        // Looked at before reading: what changes in between is read again.
        let seen = files.each().map(stamp);
        let material = material::read(&files)?;
        let server = server_config(&files, &material)?;
        let state = State { seen, generation: 0, material: Arc::new(material), server };
        Ok(Self { files, state: Mutex::new(state) })
    }

    /// Whom the own certificate names.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.current().material.identity.clone()
    }

    /// For the next handshake of a server.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current().server)
    }

    /// For the next handshake of a client that expects `expected`.
    pub(crate) fn client(&self, expected: &Expected) -> Result<Arc<ClientConfig>, TlsError> {
        let material = Arc::clone(&self.current().material);
        client_config(&self.files, &material, expected)
    }

    /// The state, after a look at the files.
    fn current(&self) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.files.each().map(stamp);
        if now != state.seen {
            state.seen = now;
            let renewed = material::read(&self.files)
                .and_then(|material| Ok((server_config(&self.files, &material)?, material)));
            match renewed {
                Ok((server, material)) => {
                    state.generation += 1;
                    tracing::info!(identity = %material.identity, generation = state.generation, "TLS files were replaced");
                    (state.server, state.material) = (server, Arc::new(material));
                }
                Err(error) => {
                    tracing::warn!(%error, "TLS files were replaced and cannot be used, the old ones are kept")
                }
            }
        }
        state
    }
}

fn unusable(files: &TlsFiles, reason: impl ToString) -> TlsError {
    TlsError::Content { path: files.authority.clone(), reason: reason.to_string() }
}

fn server_config(files: &TlsFiles, material: &Material) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = material::provider();
    let verifier = verify::clients(&material.roots, &provider).map_err(|error| unusable(files, error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| unusable(files, error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&material.own))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn client_config(
    files: &TlsFiles,
    material: &Material,
    expected: &Expected,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = material::provider();
    let verifier = verify::server(&material.roots, &provider, expected.clone())
        .map_err(|error| unusable(files, error))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| unusable(files, error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&material.own))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
