//! What a process has started, and whether it is still there.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::{Duration, Instant};

use crate::binary::LIMIT;

/// A process: its id, which may be given to another one day, and when it began.
pub(crate) type Process = (u32, String);

/// Parent, state and beginning of a process.
fn stat(pid: u32) -> Option<(u32, char, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before this may have any characters.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(1)?.parse().ok()?, fields.first()?.chars().next()?, (*fields.get(19)?).to_owned()))
}

/// All processes that descend from `root`.
pub(crate) fn below(root: u32) -> Vec<Process> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let all: HashMap<u32, (u32, String)> =
        pids.filter_map(|pid| stat(pid).map(|(parent, _, begun)| (pid, (parent, begun)))).collect();
    let mut found: HashSet<u32> = HashSet::from([root]);
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|(pid, (parent, _))| found.contains(parent) && !found.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    found.remove(&root);
    found.into_iter().map(|pid| (pid, all[&pid].1.clone())).collect()
}

/// Command lines of those that still run after a while: what is ended last may outlive the process that ends it by a moment.
pub(crate) fn left_of(processes: &[Process]) -> Vec<String> {
    let begin = Instant::now();
    loop {
        let left = running(processes);
        if left.is_empty() || begin.elapsed() > LIMIT {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn running(processes: &[Process]) -> Vec<String> {
    let runs = |(pid, begun): &&Process| {
        stat(*pid).is_some_and(|(_, state, now)| now == *begun && !"ZX".contains(state))
    };
    let name = |(pid, _): &Process| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    processes.iter().filter(runs).map(name).collect()
}
