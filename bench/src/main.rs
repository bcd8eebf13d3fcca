//! Measurements: a closed-loop load generator, and scenarios that compare the server with floors in the same run.
//!
//! Machines are noisy, so nothing here is an absolute verdict: scenarios take turns (A B C A B C ...) within one run and
//! report medians over the rounds, next to what they are compared with. Every row is a JSON line.

#![expect(clippy::print_stdout, reason = "the rows are this program's output")]

mod api;
mod client;
mod cluster;
mod load;
mod process;
mod report;
mod scenarios;
mod tiles;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures an Oxwhisk standalone server.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// The server's binary.
    #[arg(long, global = true, default_value = "target/release/oxwhisk")]
    oxwhisk: PathBuf,
    /// The native runtime's binary, for the floor of a direct call.
    #[arg(long, global = true, default_value = "target/release/oxwhisk-runtime-native")]
    native_runtime: PathBuf,
    /// The native action that answers at once.
    #[arg(long, global = true, default_value = "target/release/actionloop-echo")]
    native_action: PathBuf,
    /// The Node.js runtime's server script.
    #[arg(long, global = true, default_value = "runtimes/nodejs/server.js")]
    node_runtime: PathBuf,
    /// The Python runtime's server script.
    #[arg(long, global = true, default_value = "runtimes/python/server.py")]
    python_runtime: PathBuf,
    /// Rounds; each measures every subject once.
    #[arg(long, global = true, default_value_t = 5)]
    rounds: u32,
    /// Seconds of measurement for each subject and round, after as long a warm-up (at most 2 s).
    #[arg(long, global = true, default_value_t = 5)]
    seconds: u64,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Warm blocking calls against the runtime called directly and nginx: latency and rate.
    Warm {
        /// Connections at once, several values.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 8])]
        connections: Vec<usize>,
        /// `native`, `nodejs` or `python`.
        #[arg(long, value_delimiter = ',', default_values_t = [String::from("native"), String::from("nodejs")])]
        kinds: Vec<String>,
    },
    /// Memory idle, loaded, and after many activations; the longest call among them.
    Endurance {
        #[arg(long, default_value_t = 1_000_000)]
        activations: u64,
        #[arg(long, default_value_t = 8)]
        connections: usize,
    },
    /// `activation list` and `count` with many records against few.
    Records {
        #[arg(long, default_value_t = 1_000_000)]
        records: u64,
    },
    /// First calls: cold, prewarmed and warm, against starting the runtime by hand.
    Cold {
        #[arg(long, default_value_t = 20)]
        samples: u32,
    },
    /// The cache's proxy against Redis itself and twemproxy, by `redis-benchmark`.
    Cache(scenarios::cache::Options),
    /// The proxy that `cache` measures.
    #[command(hide = true)]
    CacheServer(scenarios::cache::ServerOptions),
    /// A cluster on this machine against the standalone server: latency, rate, acceptance, memory.
    Cluster(scenarios::cluster::Options),
    /// A tile server with four caches: none, in the container, of the node, global. See `bench/tiles/README.md`.
    Tiles(Box<tiles::Tiles>),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    // What the others print is read by programs, or is a page.
    let measures = match &cli.scenario {
        Scenario::CacheServer(_) => false,
        Scenario::Tiles(tiles) => tiles.measures(),
        _ => true,
    };
    if measures {
        println!("{}", report::machine());
    }
    match &cli.scenario {
        Scenario::Warm { connections, kinds } => scenarios::warm::run(&cli, connections, kinds),
        Scenario::Endurance { activations, connections } => {
            scenarios::endurance::run(&cli, *activations, *connections)
        }
        Scenario::Records { records } => scenarios::records::run(&cli, *records),
        Scenario::Cold { samples } => scenarios::cold::run(&cli, *samples),
        Scenario::Cache(options) => scenarios::cache::run(&cli, options),
        Scenario::CacheServer(options) => scenarios::cache::serve(options),
        Scenario::Cluster(options) => scenarios::cluster::run(&cli, options),
        Scenario::Tiles(tiles) => tiles.run(&cli),
    }
}
