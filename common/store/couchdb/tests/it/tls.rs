//! Whom the stores trust.

use std::path::PathBuf;
use std::sync::Arc;

use oxwhisk_couchdb::{CouchConfig, CouchStores, Retries};
use oxwhisk_store::StoreError;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto::ring};

use crate::samples::id;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn file(&self, directory: &tempfile::TempDir, name: &str) -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, self.0.pem()).unwrap();
        path
    }

    /// A server at `localhost` that says of every document that it is not there. Answers its port.
    async fn serve(&self, tasks: &mut JoinSet<()>) -> u16 {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = Vec::new();
                // The request has no body, so that its first part is all of it.
                let _ = stream.read_buf(&mut request).await;
                let body = r#"{"error":"not_found","reason":"missing"}"#;
                let answer = format!(
                    "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        port
    }
}

fn stores(port: u16, certificate_authority: Option<PathBuf>) -> CouchStores {
    let retries = Retries { attempts: 1, ..Retries::default() };
    let config = CouchConfig::at(&format!("https://localhost:{port}")).unwrap();
    CouchStores::new(&CouchConfig { certificate_authority, retries, ..config }).unwrap()
}

#[tokio::test]
async fn only_a_server_of_the_right_authority_is_talked_to() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, other) = (Authority::new(), Authority::new());
    let mut tasks = JoinSet::new();
    let port = authority.serve(&mut tasks).await;
    let trusting = stores(port, Some(authority.file(&directory, "right.pem")));
    assert!(trusting.entities().get(&id("a")).await.unwrap().is_none());
    for authority in [Some(other.file(&directory, "wrong.pem")), None] {
        let outcome = stores(port, authority.clone()).entities().get(&id("a")).await;
        let Err(StoreError::Unavailable(text)) = outcome else { panic!("{authority:?}: {outcome:?}") };
        assert!(
            text.contains("certificate") && text.contains(&format!("https://localhost:{port}")),
            "{text}"
        );
    }
}

#[test]
fn an_authority_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let config = |path: PathBuf| {
        let config = CouchConfig::at("https://localhost:1").unwrap();
        CouchConfig { certificate_authority: Some(path), ..config }
    };
    let why = |path: PathBuf| {
        let error = CouchStores::new(&config(path)).unwrap_err();
        std::error::Error::source(&error).expect("the cause").to_string()
    };
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    assert!(why(empty).contains("empty.pem' holds no certificate"));
    assert!(why(directory.path().join("absent.pem")).contains("absent.pem' cannot be read"));
}
