//! Releases that speak different versions.

use oxwhisk_grpc::version::{PROTOCOL_HEADER, VERSION_HEADER};
use oxwhisk_grpc::{ChannelOptions, ProtocolRange, Security, ServerOptions, channel};
use oxwhisk_proto::admin::v1::GetConfigRequest;
use oxwhisk_proto::admin::v1::system_client::SystemClient;
use tonic::Code;

use crate::fixture::{channel_options, options, plaintext, start_with};

fn range(text: &str) -> ProtocolRange {
    text.parse().expect("a range")
}

async fn call(server: &str, client: &str) -> Result<channel::Negotiated, tonic::Status> {
    let options = ServerOptions { protocol: range(server), ..options() };
    let address = "127.0.0.1:0".parse().expect("an address");
    let running = start_with(Security::Plaintext { insecure: false }, &address, options).await;
    let options = ChannelOptions { protocol: range(client), ..channel_options() };
    let channel = channel::connect(running.address.clone(), plaintext(), &options).expect("a channel");
    let answer = SystemClient::new(channel).get_config(GetConfigRequest {}).await?;
    assert!(answer.metadata().get(VERSION_HEADER).is_some());
    assert_eq!(answer.metadata().get(PROTOCOL_HEADER).expect("a range"), server);
    Ok(channel::negotiated(answer.metadata(), range(client))?)
}

#[tokio::test]
async fn neighbours_use_what_they_have_in_common() {
    assert_eq!(call("1-2", "2-3").await.expect("an answer").protocol, 2);
    assert_eq!(call("2-3", "1-2").await.expect("an answer").protocol, 2);
}

#[tokio::test]
async fn strangers_are_told_both_ranges() {
    let refused = call("1-2", "3-4").await.expect_err("nothing in common");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let version = env!("CARGO_PKG_VERSION");
    let text =
        format!("no common protocol version: the client (version {version}) speaks 3-4, this side 1-2");
    assert_eq!(refused.message(), text);
}
