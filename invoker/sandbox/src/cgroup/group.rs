//! The group of one sandbox: a directory in each hierarchy.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Controller, Place, Version};

/// What a group holds its sandbox to.
#[derive(Clone, Debug)]
pub(crate) struct GroupLimits {
    /// Bytes, `/tmp` included, without swap.
    pub(crate) memory: u64,
    pub(crate) processes: u32,
    /// As Docker counts: 1024 is the default weight.
    pub(crate) cpu_shares: u32,
}

/// A sandbox's directories. Not removed by dropping it: its processes must end first.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    places: Vec<Place>,
    name: String,
}

impl Group {
    pub(super) fn create(places: &[Place], name: &str) -> io::Result<Self> {
        let group = Self { places: places.to_vec(), name: name.to_owned() };
        for directory in group.directories() {
            if let Err(error) = fs::create_dir(&directory) {
                let _ = group.try_remove();
                return Err(named(&directory, error));
            }
        }
        Ok(group)
    }

    /// Sets the limits of a group that has none yet.
    pub(crate) fn limit(&self, limits: &GroupLimits) -> io::Result<()> {
        for place in &self.places {
            let directory = place.parent.join(&self.name);
            for setting in settings(place.controller, place.version, limits) {
                let file = directory.join(setting.file);
                match fs::write(&file, &setting.value) {
                    // Swap is counted only where the kernel was built and started for it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && setting.optional => {}
                    other => other.map_err(|error| named(&file, error))?,
                }
            }
        }
        Ok(())
    }

    fn directories(&self) -> Vec<PathBuf> {
        let mut directories: Vec<_> = self.places.iter().map(|place| place.parent.join(&self.name)).collect();
        directories.sort_unstable();
        directories.dedup();
        directories
    }

    fn directory_for(&self, controller: Controller) -> Option<(Version, PathBuf)> {
        let place = self.places.iter().find(|place| place.controller == controller)?;
        Some((place.version, place.parent.join(&self.name)))
    }

    /// Files by which a process joins, open for writing.
    pub(crate) fn open_procs(&self) -> io::Result<Vec<OwnedFd>> {
        let open = |directory: PathBuf| {
            Ok(fs::OpenOptions::new().write(true).open(directory.join("cgroup.procs"))?.into())
        };
        self.directories().into_iter().map(open).collect()
    }

    /// Stops or continues all its processes; `Ok(false)` if the machine has no freezer.
    pub(crate) fn set_frozen(&self, frozen: bool) -> io::Result<bool> {
        let Some((version, directory)) = self.directory_for(Controller::Freezer) else { return Ok(false) };
        let (file, value) = match (version, frozen) {
            (Version::V1, true) => ("freezer.state", "FROZEN"),
            (Version::V1, false) => ("freezer.state", "THAWED"),
            (Version::V2, true) => ("cgroup.freeze", "1"),
            (Version::V2, false) => ("cgroup.freeze", "0"),
        };
        fs::write(directory.join(file), value).map(|()| true)
    }

    /// How many of its processes the kernel has ended for want of memory.
    pub(crate) fn out_of_memory_kills(&self) -> u64 {
        let Some((version, directory)) = self.directory_for(Controller::Memory) else { return 0 };
        let file = match version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
        field(&text, "oom_kill").unwrap_or(0)
    }

    /// Kills what is in it by the kernel's one-write way, where there is one.
    pub(crate) fn kill(&self) {
        for directory in self.directories() {
            // Absent in v1 and before Linux 5.14; the end of the pid namespace has the same effect.
            let _ = fs::write(directory.join("cgroup.kill"), "1");
        }
    }

    /// Removes the directories; fails with `ResourceBusy` while processes are on their way out.
    pub(crate) fn try_remove(&self) -> io::Result<()> {
        for directory in self.directories() {
            remove(&directory)?;
        }
        Ok(())
    }
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// For groups a dead server left: thaws, kills and removes, until `deadline`.
pub(super) fn kill_and_remove(directory: &Path, deadline: Instant) -> io::Result<()> {
    loop {
        // A v1 group does not let go of a frozen process, not even to die.
        let _ = fs::write(directory.join("freezer.state"), "THAWED");
        let _ = fs::write(directory.join("cgroup.kill"), "1");
        let procs = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        for pid in procs.lines().filter_map(|line| line.parse().ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        match remove(directory) {
            Err(error) if Instant::now() >= deadline => return Err(named(directory, error)),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
            Ok(()) => return Ok(()),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Setting {
    file: &'static str,
    value: String,
    optional: bool,
}

/// What to write for one controller, in order.
fn settings(controller: Controller, version: Version, limits: &GroupLimits) -> Vec<Setting> {
    let must = |file, value: String| Setting { file, value, optional: false };
    let may = |file, value: String| Setting { file, value, optional: true };
    let memory = limits.memory.to_string();
    match (controller, version) {
        (Controller::Memory, Version::V1) => vec![
            must("memory.limit_in_bytes", memory.clone()),
            // Memory and swap together: no more than memory alone, so no swap.
            may("memory.memsw.limit_in_bytes", memory),
        ],
        (Controller::Memory, Version::V2) => vec![
            must("memory.max", memory),
            may("memory.swap.max", "0".into()),
            // A runtime without its worker process is of no use: all go at once.
            may("memory.oom.group", "1".into()),
        ],
        (Controller::Pids, _) => vec![must("pids.max", limits.processes.to_string())],
        (Controller::Cpu, Version::V1) => vec![must("cpu.shares", limits.cpu_shares.max(2).to_string())],
        (Controller::Cpu, Version::V2) => vec![must("cpu.weight", weight(limits.cpu_shares).to_string())],
        (Controller::Freezer, _) => Vec::new(),
    }
}

/// v1 shares (2 to 262144) on the scale of v2 weights (1 to 10000), as container runtimes convert.
fn weight(shares: u32) -> u64 {
    1 + (u64::from(shares.clamp(2, 262_144)) - 2) * 9999 / 262_142
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GroupLimits = GroupLimits { memory: 1 << 28, processes: 64, cpu_shares: 1024 };

    fn place(controller: Controller, version: Version, parent: &Path) -> Place {
        Place { controller, version, parent: parent.to_owned() }
    }

    #[test]
    fn shares_become_weights() {
        assert_eq!(weight(0), 1);
        assert_eq!(weight(2), 1);
        assert_eq!(weight(1024), 39);
        assert_eq!(weight(u32::MAX), 10_000);
    }

    #[test]
    fn each_interface_gets_its_own_files() {
        let files = |controller, version| -> Vec<_> {
            settings(controller, version, &LIMITS).into_iter().map(|set| (set.file, set.value)).collect()
        };
        assert_eq!(files(Controller::Memory, Version::V1)[0], ("memory.limit_in_bytes", "268435456".into()));
        assert_eq!(files(Controller::Memory, Version::V2)[1], ("memory.swap.max", "0".into()));
        assert_eq!(files(Controller::Pids, Version::V2), [("pids.max", "64".into())]);
        assert_eq!(files(Controller::Cpu, Version::V2), [("cpu.weight", "39".into())]);
    }

    #[test]
    fn the_count_of_kills_is_read_from_either_file() {
        assert_eq!(field("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill"), Some(3));
        assert_eq!(field("low 0\noom 2\noom_kill 1\noom_group_kill 0\n", "oom_kill"), Some(1));
        assert_eq!(field("", "oom_kill"), None);
    }

    #[test]
    fn one_directory_serves_controllers_of_one_hierarchy_and_goes_if_another_cannot_be_made() {
        let dir = tempfile::tempdir().unwrap();
        let freezer = place(Controller::Freezer, Version::V2, dir.path());
        let pids = place(Controller::Pids, Version::V2, dir.path());
        let group = Group::create(&[freezer.clone(), pids], "a").unwrap();
        assert!(dir.path().join("a").is_dir());
        assert!(group.set_frozen(true).unwrap());
        assert_eq!(fs::read_to_string(dir.path().join("a/cgroup.freeze")).unwrap(), "1");
        group.limit(&LIMITS).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("a/pids.max")).unwrap(), "64");
        let elsewhere = place(Controller::Pids, Version::V2, &dir.path().join("missing"));
        assert!(Group::create(&[freezer, elsewhere], "b").is_err());
        assert!(!dir.path().join("b").exists());
    }
}
