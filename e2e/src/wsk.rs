//! The official command line, `wsk`, with a home directory of its own.
//!
//! The binary is the user's: `OXWHISK_WSK` names it, else the first `wsk` on PATH is taken. Tests that find none
//! say so and pass; what the command line needs from the server is tested over HTTP as well
//! (`tests/it/cli_contract.rs`), so that a machine without `wsk` still checks the protocol.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::{self, Finished};
use crate::tenant::Tenant;

/// Names the binary to test with.
pub const BINARY_VARIABLE: &str = "OXWHISK_WSK";

/// A configured command line.
#[derive(Debug)]
pub struct Wsk {
    binary: PathBuf,
    home: TempDir,
}

impl Wsk {
    /// The command line logged in as the owner of `tenant`, configured with `wsk property set`.
    ///
    /// # Errors
    /// When this machine has no `wsk`; the text says what to do.
    ///
    /// # Panics
    /// When `wsk property set` fails.
    pub fn for_tenant(tenant: &Tenant) -> Result<Self, String> {
        let wsk = Self { binary: find_binary()?, home: tempfile::tempdir().expect("a temporary directory") };
        let set =
            wsk.run(&["property", "set", "--apihost", &tenant.api().url(), "--auth", &tenant.user().auth()]);
        assert!(set.status.success(), "wsk property set failed: {set:?}");
        Ok(wsk)
    }

    /// A directory for files of the test.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file in [`Wsk::home`] and gives its path as an argument.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.home().join(name);
        std::fs::write(&path, content).expect("own directory is writable");
        path.display().to_string()
    }

    /// Runs `wsk` in [`Wsk::home`] with `args` to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Finished {
        let mut command = Command::new(&self.binary);
        command
            .args(args)
            .current_dir(self.home())
            .env("HOME", self.home())
            .env("WSK_CONFIG_FILE", self.home().join(".wskprops"))
            // The server is on this machine or named by the caller: never by way of a proxy.
            .env("NO_PROXY", "*");
        process::run(command)
    }

    /// Runs `wsk` and checks its exit code.
    #[track_caller]
    pub fn expect(&self, code: i32, args: &[&str]) -> Finished {
        let finished = self.run(args);
        assert_eq!(finished.status.code(), Some(code), "wsk {args:?}: {finished:?}");
        finished
    }
}

fn find_binary() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(BINARY_VARIABLE) {
        let path = PathBuf::from(named);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!("{BINARY_VARIABLE} names {}, which is no file", path.display()))
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("wsk")).find(|file| file.is_file());
    found.ok_or_else(|| format!("no wsk on PATH and {BINARY_VARIABLE} is not set"))
}
