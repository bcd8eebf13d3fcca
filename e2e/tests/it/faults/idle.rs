//! What a cluster does when nobody asks it for anything: lines for whoever reads the output of these tests.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use oxwhisk_e2e::cluster::Cluster;
use oxwhisk_e2e::report;

const PARTS: [&str; 5] = ["controller0", "controller1", "invoker0", "invoker1", "invoker2"];
const LOOK: Duration = Duration::from_secs(4);

/// Ticks of a processor that a part has used, and lines that it has logged.
fn spent(cluster: &Cluster, part: &str) -> (u64, usize) {
    let pid = fs::read_to_string(cluster.dir().join("pids").join(part)).unwrap_or_default();
    let pid = pid.split(' ').next().unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = [11, 12].iter().filter_map(|n| fields.get(*n)?.parse::<u64>().ok()).sum();
    let log = fs::read_to_string(cluster.dir().join(format!("logs/{part}.log"))).unwrap_or_default();
    (ticks, log.lines().count())
}

pub(super) fn report(test: &str, cluster: &Cluster) {
    let before = PARTS.map(|part| spent(cluster, part));
    sleep(LOOK);
    for (part, (ticks, lines)) in PARTS.iter().zip(before) {
        let (ticks_now, lines_now) = spent(cluster, part);
        report::line(&format!(
            "{test}: idle {part}: {} ms of processor time and {} lines in {LOOK:?}; {lines_now} lines in all",
            ticks_now.saturating_sub(ticks) * 10,
            lines_now.saturating_sub(lines)
        ));
    }
}
