//! A run: each variant in turn, each on a server that has nothing of the others' in its caches.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::host::{Sampler, Watched};
use super::outside::Store;
use super::record::{self, Line, Run};
use super::replay::{Action, replay};
use super::requests::{self, Tile};
use super::store::StoreOptions;
use super::{duration, random};
use crate::Cli;
use crate::api::Api;
use crate::process::Server;

const SOURCE: &str = include_str!("../../tiles/tile.js");
/// Megabytes of a container.
const MEMORY: u32 = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Variant {
    All,
    /// Every request goes to the store.
    None,
    /// In the memory of each container.
    Memory,
    /// The cache of the node.
    Local,
    /// The cache of all nodes.
    Global,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which caches.
    #[arg(long, value_delimiter = ',', default_value = "all")]
    variant: Vec<Variant>,
    /// Users at once; each sends a request when it has the answer to the one before.
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Requests that count.
    #[arg(long, default_value_t = 2000)]
    count: usize,
    /// Requests before those, which do not: containers start, caches are empty.
    #[arg(long, default_value_t = 200)]
    warmup: usize,
    /// Makes the requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A file of requests instead, a tile (zoom/x/y) a line.
    #[arg(long)]
    requests: Option<PathBuf>,
    /// Between user and platform, each way.
    #[arg(long, default_value = "10ms", value_parser = duration::parse)]
    user_delay: Duration,
    #[command(flatten)]
    store: StoreOptions,
    /// A store that runs already (`http://address:port`), with delays of its own.
    #[arg(long = "store")]
    store_url: Option<String>,
    /// A server or cluster that runs already (`http://address:port`), instead of a standalone server for each variant.
    #[arg(long, requires = "auth")]
    api: Option<String>,
    /// The `uuid:key` there.
    #[arg(long, env = "OXWHISK_BENCH_AUTH", hide_env_values = true)]
    auth: Option<String>,
    /// Programs to take host samples of, by name; without, those that this one has started.
    #[arg(long, value_delimiter = ',')]
    watch: Vec<String>,
}

impl Variant {
    const EACH: [Self; 4] = [Self::None, Self::Memory, Self::Local, Self::Global];

    /// Where a name comes in tables; unknown ones last.
    pub(super) fn place(name: &str) -> usize {
        Self::EACH.iter().position(|variant| variant.name() == name).unwrap_or(Self::EACH.len())
    }

    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::None => "none",
            Self::Memory => "memory",
            Self::Local => "local",
            Self::Global => "global",
        }
    }

    /// Numbered by how many share the cache.
    fn action(self) -> String {
        format!("tiles-{}", Self::EACH.iter().position(|variant| *variant == self).unwrap_or_default())
    }

    /// The body that creates the action.
    fn entity(self, store: &str) -> Value {
        let cache = match self {
            Self::Local | Self::Global => json!({"tier": self.name(), "required": true}),
            _ => json!(false),
        };
        json!({
            "exec": {"kind": "nodejs:default", "code": SOURCE},
            "annotations": [{"key": "cache", "value": cache}],
            "parameters": [{"key": "variant", "value": self.name()}, {"key": "store", "value": store}],
            "limits": {"memory": MEMORY},
        })
    }
}

/// What is the same for all variants.
struct Plan<'a> {
    cli: &'a Cli,
    options: &'a Options,
    store: Store,
    requests: Vec<Tile>,
}

pub(crate) fn run(cli: &Cli, options: &Options) -> anyhow::Result<()> {
    let store = match &options.store_url {
        Some(url) => Store::at(url)?,
        None => Store::start(&options.store)?,
    };
    let plan = Plan { cli, options, store, requests: requested(options)? };
    plan.store.prepare(&plan.requests.iter().copied().collect())?;
    for round in 1..=cli.rounds {
        for variant in Variant::EACH {
            if options.variant.iter().any(|wanted| [Variant::All, variant].contains(wanted)) {
                measure(&plan, variant, round)?;
            }
        }
    }
    Ok(())
}

fn requested(options: &Options) -> anyhow::Result<Vec<Tile>> {
    let count = options.warmup + options.count;
    let requests = match &options.requests {
        None => requests::generate(options.seed, count),
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            let requests = requests::parse(&text).with_context(|| format!("{}", path.display()))?;
            requests.into_iter().take(count).collect()
        }
    };
    ensure!(
        requests.len() > options.warmup,
        "there are {} requests, no more than the warm-up",
        requests.len()
    );
    Ok(requests)
}

fn measure(plan: &Plan<'_>, variant: Variant, round: u32) -> anyhow::Result<()> {
    let options = plan.options;
    match (&options.api, &options.auth) {
        (Some(url), Some(auth)) => {
            let api = Api::at(url)?.with_credentials(auth);
            // Another name, since a cache may still have what the action of that name had put into it.
            let number = random::mixed(u64::from(std::process::id()) << 32 | u64::from(round));
            let action = format!("{}-{:06x}", variant.action(), number >> 40);
            let outcome = measure_at(plan, &api, (variant, &action), round);
            let gone = api.call("DELETE", &format!("actions/{action}"), &Value::Null);
            outcome?;
            gone.map(drop)
        }
        _ => {
            let server = Server::start(&plan.cli.oxwhisk)?;
            measure_at(plan, &server.api, (variant, &variant.action()), round)
        }
    }
}

fn measure_at(
    plan: &Plan<'_>,
    api: &Api,
    (variant, name): (Variant, &str),
    round: u32,
) -> anyhow::Result<()> {
    let options = plan.options;
    let entity = variant.entity(&plan.store.url);
    api.call("PUT", &format!("actions/{name}?overwrite=true"), &entity)?;
    let action = Action { api, name, variant: variant.name(), round, user_delay: options.user_delay };
    let (warmup, requests) = plan.requests.split_at(options.warmup);
    action.check(plan.requests[0])?;
    replay(&action, warmup, options.clients)?;

    let watched = match options.watch.as_slice() {
        [] => Watched::Descendants,
        names => Watched::Named(names.to_vec()),
    };
    let sampler = Sampler::start(variant.name(), round, watched);
    let (served, begin) = (plan.store.served()?, Instant::now());
    let rows = replay(&action, requests, options.clients)?;
    let seconds = begin.elapsed().as_secs_f64();
    let store_requests = plan.store.served()? - served;
    drop(sampler);

    let run = Run {
        variant: variant.name().to_owned(),
        round,
        clients: options.clients,
        user_delay_ms: duration::milliseconds(options.user_delay),
        requests: rows.len(),
        warmup: warmup.len(),
        seconds,
        store_requests,
        first_requests: first_requests(warmup, requests),
        load: crate::report::load_average(),
    };
    // Not before the end: writing them takes processor, too.
    for row in rows {
        record::print(&Line::Request(row))?;
    }
    record::print(&Line::Run(run))
}

fn first_requests(warmup: &[Tile], requests: &[Tile]) -> usize {
    let mut seen: HashSet<Tile> = warmup.iter().copied().collect();
    requests.iter().filter(|tile| seen.insert(**tile)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_numbered_and_ask_for_their_cache() {
        assert_eq!(Variant::EACH.map(Variant::action), ["tiles-0", "tiles-1", "tiles-2", "tiles-3"]);
        let cache = |variant: Variant| variant.entity("http://s")["annotations"][0]["value"].clone();
        assert_eq!(cache(Variant::Memory), json!(false));
        assert_eq!(cache(Variant::Local), json!({"tier": "local", "required": true}));
        assert_eq!(cache(Variant::Global), json!({"tier": "global", "required": true}));
    }

    #[test]
    fn first_requests_are_those_whose_tile_was_not_asked_for() {
        let tiles = requests::parse("1/0/0\n1/0/1\n1/0/0\n1/1/1\n1/1/1").unwrap();
        assert_eq!(first_requests(&tiles[..1], &tiles[1..]), 2);
    }
}
