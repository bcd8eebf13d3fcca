//! `wskadmin queue`, `cache` and `config`.

use oxwhisk_grpc::Channel;
use oxwhisk_proto::admin::v1::system_client::SystemClient;
use oxwhisk_proto::admin::v1::{self, CacheScope};
use serde_json::{Map, Value, json};

use super::failed;
use crate::arguments::{CacheCommand, Scope};
use crate::output::Output;

pub(super) async fn depths(server: &Channel, output: &mut Output<'_>) -> u8 {
    match SystemClient::new(server.clone()).get_queue_depths(v1::GetQueueDepthsRequest {}).await {
        Ok(answer) => {
            let queues = answer.into_inner().queues;
            let value: Map<String, Value> =
                queues.iter().map(|queue| (queue.topic.clone(), queue.depth.into())).collect();
            output.lines(
                queues.iter().map(|queue| format!("{} = {}", queue.topic, queue.depth)),
                &value.into(),
            );
            0
        }
        Err(status) => failed(output, "get queue depths", &status),
    }
}

pub(super) async fn invalidate(command: CacheCommand, server: &Channel, output: &mut Output<'_>) -> u8 {
    let CacheCommand::Invalidate { scope } = command;
    let (scope, name) = match scope {
        Scope::All => (CacheScope::Unspecified, "all"),
        Scope::Identities => (CacheScope::Identities, "identities"),
        Scope::Entities => (CacheScope::Entities, "entities"),
    };
    let request = v1::InvalidateCacheRequest { scope: scope.into() };
    match SystemClient::new(server.clone()).invalidate_cache(request).await {
        Ok(_) => {
            output.result(&format!("Cache invalidated: {name}"), &json!({ "invalidated": name }));
            0
        }
        Err(status) => failed(output, "invalidate cache", &status),
    }
}

pub(super) async fn config(server: &Channel, output: &mut Output<'_>) -> u8 {
    match SystemClient::new(server.clone()).get_config(v1::GetConfigRequest {}).await {
        Ok(answer) => {
            let toml = answer.into_inner().toml;
            output.lines(toml.lines().map(str::to_owned), &json!({ "toml": toml }));
            0
        }
        Err(status) => failed(output, "get configuration", &status),
    }
}
