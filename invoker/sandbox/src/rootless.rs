//! A server that is not root: a user namespace with a range of subordinate ids, and `pasta` for the way out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{User, getegid, geteuid};

use crate::error::SetupError;

/// Longest wait for `pasta`.
const READY_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Ids a user may map: its own as 0, and `count` subordinate ones from 1 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdRange {
    uid: u32,
    gid: u32,
    first_uid: u32,
    first_gid: u32,
    count: u32,
}

impl IdRange {
    /// The range `/etc/subuid` and `/etc/subgid` give to this user; refused if it is smaller than `needed`.
    pub(crate) fn of_this_user(needed: u32) -> Result<Self, SetupError> {
        let uid = geteuid();
        let name = User::from_uid(uid).ok().flatten().map(|user| user.name).unwrap_or_default();
        let read = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            subordinate_range(&text, &name, uid.as_raw()).filter(|(_, count)| *count >= needed).ok_or_else(
                || {
                    SetupError::Missing(format!(
                        "not root, and {path} gives user {name} ({uid}) no {needed} subordinate ids"
                    ))
                },
            )
        };
        let (first_uid, uids) = read("/etc/subuid")?;
        let (first_gid, gids) = read("/etc/subgid")?;
        let count = uids.min(gids);
        Ok(Self { uid: uid.as_raw(), gid: getegid().as_raw(), first_uid, first_gid, count })
    }

    /// Host ids of the sandboxes, for the report.
    pub(crate) fn host_ids(&self) -> (u32, u32) {
        (self.first_uid, self.first_uid + self.count - 1)
    }
}

/// What a program says over several lines, as one.
pub(crate) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The first line of a `subuid` file that is this user's, as (first, count).
fn subordinate_range(text: &str, name: &str, uid: u32) -> Option<(u32, u32)> {
    let uid = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let matches = owner == uid || (!name.is_empty() && owner == name);
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        matches.then_some((first, count))
    })
}

/// Maps the range into the user namespace of process `pid`, by the set-uid helpers that check it.
pub(crate) fn map_ids(pid: u32, ids: &IdRange) -> Result<(), SetupError> {
    let maps = [("newuidmap", ids.uid, ids.first_uid), ("newgidmap", ids.gid, ids.first_gid)];
    for (helper, own, first) in maps {
        let arguments = [pid, 0, own, 1, 1, first, ids.count].map(|number| number.to_string());
        let output = Command::new(helper).args(arguments).stdin(Stdio::null()).output().map_err(|error| {
            SetupError::Missing(format!("{helper} cannot be run ({error}); install uidmap"))
        })?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(SetupError::Missing(format!("{helper}: {}", one_line(&text))));
        }
    }
    Ok(())
}

/// The process that carries packets between the launcher's network namespace and the host's.
#[derive(Debug)]
pub(crate) struct Pasta(std::process::Child);

impl Pasta {
    /// Starts it and waits until the namespace has its way out.
    pub(crate) async fn start(launcher: u32) -> Result<Self, SetupError> {
        let program = find_program(Path::new("pasta")).ok_or_else(|| {
            SetupError::Missing("not root, and pasta is not installed (package passt)".into())
        })?;
        let child = Command::new(program)
            .args(["--foreground", "--quiet", "--config-net", "--ipv4-only", "--no-map-gw"])
            // Nothing of the host is forwarded in, and nothing of the namespace out to the host's loopback.
            .args(["--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none"])
            .arg(format!("--userns=/proc/{launcher}/ns/user"))
            .arg(format!("--netns=/proc/{launcher}/ns/net"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| SetupError::Missing(format!("pasta cannot be run: {error}")))?;
        let mut pasta = Self(child);
        pasta.wait_until_ready(launcher).await?;
        Ok(pasta)
    }

    /// Ready when the namespace has a default route, which the kernel shows to everybody.
    async fn wait_until_ready(&mut self, launcher: u32) -> Result<(), SetupError> {
        let routes = format!("/proc/{launcher}/net/route");
        let deadline = std::time::Instant::now() + READY_LIMIT;
        while std::time::Instant::now() < deadline {
            if fs::read_to_string(&routes).is_ok_and(|text| has_default_route(&text)) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.0.try_wait() {
                let mut text = String::new();
                if let Some(mut stderr) = self.0.stderr.take() {
                    let _ = std::io::Read::read_to_string(&mut stderr, &mut text);
                }
                return Err(SetupError::Missing(format!("pasta ended ({status}): {}", one_line(&text))));
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        Err(SetupError::Missing("pasta gave no route in time; has this machine one?".into()))
    }
}

impl Drop for Pasta {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads `/proc/net/route`: interface, destination, ... with destination 0 for the default.
fn has_default_route(table: &str) -> bool {
    table.lines().skip(1).any(|line| line.split_whitespace().nth(1) == Some("00000000"))
}

/// Finds a program on `PATH` or where administrators' programs are, which an ordinary user's `PATH` often lacks.
pub(crate) fn find_program(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return name.exists().then(|| name.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(extra)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_route_is_seen() {
        let head = "Iface\tDestination\tGateway\n";
        assert!(has_default_route(&format!("{head}eth0\t00000000\t010200C0\n")));
        assert!(!has_default_route(&format!("{head}eth0\t000200C0\t00000000\n")));
        assert!(!has_default_route(""));
    }

    #[test]
    fn the_users_own_range_is_found_by_name_or_number() {
        let text = "alice:100000:65536\nbob:165536:1000\n1003:200000:5\n";
        assert_eq!(subordinate_range(text, "bob", 1001), Some((165_536, 1000)));
        assert_eq!(subordinate_range(text, "carol", 1003), Some((200_000, 5)));
        assert_eq!(subordinate_range(text, "dave", 1004), None);
        assert_eq!(subordinate_range("bob:x:y\n", "bob", 1001), None);
    }
}
