//! The actions under measurement, and the commands that start their runtimes by hand.

use std::fs;
use std::process::Command;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::Cli;

const NODE_SOURCE: &str = "function main() { return {ok: true}; }";

/// An action that does nothing.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) kind: String,
    /// The `exec` member to create it with.
    pub(crate) exec: Value,
    /// The `value` member of `/init` to put it into a runtime by hand.
    pub(crate) init: Value,
}

impl Subject {
    pub(crate) fn of_kind(cli: &Cli, kind: &str) -> anyhow::Result<Self> {
        match kind {
            "native" => {
                let path = &cli.native_action;
                let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
                let code = STANDARD.encode(bytes);
                Ok(Self {
                    kind: kind.to_owned(),
                    exec: json!({"kind": "blackbox", "image": "openwhisk/dockerskeleton", "code": code}),
                    init: json!({"name": "noop", "main": "main", "code": code, "binary": true}),
                })
            }
            "nodejs" => Ok(Self {
                kind: kind.to_owned(),
                exec: json!({"kind": "nodejs:default", "code": NODE_SOURCE}),
                init: json!({"name": "noop", "main": "main", "code": NODE_SOURCE, "binary": false}),
            }),
            other => anyhow::bail!("unknown kind '{other}': native or nodejs"),
        }
    }

    /// Starts this kind's runtime outside any sandbox.
    pub(crate) fn runtime(&self, cli: &Cli) -> Command {
        if self.kind == "native" {
            return Command::new(&cli.native_runtime);
        }
        let mut command = Command::new("node");
        command.arg(&cli.node_runtime);
        command
    }
}

/// The body of a `/run` by hand.
pub(crate) fn run_body() -> Value {
    json!({
        "value": {}, "namespace": "bench", "action_name": "/bench/noop", "action_version": "0.0.1",
        "activation_id": "00000000000000000000000000000000", "transaction_id": "bench", "deadline": "4102444800000"
    })
}
