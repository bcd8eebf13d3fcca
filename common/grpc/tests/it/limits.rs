//! Bounds of messages, of time, of the end.

use std::time::Duration;

use oxwhisk_grpc::{Security, ServerOptions};
use oxwhisk_proto::admin::v1::system_client::SystemClient;
use oxwhisk_proto::admin::v1::{GetConfigRequest, GetQueueDepthsRequest};
use tokio::net::TcpListener;
use tonic::{Code, Request};

use crate::fixture::{MESSAGE, explained, open, options, plaintext, start, start_with, who};

const PLAIN: Security = Security::Plaintext { insecure: false };

/// Sends `size` bytes as the message of a call that takes any unknown field.
async fn call_with(address: &oxwhisk_grpc::Address, size: usize) -> Result<(), tonic::Status> {
    use oxwhisk_proto::admin::v1::{GetConfigResponse, WhoisRequest};
    // A known message type with a field that the other side ignores makes a message of any size.
    let message = GetConfigResponse { toml: "x".repeat(size) };
    let mut client = tonic::client::Grpc::new(open(address, plaintext()));
    client.ready().await.map_err(|error| tonic::Status::unknown(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static("/oxwhisk.admin.v1.System/InvalidateCache");
    let codec = tonic_prost::ProstCodec::<GetConfigResponse, WhoisRequest>::default();
    client.unary(Request::new(message), path, codec).await.map(drop)
}

#[tokio::test]
async fn too_large_messages_are_refused_and_the_connection_goes_on() {
    let server = start(PLAIN).await;
    let refused = call_with(&server.address, MESSAGE + 1).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{}", explained(&refused));
    who(open(&server.address, plaintext())).await.expect("an answer");
}

#[tokio::test]
async fn too_large_headers_are_refused() {
    let server = start(PLAIN).await;
    let mut client = SystemClient::new(open(&server.address, plaintext()));
    let mut request = Request::new(GetConfigRequest {});
    request.metadata_mut().insert("x-large", "x".repeat(20 << 10).parse().expect("a value"));
    assert!(client.get_config(request).await.is_err());
    client.get_config(GetConfigRequest {}).await.expect("an answer");
}

#[tokio::test]
async fn a_call_ends_with_its_deadline_or_the_servers() {
    let short = ServerOptions { request_timeout: Duration::from_millis(100), ..options() };
    let server = start_with(PLAIN, &"127.0.0.1:0".parse().expect("an address"), short).await;
    let mut client = SystemClient::new(open(&server.address, plaintext()));
    let ended = client.get_queue_depths(GetQueueDepthsRequest {}).await.unwrap_err();
    assert_eq!((ended.code(), ended.message()), (Code::DeadlineExceeded, "no answer within 100 ms"));
    let mut request = Request::new(GetQueueDepthsRequest {});
    request.set_timeout(Duration::from_millis(20));
    let ended = client.get_queue_depths(request).await.unwrap_err();
    assert!(matches!(ended.code(), Code::DeadlineExceeded | Code::Cancelled), "{}", explained(&ended));
}

#[tokio::test]
async fn stopping_waits_for_calls_no_longer_than_the_grace() {
    let server = start(PLAIN).await;
    let mut client = SystemClient::new(open(&server.address, plaintext()));
    let call = tokio::spawn(async move { client.get_queue_depths(GetQueueDepthsRequest {}).await });
    server.begun.notified().await;
    server.stop.cancel();
    assert!(!server.served.await.expect("it ends"), "something had to be cut off");
    call.await.expect("it ends").expect_err("it was cut off");
    assert!(who(open(&server.address, plaintext())).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn stopping_with_idle_connections_is_clean() {
    let server = start(PLAIN).await;
    let channel = open(&server.address, plaintext());
    who(channel.clone()).await.expect("an answer");
    server.stop.cancel();
    assert!(server.served.await.expect("it ends"), "nothing had to be cut off");
    assert_eq!(who(channel).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_channel_comes_back_with_the_server() {
    let server = start(PLAIN).await;
    let channel = open(&server.address, plaintext());
    who(channel.clone()).await.expect("an answer");
    server.stop.cancel();
    server.served.await.expect("it ends");
    let gone = who(channel.clone()).await.unwrap_err();
    assert_eq!(gone.code(), Code::Unavailable, "{}", explained(&gone));
    let again = start_with(PLAIN, &server.address, options()).await;
    let answered = async {
        while who(channel.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answered).await.expect("it comes back");
    again.stop.cancel();
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = silent.local_addr().expect("an address").into();
    let certificates = crate::fixture::Certificates::new();
    let refused = who(open(&address, certificates.trust("admin/a", "controller/c"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("no connection within 1000 ms"), "{}", explained(&refused));
}
