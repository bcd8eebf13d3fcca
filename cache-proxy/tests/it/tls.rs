//! Clients over TLS.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use oxwhisk_cache_proxy::{CertificateFiles, ClientTls, Listening, Proxy, ProxyConfig, TlsError};
use oxwhisk_redis_server::{Connection, RedisServer};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::fixture::{DEADLINE, order, servers};

/// Writes a certificate for `localhost` with its key, and gives it to trust.
fn write(files: &CertificateFiles) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(&files.certificate, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

fn in_directory(directory: &Path) -> CertificateFiles {
    CertificateFiles { certificate: directory.join("tls.crt"), key: directory.join("tls.key") }
}

type Secured = Connection<StreamOwned<ClientConnection, TcpStream>>;

fn connect(proxy: &Proxy, trusted: &CertificateDer<'static>) -> Secured {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(proxy.addresses()[0]).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    Connection::new(StreamOwned::new(connection, stream))
}

fn works(proxy: &Proxy, trusted: &CertificateDer<'static>) {
    let token = proxy.control().issue(order("/guest/a")).unwrap();
    let mut client = connect(proxy, trusted);
    assert_eq!(client.call(&["AUTH", &token.reveal()]).text(), "OK");
    let value = "v".repeat(300_000);
    assert_eq!(client.call(&["SET", "k", &value]).text(), "OK");
    assert_eq!(client.call(&["GET", "k"]).text(), value);
}

#[test]
fn clients_speak_tls_with_whatever_certificate_is_there_now() {
    let Some(server) = RedisServer::start("clients_speak_tls_with_whatever_certificate_is_there_now") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let files = in_directory(directory.path());
    let first = write(&files);
    let tls = Some(Arc::new(ClientTls::open(files.clone()).unwrap()));
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let listening = [Listening { socket, tls }];
    let proxy = Proxy::start(ProxyConfig::default(), &servers(&server, None), &listening, 1).unwrap();
    works(&proxy, &first);
    // Half of it is there: the old one is kept.
    fs::write(&files.key, "no key").unwrap();
    works(&proxy, &first);
    let second = write(&files);
    works(&proxy, &second);
    // Whoever speaks no TLS is not answered.
    let mut plain = TcpStream::connect(proxy.addresses()[0]).unwrap();
    plain.set_read_timeout(Some(DEADLINE)).unwrap();
    std::io::Write::write_all(&mut plain, b"PING\r\n").unwrap();
    let mut answer = Vec::new();
    // It ends, cleanly or not.
    let _ = std::io::Read::read_to_end(&mut plain, &mut answer);
    assert!(!answer.starts_with(b"-NOAUTH") && !answer.starts_with(b"+"), "{answer:?}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let files = in_directory(directory.path());
    let Err(TlsError::Read { path, .. }) = ClientTls::open(files.clone()) else { panic!("it is not there") };
    assert_eq!(path, files.certificate);
    write(&files);
    fs::write(&files.key, "no key").unwrap();
    let Err(TlsError::Content { path, .. }) = ClientTls::open(files.clone()) else { panic!("it is no key") };
    assert_eq!(path, files.key);
}
