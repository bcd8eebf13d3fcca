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

const BATCHES: usize = 40;

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
    let decision = decide(&balancer, &keys)?;
    let mut second = 0;
    let round = least(20, || {
        second += 1;
        let now = now + Duration::from_secs(second);
        for id in (0..invokers).map(InvokerId) {
            black_box(balancer.heartbeat(heartbeat(id), now)?);
            black_box(balancer.report(id, report(4096), now));
        }
        black_box(balancer.tick(now));
        Ok(())
    })?;
    let heartbeat = least(1000, || {
        second += 1;
        let id = InvokerId(u32::try_from(second)? % invokers);
        black_box(balancer.heartbeat(heartbeat(id), now)?);
        Ok(())
    })?;
    for id in (0..invokers).map(InvokerId) {
        balancer.report(id, report(0), now);
    }
    let decision_full = decide(&balancer, &keys)?;
    Ok(Cost { decision, decision_full, heartbeat, round })
}

fn decide(balancer: &Balancer<()>, keys: &[Arc<WorkKey>]) -> anyhow::Result<f64> {
    let mut keys = keys.iter().cycle().zip(0_u64..);
    least(1000, || {
        if let Some((key, salt)) = keys.next() {
            black_box(balancer.probe(key, salt));
        }
        Ok(())
    })
}

/// Microseconds of one run: the least of many batches, since other programs on the machine only ever add to it.
fn least(batch: u32, mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..batch {
            run()?;
        }
        least = least.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(batch));
    }
    Ok(least)
}

fn report(free: u64) -> Report {
    Report { enabled: true, kinds: Kinds::All, memory: 4096, free }
}

fn heartbeat(id: InvokerId) -> Heartbeat {
    let (name, address, version) = ("node".into(), "10.0.0.1:8085".into(), "1.0.0".into());
    Heartbeat { id, name, address, version, report: report(4096) }
}
