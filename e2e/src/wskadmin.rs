//! `wskadmin`, run against a server.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Finished};
use crate::server::{self, Server};

/// The command line of one server's administrator.
#[derive(Clone, Debug)]
pub struct Wskadmin {
    binary: PathBuf,
    data_dir: PathBuf,
}

impl Wskadmin {
    /// For `server`, by the socket in its data directory.
    ///
    /// # Panics
    /// When there is no `wskadmin` beside the server's binary.
    #[track_caller]
    pub fn of(server: &Server) -> Self {
        let oxwhisk = server::binary().expect("a server runs");
        let binary = oxwhisk.with_file_name("wskadmin");
        assert!(binary.is_file(), "no {}: build it (`cargo build`)", binary.display());
        Self { binary, data_dir: server.data_dir().to_owned() }
    }

    /// The server's data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// A command without arguments and with nothing of this process's environment that it would heed.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs it with `args` to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Finished {
        let mut command = self.command();
        command.arg("--data-dir").arg(&self.data_dir).args(args);
        process::run(command)
    }

    /// Runs it, checks code and standard output byte for byte, and that standard error is empty.
    #[track_caller]
    pub fn expect(&self, args: &[&str], code: i32, stdout: &str) {
        let finished = self.run(args);
        let got = (finished.status.code(), finished.stdout.as_str(), finished.stderr.as_str());
        assert_eq!(got, (Some(code), stdout, ""), "wskadmin {args:?}");
    }

    /// Runs it, checks that it succeeds, and gives its standard output without the newline at its end.
    #[track_caller]
    pub fn output(&self, args: &[&str]) -> String {
        let finished = self.run(args);
        assert_eq!(finished.status.code(), Some(0), "wskadmin {args:?}: {finished:?}");
        finished.stdout.trim_end_matches('\n').to_owned()
    }
}
