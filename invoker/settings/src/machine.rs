//! What the defaults take from the machine the server starts on.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use oxwhisk_core::size::ByteSize;

/// OpenWhisk's own default, and the least that is useful.
const LEAST_USER_MEMORY_MB: u64 = 1024;

/// Facts about the machine; made by hand in tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Bytes this process and its actions may use together, if that can be told.
    pub memory: Option<u64>,
    pub home: Option<PathBuf>,
    pub stderr_is_terminal: bool,
}

impl Machine {
    /// Looks at this machine; `environment` tells where home is.
    #[must_use]
    pub fn detect(environment: &[(OsString, OsString)]) -> Self {
        let home = environment.iter().find(|(name, value)| name == "HOME" && !value.is_empty());
        let files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
        let limits = files.iter().filter_map(|path| parse_limit(&std::fs::read_to_string(path).ok()?));
        let physical = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| parse_meminfo(&text));
        Self {
            memory: limits.chain(physical).min(),
            home: home.map(|(_, value)| PathBuf::from(value)),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// What containers may use together unless configured: half of the memory, in whole megabytes.
    #[must_use]
    pub fn default_user_memory(&self) -> ByteSize {
        let half = self.memory.map_or(0, |bytes| (bytes / 2) >> 20);
        ByteSize::mb(half.max(LEAST_USER_MEMORY_MB))
    }
}

/// A cgroup's limit; `max` (version 2) and numbers beyond any machine (version 1) stand for none.
fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_get_half_of_the_memory_and_never_less_than_openwhisk_gives() {
        let default = |memory| Machine { memory, ..Machine::default() }.default_user_memory().as_mb();
        assert_eq!(default(Some(8 << 30)), 4096);
        assert_eq!(default(Some(1 << 30)), 1024);
        assert_eq!(default(None), 1024);
    }

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(parse_meminfo("MemTotal:       2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert_eq!(parse_meminfo("MemFree: 1 kB\n"), None);
        assert_eq!((parse_limit("max\n"), parse_limit("1048576\n")), (None, Some(1 << 20)));
    }
}
