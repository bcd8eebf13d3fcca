//! Who gets through, and what is said to those who do not.

use oxwhisk_grpc::dev_certificates::Validity;
use oxwhisk_grpc::{Expected, Role, Security, TlsSource, Trust};
use std::sync::Arc;
use tonic::Code;

use crate::fixture::{Certificates, explained, identity, open, plaintext, start, start_tls, who};

#[tokio::test]
async fn both_sides_know_each_other() {
    let certificates = Certificates::new();
    let server = start_tls(&certificates).await;
    let channel = open(&server.address, certificates.trust("admin/anna", "controller/c0"));
    assert_eq!(who(channel).await.expect("an answer"), "admin/anna");
    let any = Trust::MutualTls {
        tls: certificates.source("admin/anna"),
        expected: Expected::Role(Role::Controller),
    };
    assert_eq!(who(open(&server.address, any)).await.expect("an answer"), "admin/anna");
}

#[tokio::test]
async fn another_role_is_refused_by_name() {
    let certificates = Certificates::new();
    let server = start_tls(&certificates).await;
    let refused =
        who(open(&server.address, certificates.trust("invoker/i0", "controller/c0"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(refused.message(), "invoker/i0 may not call oxwhisk.admin.v1.System");
}

#[tokio::test]
async fn a_server_of_another_name_is_not_talked_to() {
    let certificates = Certificates::new();
    let server = start_tls(&certificates).await;
    let refused =
        who(open(&server.address, certificates.trust("admin/anna", "controller/c1"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let text = explained(&refused);
    assert!(text.contains("the server is controller/c0 where controller/c1 is expected"), "{text}");
    let invoker =
        Trust::MutualTls { tls: certificates.source("admin/anna"), expected: Expected::Role(Role::Invoker) };
    let text = explained(&who(open(&server.address, invoker)).await.unwrap_err());
    assert!(text.contains("the server is controller/c0 where invoker/* is expected"), "{text}");
}

#[tokio::test]
async fn another_authority_is_trusted_by_neither_side() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = start_tls(&certificates).await;
    let trust = others.trust("admin/anna", "controller/c0");
    let text = explained(&who(open(&server.address, trust)).await.unwrap_err());
    assert!(text.contains("invalid peer certificate"), "{text}");

    // A client that trusts the server, with a certificate that the server does not trust.
    let (mut files, trusted) = (others.files("admin/anna"), certificates.files("admin/anna"));
    files.authority = trusted.authority;
    let tls = Arc::new(TlsSource::open(files).expect("usable"));
    let trust = Trust::MutualTls { tls, expected: Expected::Peer(identity("controller/c0")) };
    assert!(who(open(&server.address, trust)).await.is_err());
    let good = open(&server.address, certificates.trust("admin/anna", "controller/c0"));
    assert_eq!(who(good).await.expect("others are served"), "admin/anna");
}

#[tokio::test]
async fn expired_certificates_open_nothing() {
    let certificates = Certificates::new();
    let expired = certificates.files_with("controller/c0", Validity::expired());
    let server = start(Security::MutualTls(Arc::new(TlsSource::open(expired).expect("readable")))).await;
    let trust = certificates.trust("admin/anna", "controller/c0");
    let text = explained(&who(open(&server.address, trust)).await.unwrap_err());
    assert!(text.contains("expired"), "{text}");

    let server = start_tls(&certificates).await;
    let expired = certificates.files_with("admin/bert", Validity::expired());
    let tls = Arc::new(TlsSource::open(expired).expect("readable"));
    let trust = Trust::MutualTls { tls, expected: Expected::Peer(identity("controller/c0")) };
    let text = explained(&who(open(&server.address, trust)).await.unwrap_err());
    assert!(text.contains("CertificateExpired") || text.contains("expired"), "{text}");
}

#[tokio::test]
async fn a_certificate_that_names_nobody_or_two_opens_nothing() {
    let certificates = Certificates::new();
    let server = start_tls(&certificates).await;
    let (one, two) = (identity("admin/a").dns_name(), identity("controller/c").dns_name());
    for names in [vec!["localhost".to_owned()], vec!["*.admin.oxwhisk.internal".to_owned()], vec![one, two]] {
        let issued = certificates.authority.issue_for_names(&names, Validity::a_year()).expect("issued");
        let directory = certificates.dir.path().join("nobody");
        let files = certificates.authority.write(&directory, &issued).expect("written");
        let refused = TlsSource::open(files.clone()).expect_err("we would not use it");
        assert!(refused.to_string().contains("is nobody's"), "{refused}");
        assert!(raw_tls_request(&server.address.to_string(), &files).await.is_err(), "{names:?}");
    }
    let good = certificates.files("admin/anna");
    raw_tls_request(&server.address.to_string(), &good).await.expect("the same with a good one");
}

/// Whether a server sends anything to a TLS client that has these files and checks no names, as foreign clients may.
async fn raw_tls_request(address: &str, files: &oxwhisk_grpc::TlsFiles) -> Result<(), String> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let certificates = |path| CertificateDer::pem_file_iter(path).expect("PEM").map(|der| der.expect("PEM"));
    let mut roots = rustls::RootCertStore::empty();
    certificates(&files.authority).for_each(|root| roots.add(root).expect("a root"));
    let key = PrivateKeyDer::from_pem_file(&files.key).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&files.certificate).collect(), key)
        .expect("usable");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("c0.controller.oxwhisk.internal").expect("a name");
    let stream = tokio::net::TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| error.to_string())?;
    let request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(request).await.map_err(|error| error.to_string())?;
    match stream.read(&mut [0; 9]).await {
        Ok(0) => Err("closed".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn plain_text_and_tls_do_not_meet() {
    let certificates = Certificates::new();
    let secured = start_tls(&certificates).await;
    assert!(who(open(&secured.address, plaintext())).await.is_err());
    let plain = start(Security::Plaintext { insecure: false }).await;
    let refused =
        who(open(&plain.address, certificates.trust("admin/anna", "controller/c0"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{}", explained(&refused));
    let anonymous = who(open(&plain.address, plaintext())).await.expect("an answer");
    assert!(anonymous.starts_with("anonymous 127.0.0.1:"), "{anonymous}");
}

#[tokio::test]
async fn a_channel_in_plain_text_to_elsewhere_must_be_admitted() {
    let address: oxwhisk_grpc::Address = "192.0.2.1:5".parse().expect("an address");
    let options = crate::fixture::channel_options();
    let refused =
        oxwhisk_grpc::channel::connect(address.clone(), plaintext(), &options).expect_err("not admitted");
    assert!(refused.to_string().contains("insecure-plaintext = true"), "{refused}");
    oxwhisk_grpc::channel::connect(address, Trust::Plaintext { insecure: true }, &options).expect("admitted");
}
