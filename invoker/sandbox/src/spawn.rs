//! One cold start: from what the pool asks for to a running sandbox.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use oxwhisk_container::{ContainerSpec, CreateError};
use oxwhisk_sandbox_init::{Program, ProgramSpec, SOCKET_DIRECTORY, SOCKET_NAME};

use crate::cgroup::{Cgroups, GroupLimits};
use crate::config::SandboxConfig;
use crate::container::{Parts, SandboxContainer};
use crate::launcher::Launcher;
use crate::lazy_zygote::LazyZygote;
use crate::logs::Output;
use crate::slots::SlotPool;
use crate::standby::{Parent, Standby};
use crate::stock::{Stock, Stocks};
use crate::sys;

/// A runtime whose interpreter has been found.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    pub(crate) kinds: Vec<String>,
    /// How it starts without a zygote.
    pub(crate) program: Program,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) working_dir: PathBuf,
    pub(crate) zygote: Option<Arc<LazyZygote>>,
}

impl Runtime {
    /// Whether this runtime is for `kind`: named whole, or by what stands before the colon.
    pub(crate) fn serves(&self, kind: &str) -> bool {
        let family = kind.split(':').next().unwrap_or(kind);
        self.kinds.iter().any(|served| served == kind || served == family)
    }
}

/// What every start needs.
#[derive(Debug)]
pub(crate) struct Starter {
    pub(crate) launcher: Arc<Launcher>,
    pub(crate) slots: Arc<SlotPool>,
    pub(crate) cgroups: Arc<Cgroups>,
    pub(crate) stocks: Arc<Stocks>,
    /// The launcher's own forks; opened by the first start, after which there will be more.
    pub(crate) general: OnceLock<Arc<Stock>>,
    /// Whether a memory cgroup holds the limit.
    pub(crate) memory_cgroup: bool,
    pub(crate) config: SandboxConfig,
}

impl Starter {
    /// Starts `runtime` for `spec`; returns when the runtime's program runs, or says which step failed.
    pub(crate) async fn start(
        &self,
        runtime: &Runtime,
        spec: &ContainerSpec,
    ) -> Result<(SandboxContainer, u32), CreateError> {
        self.try_start(runtime, spec)
            .await
            .map_err(|error| CreateError::Platform(format!("{}: {error}", spec.name)))
    }

    async fn try_start(
        &self,
        runtime: &Runtime,
        spec: &ContainerSpec,
    ) -> io::Result<(SandboxContainer, u32)> {
        let (standby, program) = self.standby(runtime).await?;
        let limits = GroupLimits {
            memory: spec.memory,
            processes: self.config.max_processes,
            cpu_shares: spec.cpu_shares,
        };
        let (stdout, stdout_write) = output_pipe()?;
        let (stderr, stderr_write) = output_pipe()?;
        let program = self.program_spec(runtime, program, spec);
        let maker = self.stocks.maker();
        let started = maker.start(standby, limits, program, [stdout_write, stderr_write]).await?;
        let host_uid = started.slot.host_uid;
        let container = SandboxContainer::new(Parts {
            name: spec.name.clone(),
            life: started.life,
            output: Output::new(stdout, stderr),
            slot: started.slot,
            slots: Arc::clone(&self.slots),
            socket_directory: started.socket_directory,
            launcher: Arc::clone(&self.launcher),
            step_timeout: self.config.step_timeout,
        });
        Ok((container, host_uid))
    }

    /// A fork of the runtime's zygote if there is one, or else of the launcher; with it, how the runtime starts in it.
    async fn standby(&self, runtime: &Runtime) -> io::Result<(Standby, Program)> {
        let zygote = runtime.zygote.as_ref();
        if let Some(stock) = zygote.and_then(|zygote| zygote.stock(&self.launcher, &self.stocks)) {
            match self.stocks.take(&stock).await {
                Ok(standby) => return Ok((standby, Program::Loaded)),
                // Its end is reported when it is next asked for.
                Err(error) => tracing::debug!(%error, "the zygote cannot fork: the interpreter is started"),
            }
        }
        let general =
            self.general.get_or_init(|| self.stocks.open(Parent::Launcher(Arc::clone(&self.launcher))));
        Ok((self.stocks.take(general).await?, runtime.program.clone()))
    }

    fn program_spec(&self, runtime: &Runtime, program: Program, spec: &ContainerSpec) -> ProgramSpec {
        let tmp_size = self.config.tmp_size.min(spec.memory / 2);
        ProgramSpec {
            program,
            env: environment(&runtime.env, &spec.env),
            working_dir: runtime.working_dir.clone(),
            tmp_size,
            // Docker's default, within the same bound.
            shm_size: tmp_size.min(64 << 20),
            max_open_files: self.config.max_open_files,
            max_processes: u64::from(self.config.max_processes),
            max_data: (!self.memory_cgroup).then_some(spec.memory),
        }
    }
}

/// Later ones win: defaults, the runtime's, the pool's, and last where to listen, which nobody may change.
pub(crate) fn environment(runtime: &[(String, String)], pool: &[(String, String)]) -> Vec<String> {
    let defaults = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOME", "/tmp".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
    ];
    let listen = ("OW_LISTEN".to_owned(), format!("unix:{SOCKET_DIRECTORY}/{SOCKET_NAME}"));
    let mut merged = std::collections::BTreeMap::new();
    merged.extend(defaults.map(|(name, value)| (name.to_owned(), value)));
    merged.extend(runtime.iter().cloned());
    merged.extend(pool.iter().cloned());
    merged.extend([listen]);
    merged.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn output_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    // Only this end: programs expect their standard output to block.
    sys::set_nonblocking(&read)?;
    Ok((read, write))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_match_whole_or_by_family() {
        let runtime = Runtime {
            kinds: vec!["nodejs".into(), "python:3".into()],
            program: Program::Loaded,
            env: Vec::new(),
            working_dir: "/".into(),
            zygote: None,
        };
        assert!(runtime.serves("nodejs:20") && runtime.serves("python:3"));
        assert!(!runtime.serves("python:2") && !runtime.serves("nodejsx:20"));
    }

    #[test]
    fn nobody_changes_where_the_runtime_listens() {
        let own =
            [("OW_LISTEN".to_owned(), "tcp:0.0.0.0:80".to_owned()), ("HOME".to_owned(), "/x".to_owned())];
        let env = environment(&[], &own);
        assert!(env.contains(&"OW_LISTEN=unix:/run/ow/socket".to_owned()), "{env:?}");
        assert!(env.contains(&"HOME=/x".to_owned()), "{env:?}");
        assert_eq!(env.iter().filter(|entry| entry.starts_with("OW_LISTEN=")).count(), 1);
    }
}
