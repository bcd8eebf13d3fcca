//! `simulate`: compares placement policies over simulated fleets, and says what decisions cost as a fleet grows.

mod cost;

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use oxwhisk_loadbalancer::PolicyName;
use oxwhisk_loadbalancer::balancer::LineConfig;
use oxwhisk_simulator::{Settings, Summary, World, load};
use rand::SeedableRng;
use rand::rngs::StdRng;

#[derive(Debug, Parser)]
struct Args {
    /// Sizes of fleets.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1000])]
    invokers: Vec<usize>,
    /// Megabytes of each invoker.
    #[arg(long, default_value_t = 16384)]
    memory: u64,
    #[arg(long, default_value_t = 2)]
    controllers: usize,
    /// Activations for each invoker.
    #[arg(long, default_value_t = 1000)]
    jobs: usize,
    /// Actions for each invoker.
    #[arg(long, default_value_t = 30)]
    actions: usize,
    /// Shares of the fleet's memory that work needs, cold starts left out.
    #[arg(long, value_delimiter = ',', default_values_t = [0.5, 0.8])]
    load: Vec<f64>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the cost of decisions.
    #[arg(long)]
    cost_only: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut out = std::io::stdout().lock();
    if !args.cost_only {
        writeln!(
            out,
            "invokers  load  policy        warm   waited p50     p99   p99.9 (ms)  imbalance  messages/job  refused"
        )?;
        for invokers in &args.invokers {
            for load in &args.load {
                for policy in PolicyName::ALL {
                    let summary = simulate(&args, *invokers, *load, policy)?;
                    print(&mut out, *invokers, *load, policy, &summary)?;
                }
            }
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "invokers  policy        decision, idle  full fleet (us)  heartbeat  round of reports (us)"
    )?;
    for invokers in &args.invokers {
        for policy in PolicyName::ALL {
            let cost = cost::measure(*invokers, policy).context("a fleet of that size")?;
            writeln!(
                out,
                "{invokers:>8}  {:<12}  {:>14.2}  {:>15.2}  {:>9.2}  {:>21.1}",
                policy.as_str(),
                cost.decision,
                cost.decision_full,
                cost.heartbeat,
                cost.round
            )?;
        }
    }
    Ok(())
}

fn simulate(args: &Args, invokers: usize, share: f64, policy: PolicyName) -> anyhow::Result<Summary> {
    let memory = args.memory * u64::try_from(invokers)?;
    let load = load::LoadSettings {
        jobs: args.jobs * invokers,
        actions: args.actions * invokers,
        load: share,
        memory,
        controllers: args.controllers,
    };
    let jobs = load::jobs(load, &mut StdRng::seed_from_u64(args.seed))?;
    let line = LineConfig { max: 512, max_per_namespace: 128, wait_limit: Duration::from_secs(10) };
    let settings =
        Settings { policy, line, seed: args.seed, ..Settings::new(args.controllers, invokers, args.memory) };
    Ok(World::new(settings, jobs).run().0)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print(
    out: &mut impl Write,
    invokers: usize,
    load: f64,
    policy: PolicyName,
    summary: &Summary,
) -> std::io::Result<()> {
    let waited = |share| summary.percentile(share) as f64 / 1000.0;
    let messages = summary.messages as f64 / (summary.done + summary.refused).max(1) as f64;
    writeln!(
        out,
        "{invokers:>8}  {load:>4.2}  {:<12}  {:>4.1}%  {:>10.2}  {:>6.1}  {:>6.1}       {:>9.2}  {:>12.2}  {:>7}",
        policy.as_str(),
        summary.warm_share() * 100.0,
        waited(0.5),
        waited(0.99),
        waited(0.999),
        summary.imbalance(),
        messages,
        summary.refused
    )
}
