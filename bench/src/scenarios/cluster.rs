//! A cluster with everything on this machine against the standalone server, in turns.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::Cli;
use crate::api::Api;
use crate::cluster::Cluster;
use crate::load::{self, Measured, Target, Until};
use crate::process::Server;
use crate::report;
use crate::scenarios::subjects::Subject;

const WORK: [&str; 2] = ["activations", "activations.parked"];
/// Records that are not in the store yet would be written while something else is measured.
const ALL: [&str; 3] = ["activations", "activations.parked", "completed"];
/// Until a process that has just started is idle.
const SETTLE: Duration = Duration::from_secs(5);
/// Longest wait for what the standalone server has accepted.
const DONE_LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections at once of blocking calls, several values.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 16])]
    connections: Vec<usize>,
    /// Connections at once of non-blocking calls, several values; 0 measures none.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32])]
    accept: Vec<usize>,
    /// How many invokers.
    #[arg(long, default_value_t = 1)]
    invokers: u32,
    /// Memory of each one's containers; an action that does nothing takes 256 MB for each call at once.
    #[arg(long, default_value = "4096m")]
    memory: String,
}

struct Both {
    server: Server,
    cluster: Cluster,
    invokers: u32,
}

pub(crate) fn run(cli: &Cli, options: &Options) -> anyhow::Result<()> {
    let subject = Subject::of_kind(cli, "native")?;
    let binaries = cli.oxwhisk.parent().unwrap_or_else(|| Path::new("."));
    let cluster = Cluster::start(binaries, options.invokers, &options.memory)?;
    let both = Both { server: Server::start(&cli.oxwhisk)?, cluster, invokers: options.invokers };
    std::thread::sleep(SETTLE);
    both.print_memory("idle")?;
    for api in [&both.server.api, &both.cluster.api] {
        api.create_action("noop", &subject.exec)?;
    }
    for count in &options.connections {
        blocking(cli, &both, *count)?;
        both.print_memory("blocking")?;
    }
    for count in options.accept.iter().filter(|count| **count > 0) {
        accepting(cli, &both, *count)?;
        both.print_memory("non-blocking")?;
    }
    Ok(())
}

impl Both {
    fn print_memory(&self, moment: &str) -> anyhow::Result<()> {
        let row = |process: &str, rss: u64| {
            println!(
                "{}",
                json!({"scenario": "cluster memory", "moment": moment, "process": process, "rss_kb": rss})
            );
        };
        row("oxwhisk", report::memory(self.server.pid()).0);
        let invokers = (0..self.invokers).map(|invoker| format!("invoker{invoker}"));
        for name in ["controller0", "controller1"].map(str::to_owned).into_iter().chain(invokers) {
            row(&name, self.cluster.memory(&name)?);
        }
        Ok(())
    }

    fn targets(&self, path: &str, expected: u16) -> [(&'static str, Target); 2] {
        let target = |api: &Api| Target {
            endpoint: api.endpoint.clone(),
            request: api.request("POST", path, &json!({"a": 1})),
            expected,
        };
        [("oxwhisk", target(&self.server.api)), ("cluster", target(&self.cluster.api))]
    }

    /// Activations of the standalone server that are recorded.
    fn recorded(&self) -> anyhow::Result<u64> {
        let answer = self.server.api.call("GET", "activations?count=true", &Value::Null)?;
        answer["activations"].as_u64().context("a count of activations")
    }

    /// Waits until everything accepted has run: `count` activations of the standalone server.
    fn wait_done(&self, name: &str, count: u64) -> anyhow::Result<()> {
        if name == "cluster" {
            return self.cluster.wait_empty(&WORK);
        }
        let deadline = Instant::now() + DONE_LIMIT;
        while self.recorded()? < count {
            ensure!(Instant::now() < deadline, "not all of {count} activations are recorded");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Calls that wait for their result.
fn blocking(cli: &Cli, both: &Both, connections: usize) -> anyhow::Result<()> {
    let targets = both.targets("actions/noop?blocking=true", 200);
    let mut taken = [Vec::new(), Vec::new()];
    for round in 1..=cli.rounds {
        for ((name, target), taken) in targets.iter().zip(&mut taken) {
            load::run(target, connections, Until::Elapsed(Duration::from_secs(cli.seconds.min(2))))?;
            both.cluster.wait_empty(&ALL)?;
            let measured = load::run(target, connections, Until::Elapsed(Duration::from_secs(cli.seconds)))?;
            println!("{}", report::row("cluster blocking", name, round, connections, &measured));
            taken.push(measured);
            both.cluster.wait_empty(&ALL)?;
        }
    }
    println!("{}", summary("cluster blocking", connections, &taken));
    Ok(())
}

fn summary(scenario: &str, connections: usize, [alone, cluster]: &[Vec<Measured>; 2]) -> Value {
    let median = |runs: &[Measured], figure: &dyn Fn(&Measured) -> f64| {
        report::median(runs.iter().map(figure).collect())
    };
    let added = cluster.iter().zip(alone).map(|(ours, alone)| ours.micros(0.5) - alone.micros(0.5)).collect();
    let ratio = cluster.iter().zip(alone).map(|(ours, alone)| ours.rate() / alone.rate()).collect();
    json!({
        "summary": scenario, "connections": connections,
        "p50_us": median(cluster, &|run| run.micros(0.5)), "p99_us": median(cluster, &|run| run.micros(0.99)),
        "rate": median(cluster, &Measured::rate).round(),
        "oxwhisk_p50_us": median(alone, &|run| run.micros(0.5)),
        "oxwhisk_rate": median(alone, &Measured::rate).round(),
        "added_p50_us": report::median(added), "rate_ratio": report::median(ratio),
    })
}

/// Calls that are answered when they are durable, and how long all of that takes to run.
fn accepting(cli: &Cli, both: &Both, connections: usize) -> anyhow::Result<()> {
    let targets = both.targets("actions/noop", 202);
    let mut taken = [Vec::new(), Vec::new()];
    for round in 1..=cli.rounds {
        for ((name, target), taken) in targets.iter().zip(&mut taken) {
            let before = both.recorded()?;
            let warm = load::run(target, connections, Until::Elapsed(Duration::from_secs(1)))?;
            let warmed = before + warm.latencies.len();
            both.wait_done(name, warmed)?;
            both.cluster.wait_empty(&ALL)?;
            let begin = Instant::now();
            let measured = load::run(target, connections, Until::Elapsed(Duration::from_secs(cli.seconds)))?;
            both.wait_done(name, warmed + measured.latencies.len())?;
            let done = measured.latencies.len() as f64 / begin.elapsed().as_secs_f64();
            let mut row = report::row("cluster non-blocking", name, round, connections, &measured);
            row["done_rate"] = done.round().into();
            println!("{row}");
            taken.push(measured);
            both.cluster.wait_empty(&ALL)?;
        }
    }
    println!("{}", summary("cluster non-blocking", connections, &taken));
    Ok(())
}
