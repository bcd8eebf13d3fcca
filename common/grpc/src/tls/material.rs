//! Reading the three files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, crypto};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::identity::{Identity, IdentityError};

/// Where the parts are, each in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities whose certificates are trusted: one, or while it is being replaced several.
    pub authority: PathBuf,
    /// The own certificate, then those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Files as [`crate::dev_certificates`] and Kubernetes secrets of type `kubernetes.io/tls` name them.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            authority: directory.join("ca.crt"),
            certificate: directory.join("tls.crt"),
            key: directory.join("tls.key"),
        }
    }

    pub(super) fn each(&self) -> [&Path; 3] {
        [&self.authority, &self.certificate, &self.key]
    }
}

/// Why TLS files cannot be used: one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("'{}' cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("'{}' cannot be used: {reason}", path.display())]
    Content { path: PathBuf, reason: String },
    #[error("the certificate '{}' is nobody's: {source}", path.display())]
    Identity { path: PathBuf, source: IdentityError },
}

/// What the files hold.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) roots: Arc<RootCertStore>,
    pub(super) own: Arc<CertifiedKey>,
    pub(super) identity: Identity,
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}

pub(super) fn read(files: &TlsFiles) -> Result<Material, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.authority)? {
        roots.add(certificate).map_err(|error| content(&files.authority, error))?;
    }
    let chain = certificates(&files.certificate)?;
    let nobody = |source| TlsError::Identity { path: files.certificate.clone(), source };
    let identity = Identity::of_certificate(&chain[0]).map_err(nobody)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes(&files.key)?)
        .map_err(|_| content(&files.key, "it holds no private key in PEM"))?;
    let own = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => content(&files.key, "it is not the key of the certificate"),
        other => content(&files.key, other),
    })?;
    Ok(Material { roots: Arc::new(roots), own: Arc::new(own), identity })
}

/// At least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = bytes(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(content(path, "it holds no certificate in PEM")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(content(path, error)),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn content(path: &Path, reason: impl ToString) -> TlsError {
    TlsError::Content { path: path.to_owned(), reason: reason.to_string() }
}
