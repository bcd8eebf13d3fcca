//! Closed-loop load: each connection sends its next request when it has its answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;

use crate::client::{Connection, Endpoint};

/// What to send, and what must come back.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) request: Vec<u8>,
    pub(crate) expected: u16,
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Elapsed(Duration),
    Requests(u64),
}

/// Latencies in nanoseconds.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) latencies: Histogram<u64>,
    pub(crate) elapsed: Duration,
}

impl Measured {
    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds at a quantile.
    pub(crate) fn micros(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1000.0
    }

    pub(crate) fn max_micros(&self) -> f64 {
        self.latencies.max() as f64 / 1000.0
    }
}

/// Runs the load over `connections`.
///
/// # Errors
/// When any answer is not as expected: a figure with failures in it measures something else.
pub(crate) fn run(target: &Target, connections: usize, until: Until) -> anyhow::Result<Measured> {
    let stop = AtomicBool::new(false);
    let left = AtomicU64::new(match until {
        Until::Requests(count) => count,
        Until::Elapsed(_) => u64::MAX,
    });
    let begin = Instant::now();
    let deadline = match until {
        Until::Elapsed(duration) => Some(begin + duration),
        Until::Requests(_) => None,
    };
    let results: Vec<anyhow::Result<Histogram<u64>>> = thread::scope(|scope| {
        let worker = || one_connection(target, &stop, &left, deadline);
        let handles: Vec<_> = (0..connections).map(|_| scope.spawn(worker)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().map_err(|_| anyhow::anyhow!("a worker panicked"))?)
            .collect()
    });
    let elapsed = begin.elapsed();
    let mut latencies = histogram()?;
    for result in results {
        latencies.add(result?)?;
    }
    Ok(Measured { latencies, elapsed })
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Histogram::new(3).context("make a histogram")
}

fn one_connection(
    target: &Target,
    stop: &AtomicBool,
    left: &AtomicU64,
    deadline: Option<Instant>,
) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = histogram()?;
    let outcome = (|| {
        let mut connection = Connection::open(&target.endpoint)?;
        let take =
            || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_ok();
        while !stop.load(Ordering::Relaxed) && take() {
            let begin = Instant::now();
            if deadline.is_some_and(|deadline| begin >= deadline) {
                break;
            }
            let answer = connection.call(&target.request)?;
            let nanoseconds = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
            ensure!(
                answer.status == target.expected,
                "status {} instead of {}: {}",
                answer.status,
                target.expected,
                String::from_utf8_lossy(&answer.body)
            );
            latencies.record(nanoseconds)?;
        }
        Ok(())
    })();
    if outcome.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    outcome.map(|()| latencies)
}
