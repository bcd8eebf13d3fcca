//! The cache's proxy against a Redis that clients reach directly, and against twemproxy: `redis-benchmark` asks each in turn.
//!
//! What is measured is the whole way with a login, the table of commands and keys rewritten; the other two have none of that.

mod server;
mod subjects;

use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};
use subjects::{Backend, Subject};

use crate::Cli;
use crate::report;

pub(crate) use server::Options as ServerOptions;
pub(crate) use server::serve;

/// Connections, and requests that each sends ahead.
const SHAPES: [(usize, usize); 3] = [(1, 1), (50, 1), (50, 16)];
/// Bytes of a value, and of how many keys: what there is has to fit into memory.
const SIZES: [(usize, usize); 3] = [(64, 100_000), (4096, 10_000), (65_536, 1000)];
const TESTS: &str = "set,get,hset,lpush";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Tokens that are alive, of activations beside the one that is measured.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 10_000])]
    tokens: Vec<usize>,
    /// Bytes of a value; all that there are if none are said.
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<usize>,
}

pub(crate) fn run(cli: &Cli, options: &Options) -> anyhow::Result<()> {
    let backend = Backend::start()?;
    let subjects = subjects::all(&backend, &options.tokens)?;
    for subject in subjects.iter().filter(|subject| subject.pid.is_some()) {
        let (resident, _) = report::memory(subject.pid.unwrap_or_default());
        println!(
            "{}",
            json!({"scenario": "cache", "moment": "idle", "subject": subject.name, "resident_kb": resident})
        );
    }
    for round in 1..=cli.rounds {
        for (size, keys) in SIZES {
            if !options.sizes.is_empty() && !options.sizes.contains(&size) {
                continue;
            }
            for (connections, pipeline) in SHAPES {
                for subject in &subjects {
                    let load = Load { size, keys, connections, pipeline };
                    backend.flush()?;
                    for (test, figures) in measure(subject, &load, cli.seconds)? {
                        println!("{}", row(subject, round, &load, &test, figures));
                    }
                }
            }
        }
    }
    Ok(())
}

struct Load {
    size: usize,
    keys: usize,
    connections: usize,
    pipeline: usize,
}

impl Load {
    /// About as many as are done within the seconds, of each test.
    fn requests(&self, seconds: u64) -> u64 {
        let per_second = match (self.connections, self.pipeline, self.size) {
            (1, ..) => 10_000,
            (_, 1, 65_536) => 20_000,
            (_, 1, _) => 70_000,
            (_, _, 65_536) => 20_000,
            (_, _, 4096) => 150_000,
            _ => 300_000,
        };
        per_second * seconds
    }
}

/// Calls a second, and the latencies that `redis-benchmark` prints, in milliseconds.
struct Figures {
    rate: f64,
    p50: f64,
    p99: f64,
    max: f64,
}

fn measure(subject: &Subject, load: &Load, seconds: u64) -> anyhow::Result<Vec<(String, Figures)>> {
    let mut command = Command::new("redis-benchmark");
    command.args(["-h", "127.0.0.1", "-p", &subject.port.to_string(), "--csv", "-t", TESTS]);
    command.args(["-n", &load.requests(seconds).to_string(), "-r", &load.keys.to_string()]);
    command.args(["-d", &load.size.to_string(), "-c", &load.connections.to_string()]);
    command.args(["-P", &load.pipeline.to_string()]);
    if let Some(token) = &subject.token {
        command.args(["-a", token]);
    }
    let output = command.output().context("run redis-benchmark (Debian package redis-tools)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<_> = text.lines().filter_map(figures).collect();
    anyhow::ensure!(
        figures.len() == TESTS.split(',').count(),
        "redis-benchmark against {}: {text}{}",
        subject.name,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(figures)
}

/// `"SET","82644.63","0.331","0.088","0.319","0.487","0.591","1.007"`: rate, mean, least, p50, p95, p99, most.
fn figures(line: &str) -> Option<(String, Figures)> {
    let columns: Vec<&str> = line.split(',').map(|column| column.trim_matches('"')).collect();
    let [name, rate, _, _, p50, _, p99, max] = columns.as_slice() else { return None };
    let number = |text: &str| text.parse().ok();
    let figures = Figures { rate: number(rate)?, p50: number(p50)?, p99: number(p99)?, max: number(max)? };
    Some(((*name).to_owned(), figures))
}

fn row(subject: &Subject, round: u32, load: &Load, test: &str, figures: Figures) -> Value {
    json!({
        "scenario": "cache", "subject": subject.name, "tokens": subject.tokens, "round": round, "test": test,
        "bytes": load.size, "connections": load.connections, "pipeline": load.pipeline,
        "rate": figures.rate.round(), "p50_us": (figures.p50 * 1000.0).round(), "p99_us": (figures.p99 * 1000.0).round(),
        "max_us": (figures.max * 1000.0).round(), "load": report::load_average(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_benchmark_prints_is_read() {
        let line = r#""SET","82644.63","0.331","0.088","0.319","0.487","0.591","1.007""#;
        let (name, read) = figures(line).unwrap();
        assert_eq!(
            (name.as_str(), read.rate, read.p50, read.p99, read.max),
            ("SET", 82644.63, 0.319, 0.591, 1.007)
        );
        let head = r#""test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms""#;
        assert!(figures(head).is_none() && figures("").is_none());
    }
}
