//! What is no client of ours: garbage, silence, slowness. Others are served meanwhile, and nothing stays open.

use std::time::Duration;

use oxwhisk_grpc::{Address, Security, ServerOptions};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::fixture::{Certificates, Running, open, options, plaintext, start, start_tls, start_with, who};

/// Longer than any limit of the servers here.
const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(server: &Running) -> TcpStream {
    TcpStream::connect(server.address.to_string()).await.expect("a connection")
}

/// Reads until the server closes.
async fn closed(mut stream: impl AsyncRead + Unpin) {
    let mut rest = Vec::new();
    // A reset ends it as well as a close does.
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the server keeps the connection open");
}

fn garbage() -> Vec<Vec<u8>> {
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    preface.extend([0xff; 64]);
    vec![
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0; 4096],
        vec![0xff; 4096],
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(),
        preface,
        (0..=255).collect(),
        b"\x16\x03\x01\x00\x05hello".to_vec(),
    ]
}

#[tokio::test]
async fn garbage_ends_its_connection_and_no_other() {
    let certificates = Certificates::new();
    for (server, trust) in [
        (start(Security::Plaintext { insecure: false }).await, plaintext()),
        (start_tls(&certificates).await, certificates.trust("admin/anna", "controller/c0")),
    ] {
        let channel = open(&server.address, trust);
        who(channel.clone()).await.expect("an answer");
        for bytes in garbage() {
            let mut stream = connect(&server).await;
            // The server may close before all is written.
            let _ = stream.write_all(&bytes).await;
            closed(stream).await;
        }
        who(channel).await.expect("still an answer");
    }
}

#[tokio::test]
async fn garbage_on_a_unix_socket_harms_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let address = Address::Unix(dir.path().join("s"));
    let server = start_with(Security::Plaintext { insecure: false }, &address, options()).await;
    for bytes in garbage() {
        let mut stream = UnixStream::connect(dir.path().join("s")).await.expect("a connection");
        let _ = stream.write_all(&bytes).await;
        closed(stream).await;
    }
    let caller = who(open(&server.address, plaintext())).await.expect("an answer");
    assert_eq!(caller, format!("local user {}", nix::unistd::geteuid()));
}

#[tokio::test]
async fn who_says_nothing_or_too_slowly_is_cut_off() {
    let certificates = Certificates::new();
    for server in [start(Security::Plaintext { insecure: false }).await, start_tls(&certificates).await] {
        closed(connect(&server).await).await;
        let (reader, mut writer) = connect(&server).await.into_split();
        let slowly = async {
            for byte in b"PRI * HTTP/2.0\r\n\r\nSM" {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if writer.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await
        };
        tokio::select! { () = closed(reader) => {}, () = slowly => {} }
    }
}

#[tokio::test]
async fn who_never_answers_pings_is_cut_off() {
    let server = start(Security::Plaintext { insecure: false }).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("written");
    closed(stream).await;
}

#[tokio::test]
async fn those_who_hold_every_place_lose_it() {
    let few = ServerOptions { max_connections: 3, ..options() };
    let server =
        start_with(Security::Plaintext { insecure: false }, &"127.0.0.1:0".parse().expect("an address"), few)
            .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect(&server).await);
    }
    who(open(&server.address, plaintext())).await.expect("an answer once their handshakes took too long");
}
