//! What one decision and one round of heartbeats cost.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_api::offers::WorkKey;
use oxwhisk_loadbalancer::PolicyName;
use oxwhisk_loadbalancer::balancer::{Balancer, LineConfig};
use oxwhisk_loadbalancer::fleet::{FleetConfig, Heartbeat, Kinds, Outcome, Report};
use oxwhisk_simulator::load;

/// Microseconds.
#[derive(Debug)]
pub(crate) struct Cost {
    /// One placement with room everywhere, and with room nowhere.
    pub(crate) decision: f64,
    pub(crate) decision_full: f64,
    /// One heartbeat.
    pub(crate) heartbeat: f64,
    /// Every invoker's heartbeat and report, and a tick.
    pub(crate) round: f64,
}

const REPEAT: u32 = 20_000;

pub(crate) fn measure(invokers: usize, policy: PolicyName) -> anyhow::Result<Cost> {
    let invokers = u32::try_from(invokers)?;
    let now = Instant::now();
    let mut balancer: Balancer<()> =
        Balancer::new(FleetConfig::default(), LineConfig::default(), policy.policy());
    for id in (0..invokers).map(InvokerId) {
        balancer.heartbeat(heartbeat(id), now)?;
        balancer.stream_opened(id, 1, report(4096), now)?;
        balancer.tested(id, Outcome::Success, now);
    }
    let keys: Vec<Arc<WorkKey>> =
        (0..256).map(|n| load::key(&format!("ns{n}"), &format!("a{n}"), 256, 1)).collect::<Result<_, _>>()?;
    let decision = decide(&balancer, &keys);
    let rounds = 200;
    let start = Instant::now();
    for round in 1..=rounds {
        let now = now + Duration::from_secs(round);
        for id in (0..invokers).map(InvokerId) {
            black_box(balancer.heartbeat(heartbeat(id), now)?);
            black_box(balancer.report(id, report(4096), now));
        }
        black_box(balancer.tick(now));
    }
    let round = micros(start.elapsed()) / f64::from(u32::try_from(rounds)?);
    let start = Instant::now();
    for n in 0..REPEAT {
        black_box(balancer.heartbeat(heartbeat(InvokerId(n % invokers)), now)?);
    }
    let heartbeat = micros(start.elapsed()) / f64::from(REPEAT);
    for id in (0..invokers).map(InvokerId) {
        balancer.report(id, report(0), now);
    }
    let decision_full = decide(&balancer, &keys);
    Ok(Cost { decision, decision_full, heartbeat, round })
}

fn decide(balancer: &Balancer<()>, keys: &[Arc<WorkKey>]) -> f64 {
    let start = Instant::now();
    for (key, salt) in keys.iter().cycle().zip(0..REPEAT) {
        black_box(balancer.probe(key, u64::from(salt)));
    }
    micros(start.elapsed()) / f64::from(REPEAT)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn report(free: u64) -> Report {
    Report { enabled: true, kinds: Kinds::All, memory: 4096, free }
}

fn heartbeat(id: InvokerId) -> Heartbeat {
    let (name, address, version) = ("node".into(), "10.0.0.1:8085".into(), "1.0.0".into());
    Heartbeat { id, name, address, version, report: report(4096) }
}
