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

/// Memory in bytes of all processes of `uid`, what they share counted once. Takes longer to find out, so it is for
/// those whose plain sum is too large: forked processes share most of what they have.
pub(crate) fn proportional_memory(uid: u32) -> io::Result<u64> {
    let share = |pid: Pid| {
        // Processes end while the list is read.
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        proportional(&text)
    };
    Ok(of_uid(uid, |_| true)?.into_iter().map(share).sum())
}

/// Reads the text of `/proc/PID/smaps_rollup`: a process's part of its own and shared memory, without files.
fn proportional(text: &str) -> u64 {
    let is_ours = |line: &&str| line.starts_with("Pss_Anon:") || line.starts_with("Pss_Shmem:");
    let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    text.lines().filter(is_ours).filter_map(kib).sum::<u64>() << 10
}

/// Memory in bytes of all processes of each uid, what several share counted for each.
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
    fn a_share_is_read() {
        let text = "00400000-7ff rollup\nRss: 900 kB\nPss: 500 kB\nPss_Anon: 100 kB\nPss_File: 300 kB\nPss_Shmem: 28 kB\n";
        assert_eq!(proportional(text), 128 << 10);
        assert!(proportional_memory(nix::unistd::getuid().as_raw()).unwrap() > 0);
    }

    #[test]
    fn this_process_is_counted() {
        let uid = nix::unistd::getuid().as_raw();
        assert!(memory_by_uid().unwrap()[&uid] > 0);
    }
}
