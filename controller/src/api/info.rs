//! Documents that describe the platform, and health: nothing here needs credentials.

use http::StatusCode;
use oxwhisk_core::limits::SystemLimits;
use serde_json::{Map, Value, json};

use crate::Controller;
use crate::http::fault::Fault;
use crate::http::path::Open;
use crate::http::reply::{Cors, Reply};
use crate::invoke::{InvokerCount, InvokerState};

const API_DOCS: &str = include_str!("info/api-docs.json");
const DOCS_PAGE: &str = include_str!("info/docs.html");

/// # Errors
/// 404 for metrics that are not served here.
pub(crate) fn open(controller: &Controller, open: Open) -> Result<Reply, Fault> {
    let server = |reply: Reply| reply.with_cors(Cors::Server);
    let ok = |value: Value| Reply::json(StatusCode::OK, &value);
    Ok(match open {
        Open::SystemInfo => server(ok(system_info(controller))),
        Open::Ping => server(Reply::text("pong")),
        Open::Invokers => server(ok(invokers(controller))),
        Open::HealthyInvokers => server(ok(count(controller).healthy.into())),
        Open::InvokersReady => server(ready(controller)),
        Open::Metrics => metrics(controller)?,
        Open::ApiInfo => ok(api_info(controller)),
        Open::ApiDocs => Reply::json_text(StatusCode::OK, API_DOCS),
        Open::DocsRedirect => Reply::redirect("docs/index.html?url=/api/v1/api-docs"),
        Open::DocsPage => Reply::html(DOCS_PAGE),
    })
}

fn metrics(controller: &Controller) -> Result<Reply, Fault> {
    let page = controller.watch.page.as_ref().ok_or_else(Fault::no_route)?;
    Ok(Reply::metrics(page.text()).with_cors(Cors::Server))
}

fn system_info(controller: &Controller) -> Value {
    json!({
        "description": "OpenWhisk",
        "support": {
            "github": "https://github.com/apache/openwhisk/issues",
            "slack": "http://slack.openwhisk.org",
        },
        "api_paths": ["/api/v1"],
        "limits": limits(&controller.config.limits),
        "runtimes": controller.config.manifest.to_info(),
    })
}

/// Durations in milliseconds, memory and logs in bytes. Namespaces start with the bounds of the system.
fn limits(limits: &SystemLimits) -> Value {
    let bounds = json!({
        "min_action_duration": limits.time.min,
        "max_action_duration": limits.time.max,
        "min_action_memory": limits.memory.min.as_bytes(),
        "max_action_memory": limits.memory.max.as_bytes(),
        "min_action_logs": limits.logs.min.as_bytes(),
        "max_action_logs": limits.logs.max.as_bytes(),
    });
    let mut all = json!({
        "actions_per_minute": limits.invocations_per_minute,
        "triggers_per_minute": limits.fires_per_minute,
        "concurrent_actions": limits.concurrent_invocations,
        "sequence_length": limits.sequence_length,
    });
    if let (Some(all), Some(bounds)) = (all.as_object_mut(), bounds.as_object()) {
        let defaults = bounds.iter().map(|(name, value)| (format!("default_{name}"), value.clone()));
        all.extend(defaults.collect::<Map<_, _>>());
        all.extend(bounds.clone());
    }
    all
}

fn api_info(controller: &Controller) -> Value {
    let info = &controller.config.info;
    json!({
        "description": "OpenWhisk API", "api_version": "1.0.0", "api_version_path": "v1",
        "build": info.build, "buildno": info.build_number,
        "swagger_paths": {"ui": "/docs", "api-docs": "/api-docs"},
    })
}

fn invokers(controller: &Controller) -> Value {
    let entry = |invoker: InvokerState| (invoker.name, Value::from(invoker.state));
    Value::Object(controller.backends.engine.invokers().into_iter().map(entry).collect())
}

fn count(controller: &Controller) -> InvokerCount {
    InvokerCount::of(&controller.backends.engine.invokers())
}

fn ready(controller: &Controller) -> Reply {
    let count = count(controller);
    if controller.config.healthy_share.is_reached(count) {
        Reply::json(StatusCode::OK, &json!({"healthy": count.to_string()}))
    } else {
        Reply::json(StatusCode::INTERNAL_SERVER_ERROR, &json!({"unhealthy": count.to_string()}))
    }
}
