//! A container factory that needs no container engine: Linux namespaces, cgroups, seccomp.
//!
//! [`SandboxFactory::start`] looks at the machine, refuses it or says in its [`Report`] what isolation it gives, and
//! then makes containers for the pool. How a sandbox comes to be:
//!
//! 1. The server's own program, started again as the *launcher* (`oxwhisk-sandbox-init`), has one thread, no environment,
//!    and as its root directory the file tree every sandbox sees. It starts the *zygotes*: interpreters that have loaded
//!    their runtime.
//! 2. A *slot* is made ahead of need: a user namespace with a uid of its own, a network namespace with its link.
//! 3. A *standby* too: a fork of the launcher, or of a zygote, in new pid, mount, ipc and uts namespaces, which has joined
//!    its cgroups, entered the slot's network and mounted its `/proc`.
//! 4. A cold start gives a standby its limits and its program: it mounts what is its own in the sizes allowed, gives up
//!    every privilege, and executes the runtime, or is it already if its parent had it loaded.
//!
//! The namespaces other than the user namespace belong to the launcher's user, so that code which somehow won every
//! capability of its user namespace could still not mount, rename or reroute anything.
//!
//! A program that uses this crate calls [`run_if_requested`] first thing in `main`.

mod cgroup;
mod config;
mod container;
mod error;
mod factory;
mod instance;
mod interpreter;
mod launcher;
mod lazy_zygote;
mod listening;
mod logs;
mod network;
mod processes;
mod report;
mod rootfs;
mod rootless;
mod slots;
mod spawn;
mod standby;
mod stock;
mod sys;
mod watchdog;
mod zygote;

pub use config::{
    Interpreter, MAX_SANDBOXES, NetworkConfig, NetworkMode, RuntimeContents, RuntimeFile, RuntimeSpec,
    SandboxConfig,
};
pub use error::SetupError;
pub use factory::SandboxFactory;
pub use oxwhisk_sandbox_init::{Builtin, run_if_requested};
pub use report::{Line, Report};
