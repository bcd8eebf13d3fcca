//! `wskadmin limits`.

use oxwhisk_grpc::Channel;
use oxwhisk_proto::admin;
use oxwhisk_proto::admin::v1::limits_client::LimitsClient;
use oxwhisk_proto::admin::v1::{self, NamespaceLimits, Reason, Strings};
use serde_json::{Map, Value, json};

use super::detail;
use crate::arguments::{LimitsCommand, LimitsSet};
use crate::output::Output;
use crate::python;

pub(super) async fn run(command: LimitsCommand, server: &Channel, output: &mut Output<'_>) -> u8 {
    let mut client = LimitsClient::new(server.clone());
    let (what, outcome) = match command {
        LimitsCommand::Set(set) => {
            let namespace = set.namespace.clone();
            let request = v1::SetLimitsRequest {
                namespace: namespace.clone(),
                limits: Some(limits_of(*set)),
                replace: false,
            };
            let answered = client.set_limits(request).await;
            (
                "set limits",
                answered.map(|answer| {
                    let limits = named(&answer.into_inner().limits.unwrap_or_default());
                    output.result(&format!("Limits successfully set for \"{namespace}\""), &as_json(limits));
                }),
            )
        }
        LimitsCommand::Get { namespace } => {
            match client.get_limits(v1::GetLimitsRequest { namespace }).await {
                Err(status) if admin::reason(&status) == Reason::LimitsMissing => {
                    output.result("No limits found, default system limits apply", &json!({}));
                    return 0;
                }
                answered => (
                    "get limits",
                    answered.map(|answer| {
                        let limits = named(&answer.into_inner().limits.unwrap_or_default());
                        let lines: Vec<String> = limits
                            .iter()
                            .map(|(name, limit)| format!("{name} = {}", limit.as_python()))
                            .collect();
                        output.lines(lines, &as_json(limits));
                    }),
                ),
            }
        }
        LimitsCommand::Delete { namespace } => {
            let value = json!({ "deleted": namespace });
            let answered = client.delete_limits(v1::DeleteLimitsRequest { namespace }).await;
            ("delete limits", answered.map(|_| output.result("Limits deleted", &value)))
        }
    };
    match outcome {
        Ok(()) => 0,
        Err(status) => {
            output.failure(&format!("Failed to {what} ({})", detail(&status)));
            1
        }
    }
}

fn limits_of(set: LimitsSet) -> NamespaceLimits {
    NamespaceLimits {
        invocations_per_minute: set.invocations_per_minute,
        concurrent_invocations: set.concurrent_invocations,
        fires_per_minute: set.fires_per_minute,
        allowed_kinds: set.allowed_kinds.map(|values| Strings { values }),
        store_activations: set.store_activations,
        min_action_memory: set.min_action_memory,
        max_action_memory: set.max_action_memory,
        min_action_logs: set.min_action_logs,
        max_action_logs: set.max_action_logs,
        min_action_timeout: set.min_action_timeout,
        max_action_timeout: set.max_action_timeout,
        min_action_concurrency: set.min_action_concurrency,
        max_action_concurrency: set.max_action_concurrency,
        max_parameter_size: set.max_parameter_size,
        max_payload_size: set.max_payload_size,
        truncation_size: set.truncation_size,
        cache_default: set.cache_default,
        cache_bytes: set.cache_bytes,
        cache_keys: set.cache_keys,
        cache_value_bytes: set.cache_value_bytes,
        cache_operations_per_second: set.cache_operations_per_second,
        cache_connections: set.cache_connections,
        cache_refuse_when_full: set.cache_refuse_when_full,
        ..NamespaceLimits::default()
    }
}

/// The value of a limit.
enum Limit {
    Number(u64),
    Text(String),
    List(Vec<String>),
    Boolean(bool),
}

impl Limit {
    fn as_python(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(values) => python::list(values),
            Self::Boolean(value) => python::boolean(*value).to_owned(),
        }
    }
}

impl From<Limit> for Value {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Number(number) => number.into(),
            Limit::Text(text) => text.into(),
            Limit::List(values) => values.into(),
            Limit::Boolean(value) => value.into(),
        }
    }
}

/// Limits that are set, by OpenWhisk's names and in its order, then ours.
fn named(limits: &NamespaceLimits) -> Vec<(&'static str, Limit)> {
    let number = |value: Option<u64>| value.map(Limit::Number);
    let text = |value: &Option<String>| value.clone().map(Limit::Text);
    let all = [
        ("invocationsPerMinute", number(limits.invocations_per_minute)),
        ("firesPerMinute", number(limits.fires_per_minute)),
        ("concurrentInvocations", number(limits.concurrent_invocations)),
        ("allowedKinds", limits.allowed_kinds.clone().map(|kinds| Limit::List(kinds.values))),
        ("storeActivations", limits.store_activations.map(Limit::Boolean)),
        ("minActionMemory", number(limits.min_action_memory)),
        ("maxActionMemory", number(limits.max_action_memory)),
        ("minActionLogs", number(limits.min_action_logs)),
        ("maxActionLogs", number(limits.max_action_logs)),
        ("minActionTimeout", number(limits.min_action_timeout)),
        ("maxActionTimeout", number(limits.max_action_timeout)),
        ("minActionConcurrency", number(limits.min_action_concurrency)),
        ("maxActionConcurrency", number(limits.max_action_concurrency)),
        ("maxParameterSize", text(&limits.max_parameter_size)),
        ("maxPayloadSize", text(&limits.max_payload_size)),
        ("truncationSize", text(&limits.truncation_size)),
        ("warmedContainerKeepingCount", number(limits.warmed_container_keeping_count)),
        ("warmedContainerKeepingTimeout", text(&limits.warmed_container_keeping_timeout)),
        ("maxActionInstances", number(limits.max_action_instances)),
        ("cacheDefault", text(&limits.cache_default)),
        ("cacheBytes", text(&limits.cache_bytes)),
        ("cacheKeys", number(limits.cache_keys)),
        ("cacheValueBytes", text(&limits.cache_value_bytes)),
        ("cacheOperationsPerSecond", number(limits.cache_operations_per_second)),
        ("cacheConnections", number(limits.cache_connections)),
        ("cacheRefuseWhenFull", limits.cache_refuse_when_full.map(Limit::Boolean)),
    ];
    all.into_iter().filter_map(|(name, limit)| Some((name, limit?))).collect()
}

fn as_json(limits: Vec<(&'static str, Limit)>) -> Value {
    let members: Map<String, Value> =
        limits.into_iter().map(|(name, limit)| (name.to_owned(), limit.into())).collect();
    Value::Object(members)
}
