//! TLS for clients, where it is wanted: a certificate and its key from files that may be replaced while they are used.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, version};

/// Where they are, each in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, then those between it and its authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why they cannot be used: one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("'{}' cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("'{}' cannot be used: {reason}", path.display())]
    Content { path: PathBuf, reason: String },
}

/// What handshakes use, renewed when the files were replaced.
pub struct ClientTls {
    files: CertificateFiles,
    state: Mutex<State>,
}

struct State {
    seen: [Stamp; 2],
    config: Arc<ServerConfig>,
}

/// How a file looked; another one under the same name looks different. `None`: it cannot be looked at.
type Stamp = Option<(u64, SystemTime)>;

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn open(files: CertificateFiles) -> Result<Self, TlsError> {
        // Looked at before reading: what changes in between is read again.
        let seen = stamps(&files);
        let config = read(&files)?;
        Ok(Self { files, state: Mutex::new(State { seen, config }) })
    }

    /// For the next handshake.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps(&self.files);
        if now != state.seen {
            state.seen = now;
            match read(&self.files) {
                Ok(config) => {
                    tracing::info!(certificate = %self.files.certificate.display(), "the cache's certificate was replaced");
                    state.config = config;
                }
                Err(error) => {
                    tracing::warn!(%error, "the cache's certificate was replaced and cannot be used, the old one is kept");
                }
            }
        }
        Arc::clone(&state.config)
    }
}

fn stamps(files: &CertificateFiles) -> [Stamp; 2] {
    [&files.certificate, &files.key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    })
}

fn read(files: &CertificateFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let unusable = |path: &Path, reason: &dyn fmt::Display| TlsError::Content {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let text = bytes(&files.certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(&files.certificate, &error))?;
    if chain.is_empty() {
        return Err(unusable(&files.certificate, &"it holds no certificate in PEM"));
    }
    let key = PrivateKeyDer::from_pem_slice(&bytes(&files.key)?)
        .map_err(|_| unusable(&files.key, &"it holds no private key in PEM"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| unusable(&files.key, &error))?;
    Ok(Arc::new(config))
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}
