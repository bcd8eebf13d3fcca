//! Which cgroup hierarchies there are, read from the kernel's own tables.

use std::path::{Path, PathBuf};

/// What a sandbox's group is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Controller {
    Memory,
    Pids,
    Cpu,
    Freezer,
}

impl Controller {
    pub(crate) const ALL: [Self; 4] = [Self::Memory, Self::Pids, Self::Cpu, Self::Freezer];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
            Self::Freezer => "freezer",
        }
    }

    /// In v2 the freezer is part of every group; the others must be switched on for it.
    pub(super) fn needs_enabling(self) -> bool {
        self != Self::Freezer
    }
}

/// The two interfaces of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// A directory below which groups for a controller may be made, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) controller: Controller,
    pub(super) version: Version,
    pub(super) directory: PathBuf,
}

struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

/// Candidates for `controller`, from the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
///
/// v2 comes first: its freezer lets a frozen process be killed, so nothing frozen outlives a killed server, and a
/// controller is in one of the two hierarchies only. The server's own group comes before the root, so that limits
/// somebody has set for the server hold for its actions too.
pub(super) fn candidates(controller: Controller, mountinfo: &str, own: &str) -> Vec<Candidate> {
    let mounts: Vec<Mount<'_>> = mountinfo.lines().filter_map(parse_mount).collect();
    let mut found = Vec::new();
    for mount in mounts.iter().filter(|mount| mount.kind == "cgroup2") {
        push(&mut found, controller, Version::V2, mount, own_path(own, ""));
    }
    let is_v1 = |mount: &&Mount<'_>| {
        mount.kind == "cgroup" && mount.options.split(',').any(|option| option == controller.name())
    };
    for mount in mounts.iter().filter(is_v1) {
        push(&mut found, controller, Version::V1, mount, own_path(own, controller.name()));
    }
    found
}

fn push(
    found: &mut Vec<Candidate>,
    controller: Controller,
    version: Version,
    mount: &Mount<'_>,
    own: Option<&str>,
) {
    let point = Path::new(mount.point);
    let below = own.filter(|path| !path.contains("..")).and_then(|path| below_root(path, mount.root));
    let own = below.map(|path| if path.is_empty() { point.to_owned() } else { point.join(path) });
    let mut directories: Vec<PathBuf> = own.into_iter().collect();
    if !directories.iter().any(|directory| directory == point) {
        directories.push(point.to_owned());
    }
    found.extend(directories.into_iter().map(|directory| Candidate { controller, version, directory }));
}

/// `path` as seen in a mount that shows the hierarchy from `root` on, without a leading slash.
fn below_root<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    let rest = if root == "/" { path } else { path.strip_prefix(root)? };
    match rest {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// This process's path in the hierarchy of `controller`; the empty name stands for v2.
fn own_path<'a>(own: &'a str, controller: &str) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, names, path) = (fields.next()?, fields.next()?, fields.next()?);
        names.split(',').any(|name| name == controller).then_some(path)
    })
}

fn parse_mount(line: &str) -> Option<Mount<'_>> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, point) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (kind, options) = (right.next()?, right.nth(1)?);
    Some(Mount { root, point, kind, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 25 0:26 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";

    fn directories(controller: Controller, mounts: &str, own: &str) -> Vec<(Version, String)> {
        candidates(controller, mounts, own)
            .into_iter()
            .map(|found| (found.version, found.directory.display().to_string()))
            .collect()
    }

    #[test]
    fn hybrid_offers_both_and_the_servers_own_group_first() {
        let own = "5:memory:/jobs/7\n3:cpu,cpuacct:/\n0::/\n";
        assert_eq!(
            directories(Controller::Memory, HYBRID, own),
            [
                (Version::V2, "/sys/fs/cgroup/unified".into()),
                (Version::V1, "/sys/fs/cgroup/memory/jobs/7".into()),
                (Version::V1, "/sys/fs/cgroup/memory".into()),
            ]
        );
        assert_eq!(directories(Controller::Cpu, HYBRID, own).last().unwrap().1, "/sys/fs/cgroup/cpu,cpuacct");
    }

    #[test]
    fn v2_alone() {
        let mounts = "35 24 0:31 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
        let own = "0::/system.slice/oxwhisk.service\n";
        assert_eq!(
            directories(Controller::Pids, mounts, own),
            [
                (Version::V2, "/sys/fs/cgroup/system.slice/oxwhisk.service".into()),
                (Version::V2, "/sys/fs/cgroup".into()),
            ]
        );
    }

    #[test]
    fn paths_outside_what_is_mounted_are_not_used() {
        let mounts = "35 24 0:31 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup2 rw";
        assert_eq!(directories(Controller::Pids, mounts, "0::/../other\n").len(), 1);
        assert_eq!(directories(Controller::Pids, mounts, "0::/docker/x/y\n")[0].1, "/sys/fs/cgroup/y");
        assert_eq!(directories(Controller::Pids, "", "0::/\n").len(), 0);
    }
}
