//! `wskadmin`, run against a server.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{self, Finished};
use crate::server::{self, Server};

/// Address of the admin API of the server that [`crate::shared::API_VARIABLE`] names: `host:port`.
pub const ADMIN_VARIABLE: &str = "OXWHISK_E2E_ADMIN";
/// Folder with an administrator's certificate for it, as `wskadmin --tls-dir` takes it.
pub const TLS_VARIABLE: &str = "OXWHISK_E2E_ADMIN_TLS";

/// The command line of one server's administrator.
#[derive(Clone, Debug)]
pub struct Wskadmin {
    binary: PathBuf,
    target: Target,
}

/// How it finds its server.
#[derive(Clone, Debug)]
pub enum Target {
    /// By the socket in the server's data directory.
    DataDir(PathBuf),
    /// By its address.
    Endpoint {
        /// `host:port`.
        address: String,
        /// Folder with `ca.crt`, `tls.crt` and `tls.key`; `None` where there is no TLS.
        tls_dir: Option<PathBuf>,
    },
}

impl Wskadmin {
    /// For `server`.
    ///
    /// # Panics
    /// When there is no `wskadmin` beside the server's binary.
    #[track_caller]
    pub fn of(server: &Server) -> Self {
        Self { binary: binary(), target: server.admin().clone() }
    }

    /// For the server that somebody else started.
    ///
    /// # Errors
    /// When the environment does not say where its admin API is.
    ///
    /// # Panics
    /// When there is no `wskadmin` beside the server's binary.
    #[track_caller]
    pub fn remote() -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
        let (address, tls_dir) = (variable(ADMIN_VARIABLE)?, Some(variable(TLS_VARIABLE)?.into()));
        Ok(Self { binary: binary(), target: Target::Endpoint { address, tls_dir } })
    }

    /// How it finds its server.
    pub fn target(&self) -> &Target {
        &self.target
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
        match &self.target {
            Target::DataDir(dir) => command.arg("--data-dir").arg(dir),
            Target::Endpoint { address, tls_dir } => {
                command.args(["--endpoint", address]);
                tls_dir.iter().fold(&mut command, |command, dir| command.arg("--tls-dir").arg(dir))
            }
        };
        command.args(args);
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

#[track_caller]
fn binary() -> PathBuf {
    server::binary("wskadmin").unwrap_or_else(|error| panic!("{error}"))
}
