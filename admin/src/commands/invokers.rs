//! `wskadmin invoker`.

use std::time::{Duration, Instant};

use oxwhisk_grpc::Channel;
use oxwhisk_proto::admin::v1::invokers_client::InvokersClient;
use oxwhisk_proto::admin::v1::{self, InvokerHealth, InvokerMode};
use serde_json::{Value, json};
use tonic::Status;

use super::failed;
use crate::arguments::InvokerCommand;
use crate::output::Output;

/// How long one request waits; a longer wait is several.
const STEP: Duration = Duration::from_secs(10);

pub(super) async fn run(command: InvokerCommand, server: &Channel, output: &mut Output<'_>) -> u8 {
    let mut client = InvokersClient::new(server.clone());
    let changed = |what: &str, id: u32, output: &mut Output<'_>, changed: Result<bool, Status>| match changed
    {
        Ok(changed) => {
            let already = if changed { "now" } else { "already" };
            let value = json!({ "invoker": id, "enabled": what == "enable", "changed": changed });
            output.result(&format!("invoker{id} is {already} {what}d."), &value);
            0
        }
        Err(status) => failed(output, &format!("{what} invoker{id}"), &status),
    };
    match command {
        InvokerCommand::List => list(&mut client, output).await,
        InvokerCommand::Drain { invoker, wait } => {
            drain(invoker, Duration::from_secs(wait), &mut client, output).await
        }
        InvokerCommand::Enable { invoker } => {
            let answer = client.enable_invoker(v1::EnableInvokerRequest { id: invoker }).await;
            changed("enable", invoker, output, answer.map(|answer| answer.into_inner().changed))
        }
        InvokerCommand::Disable { invoker } => {
            let answer = client.disable_invoker(v1::DisableInvokerRequest { id: invoker }).await;
            changed("disable", invoker, output, answer.map(|answer| answer.into_inner().changed))
        }
    }
}

fn health(invoker: &v1::Invoker) -> &'static str {
    match invoker.health() {
        InvokerHealth::Up => "up",
        InvokerHealth::Down => "down",
        InvokerHealth::Unhealthy => "unhealthy",
        InvokerHealth::Unresponsive => "unresponsive",
        InvokerHealth::Unspecified => "unknown",
    }
}

fn mode(invoker: &v1::Invoker) -> &'static str {
    match invoker.mode() {
        InvokerMode::Enabled => "enabled",
        InvokerMode::Disabled => "disabled",
        InvokerMode::Unspecified => "unknown",
    }
}

async fn list(client: &mut InvokersClient<Channel>, output: &mut Output<'_>) -> u8 {
    let invokers = match client.list_invokers(v1::ListInvokersRequest {}).await {
        Ok(answer) => answer.into_inner().invokers,
        Err(status) => return failed(output, "list invokers", &status),
    };
    let line = |invoker: &v1::Invoker| {
        format!(
            "{}\t{}\t{}\trunning {}\tmemory {} MB, busy {} MB, idle {} MB\t{}\t{}",
            invoker.name,
            health(invoker),
            mode(invoker),
            invoker.running,
            invoker.memory_mb,
            invoker.busy_memory_mb,
            invoker.idle_memory_mb,
            invoker.address,
            invoker.version,
        )
    };
    let value = |invoker: &v1::Invoker| {
        json!({
            "id": invoker.id, "name": invoker.name, "health": health(invoker), "mode": mode(invoker),
            "running": invoker.running, "memoryMb": invoker.memory_mb, "busyMemoryMb": invoker.busy_memory_mb,
            "idleMemoryMb": invoker.idle_memory_mb, "address": invoker.address, "version": invoker.version,
        })
    };
    let values: Vec<Value> = invokers.iter().map(value).collect();
    output.lines(invokers.iter().map(line), &json!(values));
    0
}

async fn drain(id: u32, wait: Duration, client: &mut InvokersClient<Channel>, output: &mut Output<'_>) -> u8 {
    let begun = Instant::now();
    loop {
        let left = wait.saturating_sub(begun.elapsed());
        let step = u64::try_from(left.min(STEP).as_millis()).unwrap_or(0);
        let answer = client.drain_invoker(v1::DrainInvokerRequest { id, wait_ms: step }).await;
        let running = match answer {
            Ok(answer) => answer.into_inner().running,
            Err(status) => return failed(output, &format!("drain invoker{id}"), &status),
        };
        if running > 0 && !left.is_zero() {
            continue;
        }
        let value = json!({ "invoker": id, "running": running });
        if running == 0 {
            output.result(&format!("invoker{id} is drained."), &value);
            return 0;
        }
        let text = format!(
            "invoker{id} gets no new work and still runs {running} activations after {} s",
            wait.as_secs()
        );
        output.result(&text, &value);
        return 1;
    }
}
