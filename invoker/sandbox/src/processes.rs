//! Sandboxes' processes found by their uid, which is each sandbox's own: for machines without cgroups.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What the kernel says about a process, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Status {
    uid: u32,
    /// Bytes of its own memory, program files not counted.
    memory: u64,
    stopped: bool,
}

/// Reads the text of `/proc/PID/status`.
fn parse(text: &str) -> Option<Status> {
    let word = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()
    };
    let kib = |name: &str| word(name).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    Some(Status {
        uid: word("Uid")?.parse().ok()?,
        memory: (kib("RssAnon") + kib("RssShmem")) << 10,
        stopped: matches!(word("State"), Some("T" | "t" | "Z" | "X")),
    })
}

fn all() -> io::Result<Vec<(Pid, Status)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Processes end while the list is read.
        let Ok(text) = fs::read_to_string(entry.path().join("status")) else { continue };
        found.extend(parse(&text).map(|status| (Pid::from_raw(pid), status)));
    }
    Ok(found)
}

/// Memory in bytes of all processes of each uid.
pub(crate) fn memory_by_uid() -> io::Result<HashMap<u32, u64>> {
    let mut sums = HashMap::new();
    for (_, status) in all()? {
        *sums.entry(status.uid).or_insert(0) += status.memory;
    }
    Ok(sums)
}

/// Stops every process of `uid`, however fast it forks: repeated until a look finds none running.
pub(crate) fn stop_all(uid: u32, limit: Duration) -> io::Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        let running: Vec<Pid> = of_uid(uid, |status| !status.stopped)?;
        if running.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "some processes did not stop"));
        }
        signal(&running, Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Lets every process of `uid` go on.
pub(crate) fn continue_all(uid: u32) -> io::Result<()> {
    signal(&of_uid(uid, |_| true)?, Signal::SIGCONT);
    Ok(())
}

fn of_uid(uid: u32, wanted: impl Fn(&Status) -> bool) -> io::Result<Vec<Pid>> {
    let ours = |(pid, status): (Pid, Status)| (status.uid == uid && wanted(&status)).then_some(pid);
    Ok(all()?.into_iter().filter_map(ours).collect())
}

fn signal(pids: &[Pid], signal: Signal) {
    for pid in pids {
        // Gone already, then.
        let _ = kill(*pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read() {
        let text = "Name:\tsh\nState:\tT (stopped)\nUid:\t7\t7\t7\t7\nRssAnon:\t  100 kB\nRssFile:\t 5 kB\nRssShmem:\t 28 kB\n";
        assert_eq!(parse(text), Some(Status { uid: 7, memory: 128 << 10, stopped: true }));
        assert_eq!(parse("Name:\tkthread\nState:\tS\nUid:\t0\t0\t0\t0\n").unwrap().memory, 0);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn this_process_is_counted() {
        let uid = nix::unistd::getuid().as_raw();
        assert!(memory_by_uid().unwrap()[&uid] > 0);
    }
}
