//! What a server is started with, whatever it is made of.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::FEW_USERS;
use crate::users::Roster;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub(super) roster: Roster,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) manifest: Option<Value>,
    pub(super) config_file: Option<PathBuf>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) admin: Admin,
    pub(super) stdout_is_read: bool,
}

/// Where administrators find a server.
#[derive(Clone, Debug)]
pub(super) enum Admin {
    /// Where they always do.
    Usual,
    /// At an address of their choice, without encryption; `insecure` says that strangers may reach it.
    Plain { listen: String, insecure: bool },
    /// At an address of their choice, by mutual TLS. The folder has one for each peer.
    Tls { listen: String, certificates: PathBuf },
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self::new(Roster::generate(FEW_USERS))
    }
}

impl ServerOptions {
    /// A server that knows the users of `roster` and forgets its data when it is dropped.
    pub fn new(roster: Roster) -> Self {
        Self {
            roster,
            data_dir: None,
            manifest: None,
            config_file: None,
            environment: Vec::new(),
            admin: Admin::Usual,
            stdout_is_read: true,
        }
    }

    /// Keeps the data in `dir`, which outlives the server. What it keeps elsewhere is found by what is there.
    pub fn data_dir(mut self, dir: &Path) -> Self {
        self.data_dir = Some(dir.to_owned());
        self
    }

    /// Replaces the runtimes manifest.
    pub fn manifest(mut self, manifest: Value) -> Self {
        self.manifest = Some(manifest);
        self
    }

    /// Gives the server a configuration file.
    pub fn config_file(mut self, path: &str) -> Self {
        self.config_file = Some(path.into());
        self
    }

    /// Sets an environment variable of the server's processes.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Serves administrators at `listen`, without encryption.
    pub fn admin_in_plain_text(mut self, listen: &str) -> Self {
        self.admin = Admin::Plain { listen: listen.to_owned(), insecure: false };
        self
    }

    /// As [`Self::admin_in_plain_text`], where strangers may reach it.
    pub fn admin_in_plain_text_for_anybody(mut self, listen: &str) -> Self {
        self.admin = Admin::Plain { listen: listen.to_owned(), insecure: true };
        self
    }

    /// Serves administrators at `listen` by mutual TLS. `certificates` has a folder for each peer, `controller-controller0`
    /// and `invoker-invoker0`, with `ca.crt`, `tls.crt` and `tls.key`.
    pub fn admin_by_tls(mut self, listen: &str, certificates: &Path) -> Self {
        self.admin = Admin::Tls { listen: listen.to_owned(), certificates: certificates.to_owned() };
        self
    }

    /// Gives the server's processes a standard output that nobody reads.
    pub fn with_stdout_that_nobody_reads(mut self) -> Self {
        self.stdout_is_read = false;
        self
    }

    pub(super) fn data_dir_in(&self, dir: &Path) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| dir.join("data"))
    }
}

/// Writes a file that a server is started with.
pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
