//! How many files the process may have open; connections are files, too.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Connections served at once where files are no constraint.
const MOST_CONNECTIONS: usize = 8192;

/// Raises the limit as far as a process may raise its own, and gives the limit that holds now. Shells and service
/// managers start programs with a low one for the sake of programs that use `select`.
///
/// # Errors
/// When the system refuses.
pub fn raise_limit() -> Result<u64, Errno> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

/// How many connections to serve at once when `files` may be open: half of them, so that stores and containers always
/// find some left.
#[must_use]
pub fn connections(files: u64) -> usize {
    usize::try_from(files / 2).unwrap_or(usize::MAX).clamp(1, MOST_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard / 2, hard).unwrap();
        assert_eq!(raise_limit(), Ok(hard));
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
    }

    #[test]
    fn connections_leave_files_for_the_rest() {
        assert_eq!([1, 1024, 1 << 20, u64::MAX].map(connections), [1, 512, 8192, 8192]);
    }
}
