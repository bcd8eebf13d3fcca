//! A container factory that needs no container engine: Linux namespaces, cgroups, seccomp.
//!
//! [`SandboxFactory::start`] looks at the machine, refuses it or says in its [`Report`] what isolation it gives, and
//! then makes containers for the pool. How a sandbox comes to be:
//!
//! 1. The server's own program, started again as the *launcher* ([`init`]), has one thread, no environment, and as its
//!    root directory the file tree every sandbox sees.
//! 2. A *slot* is made ahead of need: a user namespace with a uid of its own, a network namespace with its link.
//! 3. For a cold start the launcher forks into new pid, mount, ipc and uts namespaces; the child joins its cgroups, enters
//!    the slot, mounts what is its own, gives up every privilege and executes the runtime.
//!
//! The namespaces other than the user namespace belong to the launcher's user, so that code which somehow won every
//! capability of its user namespace could still not mount, rename or reroute anything.
//!
//! A program that uses this crate calls [`init::run_if_requested`] first thing in `main`.

mod cgroup;
mod channel;
mod config;
mod container;
mod error;
mod factory;
pub mod init;
mod instance;
mod interpreter;
mod launcher;
mod listening;
mod logs;
mod message;
mod network;
mod processes;
mod report;
mod rootfs;
mod rootless;
mod slots;
mod spawn;
mod sys;
mod watchdog;

pub use config::{
    Interpreter, MAX_SANDBOXES, NetworkConfig, NetworkMode, RuntimeFile, RuntimeSpec, SandboxConfig,
};
pub use error::SetupError;
pub use factory::SandboxFactory;
pub use report::{Line, Report};
