//! A server of its own: one process of the real `oxwhisk` binary, or, when the tests run against a cluster of this machine, a
//! deployment of a controller and an invoker.

mod deployment;
mod kept;
mod options;
mod parts;
mod services;
mod standalone;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::http::Api;
use crate::process::Logs;
use crate::shared;
use crate::tenant::Tenant;
use crate::users::{Roster, Special};
use crate::wskadmin::Target;

use kept::Kept;
pub use options::ServerOptions;
use parts::Parts;
use services::Services;

/// How many plain users the server knows that most tests share; every test takes one.
pub const PLAIN_USERS: usize = 300;
/// How many a server of a test's own knows.
const FEW_USERS: usize = 4;

/// A binary under test. `oxwhisk` is where `OXWHISK_BIN` says, else beside the test executables, as the others are.
///
/// # Errors
/// When there is no such file.
pub fn binary(name: &str) -> Result<PathBuf, String> {
    let path = match std::env::var_os("OXWHISK_BIN") {
        Some(path) => PathBuf::from(path).with_file_name(name),
        None => {
            let test = std::env::current_exe().map_err(|e| format!("own path unknown: {e}"))?;
            // Test executables are in <profile>/deps, binaries in <profile>.
            let profile = test.ancestors().nth(2).ok_or("test executable has no target directory")?;
            profile.join(name)
        }
    };
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("no binary at {}: build it (`cargo build`) or set OXWHISK_BIN", path.display()))
    }
}

/// What a server of a test's own is made of.
#[derive(Debug)]
enum Form {
    Standalone,
    Deployment(Services),
}

impl Form {
    /// As the environment has it.
    fn of_environment() -> Result<Self, String> {
        if !shared::is_remote() {
            return Ok(Self::Standalone);
        }
        Services::of_environment().map(Self::Deployment)
    }
}

/// Whether tests can have servers of their own.
///
/// # Errors
/// Why they cannot.
pub fn can_start() -> Result<(), String> {
    Form::of_environment().map(|_| ())
}

/// The programs that a server of a test's own is made of, each one process.
///
/// # Errors
/// Why there can be no such server.
pub fn programs() -> Result<&'static [&'static str], String> {
    Form::of_environment().map(|form| match form {
        Form::Standalone => &[standalone::NAME][..],
        Form::Deployment(_) => &deployment::NAMES,
    })
}

/// A program that servers of the tests are made of: `oxwhisk`, or one of the cluster's.
///
/// # Errors
/// When there is no such file.
pub fn program(name: &str) -> Result<PathBuf, String> {
    match Form::of_environment()? {
        Form::Standalone => binary(name),
        Form::Deployment(services) => services.binary(name),
    }
}

/// A server that takes requests.
struct Running {
    parts: Parts,
    api: Api,
    admin: Target,
    /// Where the metrics of its invoker are.
    invoker_metrics: Api,
    kept: Kept,
}

/// A running server. Dropping it ends it and, unless it keeps its data elsewhere, removes its files.
#[derive(Debug)]
pub struct Server {
    parts: Parts,
    api: Api,
    admin: Target,
    invoker_metrics: Api,
    roster: Roster,
    kept: Kept,
    // Last: removed after the processes have ended.
    _dir: TempDir,
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready; the message has its output.
    #[track_caller]
    pub fn start(options: &ServerOptions) -> Self {
        match Self::try_start(options) {
            Ok(server) => server,
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or stays silent instead; the text has its output.
    pub fn try_start(options: &ServerOptions) -> Result<Self, String> {
        let dir = tempfile::Builder::new()
            .prefix("oxwhisk-e2e-")
            .tempdir()
            .map_err(|e| format!("no temporary directory: {e}"))?;
        let Running { parts, api, admin, invoker_metrics, kept } = match Form::of_environment()? {
            Form::Standalone => standalone::start(options, dir.path())?,
            Form::Deployment(services) => deployment::start(options, dir.path(), &services)?,
        };
        Ok(Self { parts, api, admin, invoker_metrics, roster: options.roster.clone(), kept, _dir: dir })
    }

    /// Where its API is.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Where its admin API is.
    pub fn admin(&self) -> &Target {
        &self.admin
    }

    /// The page of metrics that has those of its invoker.
    #[track_caller]
    pub fn invoker_metrics(&self) -> String {
        self.invoker_metrics.get("/metrics").send().expect(200).text()
    }

    /// Who may log in.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Where it keeps its data, or what it keeps beside a store.
    pub fn data_dir(&self) -> &Path {
        &self.kept.data
    }

    /// Files and databases that contain `text` among all that it keeps, but for what running containers have.
    #[track_caller]
    pub fn places_of(&self, text: &str) -> Vec<String> {
        self.kept.places_of(text)
    }

    /// Its output files.
    pub fn logs(&self) -> &Logs {
        self.parts.logs()
    }

    /// The namespace of the `n`th plain user.
    #[track_caller]
    pub fn tenant(&self, n: usize) -> Tenant {
        let user = self.roster.plain(n).expect("the roster has this user");
        Tenant::new(self.api.clone(), user.clone(), Some(self.logs().clone()))
    }

    /// The namespace of a special user.
    #[track_caller]
    pub fn special(&self, which: Special) -> Tenant {
        let user = self.roster.special(which).expect("the roster has this user");
        Tenant::new(self.api.clone(), user.clone(), Some(self.logs().clone()))
    }

    /// Its processes.
    pub fn process_ids(&self) -> Vec<u32> {
        self.parts.ids()
    }

    /// Sends a signal to all its processes.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        self.parts.signal(signal);
    }

    /// Ends its processes without any warning, as a crash does, and waits until they are gone.
    #[track_caller]
    pub fn kill9(mut self) {
        self.parts.kill();
    }

    /// Ends the process of one of its [`programs`] as a crash does, and stops the others.
    #[track_caller]
    pub fn kill9_one(mut self, program: &str) {
        self.parts.kill_one(program);
    }

    /// Waits for its processes to end by themselves.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        self.parts.wait_exit()
    }
}
