//! Resource limits by cgroups: which hierarchies this machine has, one parent directory for the server, one group
//! for each sandbox.

mod detect;
mod group;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) use detect::{Controller, Version};
pub(crate) use group::{Group, GroupLimits};

use detect::Candidate;

/// Where one controller's groups are made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    controller: Controller,
    version: Version,
    /// This server's directory in the hierarchy.
    parent: PathBuf,
}

/// The server's place in each hierarchy it can use.
#[derive(Debug)]
pub(crate) struct Cgroups {
    places: Vec<Place>,
}

impl Cgroups {
    /// Takes what the machine gives; a controller that cannot be had is absent (see [`Cgroups::version_of`]).
    pub(crate) fn claim(instance: &str) -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let name = format!("oxwhisk-{instance}");
        let mut places = Vec::new();
        for controller in Controller::ALL {
            let candidates = detect::candidates(controller, &mounts, &own);
            if let Some(place) = candidates.iter().find_map(|candidate| claim_one(candidate, &name)) {
                places.push(place);
            }
        }
        let cgroups = Self { places };
        cgroups.remove_all(Duration::from_secs(5))?;
        Ok(cgroups)
    }

    /// No group at all.
    pub(crate) fn none() -> Self {
        Self { places: Vec::new() }
    }

    /// Which interface serves `controller`, if any.
    pub(crate) fn version_of(&self, controller: Controller) -> Option<Version> {
        self.places.iter().find(|place| place.controller == controller).map(|place| place.version)
    }

    /// Makes a sandbox's group, without limits yet.
    pub(crate) fn create(&self, name: &str) -> io::Result<Group> {
        Group::create(&self.places, name)
    }

    fn parents(&self) -> Vec<&Path> {
        let mut parents: Vec<_> = self.places.iter().map(|place| place.parent.as_path()).collect();
        parents.sort_unstable();
        parents.dedup();
        parents
    }

    /// Ends every process in groups that an earlier server left, and removes them.
    pub(crate) fn remove_all(&self, limit: Duration) -> io::Result<()> {
        let deadline = Instant::now() + limit;
        for parent in self.parents() {
            let entries = match fs::read_dir(parent) {
                // A server that held it before has just taken it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries?,
            };
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    group::kill_and_remove(&path, deadline)?;
                }
            }
        }
        Ok(())
    }

    /// Removes the server's own directories, once no sandbox is left in them.
    pub(crate) fn remove_parents(&self) {
        for parent in self.parents() {
            // Fails while a sandbox lives; the next server with this state directory removes it.
            let _ = fs::remove_dir(parent);
        }
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        self.remove_parents();
    }
}

/// Makes the server's directory at a candidate, with the controller at work in it; `None` if that is not possible.
fn claim_one(candidate: &Candidate, name: &str) -> Option<Place> {
    let parent = candidate.directory.join(name);
    if candidate.version == Version::V2 && candidate.controller.needs_enabling() {
        enable(&candidate.directory, candidate.controller).ok()?;
    }
    match fs::create_dir(&parent) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
        _ => {}
    }
    if candidate.version == Version::V2 && candidate.controller.needs_enabling() {
        enable(&parent, candidate.controller).ok()?;
    }
    let writable = fs::OpenOptions::new().write(true).open(parent.join("cgroup.procs")).is_ok();
    let place = Place { controller: candidate.controller, version: candidate.version, parent };
    writable.then_some(place)
}

/// Gives `controller` to the children of a v2 group. The kernel refuses while processes are in the group itself; if
/// that is only this server, it moves into a leaf.
fn enable(directory: &Path, controller: Controller) -> io::Result<()> {
    let switch = directory.join("cgroup.subtree_control");
    let active = fs::read_to_string(&switch)?;
    if active.split_whitespace().any(|name| name == controller.name()) {
        return Ok(());
    }
    let order = format!("+{}", controller.name());
    match fs::write(&switch, &order) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) && alone_in(directory)? => {
            let leaf = directory.join("oxwhisk-server");
            fs::create_dir_all(&leaf)?;
            fs::write(leaf.join("cgroup.procs"), "0")?;
            fs::write(&switch, &order)
        }
        other => other,
    }
}

fn alone_in(directory: &Path) -> io::Result<bool> {
    let procs = fs::read_to_string(directory.join("cgroup.procs"))?;
    Ok(procs.lines().all(|pid| pid == std::process::id().to_string()))
}
