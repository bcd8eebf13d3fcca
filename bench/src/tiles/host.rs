//! What the machine and the measured processes use, each second.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::record::{self, Line};
use crate::report;

const INTERVAL: Duration = Duration::from_secs(1);
/// Ticks a second of the counters in `/proc`, on every architecture that Linux runs us on.
const TICKS: f64 = 100.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) variant: String,
    pub(crate) round: u32,
    pub(crate) at: f64,
    /// Processors that were busy, of all the machine has; by others than us, too.
    pub(crate) busy: f64,
    pub(crate) load: f64,
    pub(crate) available_kb: u64,
    /// By the program's name.
    pub(crate) processes: BTreeMap<String, Usage>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) count: u32,
    pub(crate) rss_kb: u64,
    /// Processors that they kept busy.
    pub(crate) busy: f64,
}

/// Whose processes are of interest.
#[derive(Clone, Debug)]
pub(crate) enum Watched {
    /// All that this process has started, and what those have.
    Descendants,
    /// Those with these names, whoever started them.
    Named(Vec<String>),
}

/// Prints a sample a second until it is dropped.
#[derive(Debug)]
pub(crate) struct Sampler {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    pub(crate) fn start(variant: &str, round: u32, watched: Watched) -> Self {
        let (stop, stopped) = sync_channel(0);
        let variant = variant.to_owned();
        let thread = std::thread::spawn(move || sample(&variant, round, &watched, &stopped));
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn sample(variant: &str, round: u32, watched: &Watched, stopped: &Receiver<()>) {
    let mut before = Counters::read(watched);
    while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let now = Counters::read(watched);
        let sample = Sample {
            variant: variant.to_owned(),
            round,
            at: seconds_now(),
            busy: rounded(now.busy_since(&before)),
            load: report::load_average(),
            available_kb: now.available_kb,
            processes: now.usage_since(&before),
        };
        if record::print(&Line::Host(sample)).is_err() {
            return;
        }
        before = now;
    }
}

pub(crate) fn seconds_now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as f64 / 1e3
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[derive(Debug)]
struct Counters {
    at: std::time::Instant,
    busy_ticks: u64,
    available_kb: u64,
    processes: Vec<Process>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    name: String,
    ticks: u64,
}

impl Counters {
    fn read(watched: &Watched) -> Self {
        let ours = std::process::id();
        let all: Vec<Process> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok())
            .filter_map(|text| parse_process(&text))
            .collect();
        Self {
            at: std::time::Instant::now(),
            busy_ticks: parse_busy(&fs::read_to_string("/proc/stat").unwrap_or_default()),
            available_kb: parse_available(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
            processes: match watched {
                Watched::Descendants => descendants(all, ours),
                Watched::Named(names) => {
                    all.into_iter().filter(|process| names.contains(&process.name)).collect()
                }
            },
        }
    }

    fn processors(&self, before: &Self, ticks: u64) -> f64 {
        ticks as f64 / TICKS / (self.at - before.at).as_secs_f64()
    }

    fn busy_since(&self, before: &Self) -> f64 {
        self.processors(before, self.busy_ticks.saturating_sub(before.busy_ticks))
    }

    fn usage_since(&self, before: &Self) -> BTreeMap<String, Usage> {
        let ticks: HashMap<u32, u64> =
            before.processes.iter().map(|process| (process.pid, process.ticks)).collect();
        let mut usage = BTreeMap::<String, Usage>::new();
        for process in &self.processes {
            let since = process.ticks.saturating_sub(ticks.get(&process.pid).copied().unwrap_or(0));
            let entry = usage.entry(process.name.clone()).or_default();
            entry.count += 1;
            entry.rss_kb += report::memory(process.pid).0;
            entry.busy = rounded(entry.busy + self.processors(before, since));
        }
        usage
    }
}

/// A process of `/proc/<pid>/stat`: a name may have anything in it, so what follows is counted from its last bracket.
fn parse_process(text: &str) -> Option<Process> {
    let (head, tail) = text.rsplit_once(')')?;
    let (pid, name) = head.split_once(" (")?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        pid: pid.parse().ok()?,
        parent: number(1)?.try_into().ok()?,
        name: name.to_owned(),
        ticks: number(11)? + number(12)?,
    })
}

/// Those below a process, it itself among them.
fn descendants(all: Vec<Process>, root: u32) -> Vec<Process> {
    let parents: HashMap<u32, u32> = all.iter().map(|process| (process.pid, process.parent)).collect();
    let below = |pid: u32| {
        // As many steps as there are processes: a list that was read while it changed may go in circles.
        let line = std::iter::successors(Some(pid), |pid| parents.get(pid).copied());
        line.take(parents.len() + 1).any(|pid| pid == root)
    };
    all.into_iter().filter(|process| below(process.pid)).collect()
}

/// Ticks of all processors that were not idle and did not wait for a disk, of `/proc/stat`.
fn parse_busy(text: &str) -> u64 {
    let line = text.lines().next().unwrap_or_default();
    let ticks = line.split_whitespace().skip(1).take(8).map(|field| field.parse::<u64>().unwrap_or(0));
    ticks.enumerate().filter(|(index, _)| !matches!(index, 3 | 4)).map(|(_, ticks)| ticks).sum()
}

fn parse_available(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32) -> Process {
        Process { pid, parent, name: "p".into(), ticks: 0 }
    }

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let text = "77 (a) (b) S 5 77 77 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 9 8 7";
        let expected = Process { pid: 77, parent: 5, name: "a) (b".into(), ticks: 200 };
        assert_eq!(parse_process(text), Some(expected));
        assert_eq!(parse_process(""), None);
    }

    #[test]
    fn descendants_are_found_and_circles_end() {
        let all =
            vec![process(1, 0), process(5, 1), process(6, 5), process(7, 1), process(8, 9), process(9, 8)];
        let found: Vec<u32> = descendants(all, 5).iter().map(|process| process.pid).collect();
        assert_eq!(found, [5, 6]);
    }

    #[test]
    fn busy_is_what_is_neither_idle_nor_waiting() {
        assert_eq!(parse_busy("cpu  10 1 5 900 90 2 3 4 7 7\ncpu0 1"), 25);
        assert_eq!(parse_available("MemTotal: 9 kB\nMemAvailable:   1234 kB\n"), 1234);
    }
}
