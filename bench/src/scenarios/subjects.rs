//! The actions under measurement, and the commands that start their runtimes by hand.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::Cli;

const NODE_SOURCE: &str = "function main() { return {ok: true}; }";
const PYTHON_SOURCE: &str = "def main(args):\n    return {'ok': True}\n";

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
            "python" => Ok(Self {
                kind: kind.to_owned(),
                exec: json!({"kind": "python:default", "code": PYTHON_SOURCE}),
                init: json!({"name": "noop", "main": "main", "code": PYTHON_SOURCE, "binary": false}),
            }),
            other => anyhow::bail!("unknown kind '{other}': native, nodejs or python"),
        }
    }

    /// The command that starts this kind's runtime outside any sandbox.
    pub(crate) fn runtime(&self, cli: &Cli) -> anyhow::Result<Command> {
        let (program, script) = match self.kind.as_str() {
            "native" => return Ok(Command::new(&cli.native_runtime)),
            "nodejs" => (PathBuf::from("node"), &cli.node_runtime),
            _ => (python()?, &cli.python_runtime),
        };
        let mut command = Command::new(program);
        command.arg(script);
        Ok(command)
    }
}

/// The interpreter itself: what is on `PATH` may be a version manager's script, which takes longer than Python.
fn python() -> anyhow::Result<PathBuf> {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output()?;
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// The body of a `/run` by hand.
pub(crate) fn run_body() -> Value {
    json!({
        "value": {}, "namespace": "bench", "action_name": "/bench/noop", "action_version": "0.0.1",
        "activation_id": "00000000000000000000000000000000", "transaction_id": "bench", "deadline": "4102444800000"
    })
}
