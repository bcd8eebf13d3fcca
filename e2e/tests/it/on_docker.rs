//! Actions of a cluster whose invokers make containers with Docker (`make test-docker`, and `make test` where there is a daemon):
//! what runs where, what a user is told when an image cannot be had, and what is left of a container when its invoker ends.

mod ends;
mod images;
mod runs;

use oxwhisk_e2e::docker::Docker;
use oxwhisk_e2e::{Tenant, action};
use serde_json::{Value, json};

/// What Node.js sees of the container that it runs in; its host's name is the beginning of its id.
const WHERE: &str = "function main() { return {container: require('os').hostname()} }";

/// Runs [`WHERE`] under a name and gives what the daemon knows of the container.
#[track_caller]
fn container_of(docker: &Docker, tenant: &Tenant, name: &str) -> Value {
    tenant.create(name, &action::nodejs(WHERE));
    let answer = tenant.call_for_result(name, &json!({})).expect(200).json();
    inspect(docker, &answer)
}

/// The container that an answer names.
#[track_caller]
fn inspect(docker: &Docker, answer: &Value) -> Value {
    let id = answer["container"].as_str().unwrap_or_else(|| panic!("no container: {answer}"));
    docker.inspect(id).unwrap_or_else(|| panic!("the daemon has no container {id}"))
}
