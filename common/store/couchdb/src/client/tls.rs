//! The HTTP client, and whom it trusts.

use std::path::PathBuf;

use reqwest::{Certificate, redirect};

use crate::config::CouchConfig;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the certificate authority '{path}' cannot be read")]
    Authority { path: PathBuf, source: std::io::Error },
    #[error("'{path}' holds no certificate in PEM form")]
    NoCertificate { path: PathBuf },
    #[error("there is no HTTP client")]
    Http(#[source] reqwest::Error),
}

pub(super) fn http_client(config: &CouchConfig) -> Result<reqwest::Client, ClientError> {
    // Whoever came first has installed it: there is only one in this workspace.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(config.connect_timeout)
        .pool_max_idle_per_host(config.max_connections)
        .tcp_nodelay(true)
        // CouchDB speaks HTTP/1.1.
        .http1_only()
        // A database is reached where the configuration says and nowhere else, least of all with credentials.
        .redirect(redirect::Policy::none())
        .no_proxy();
    if let Some(path) = &config.certificate_authority {
        let pem =
            std::fs::read(path).map_err(|source| ClientError::Authority { path: path.clone(), source })?;
        let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if certificates.is_empty() {
            return Err(ClientError::NoCertificate { path: path.clone() });
        }
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map_err(ClientError::Http)
}
