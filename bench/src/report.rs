//! Rows of results.

use std::fs;

use serde_json::{Value, json};

use crate::load::Measured;

/// The machine and its load, first row of every run.
pub(crate) fn machine() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "machine": {"cores": cores, "model": model.trim_start_matches([' ', '\t', ':']), "kernel": kernel.trim()},
        "load": load_average(),
    })
}

/// The load average of the last minute: a row taken while something else ran is worth little.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// One measurement of one subject in one round.
pub(crate) fn row(
    scenario: &str,
    subject: &str,
    round: u32,
    connections: usize,
    measured: &Measured,
) -> Value {
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    json!({
        "scenario": scenario, "subject": subject, "round": round, "connections": connections,
        "calls": measured.latencies.len(), "rate": measured.rate().round(),
        "p50_us": tenth(measured.micros(0.5)), "p90_us": tenth(measured.micros(0.9)),
        "p99_us": tenth(measured.micros(0.99)), "p999_us": tenth(measured.micros(0.999)),
        "max_us": tenth(measured.max_micros()), "load": load_average(),
    })
}

/// The middle of some values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// Resident memory of a process in kilobytes: now, and the most it ever had.
pub(crate) fn memory(pid: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .unwrap_or(0)
    };
    (field("VmRSS:"), field("VmHWM:"))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0]) - 2.5).abs() < f64::EPSILON);
    }
}
