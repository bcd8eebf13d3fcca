//! What the server says to its launcher, its zygotes and their forks, and what they answer.

use std::net::SocketAddrV4;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Server to launcher, and (the last one) to zygote. Each is answered by one [`Reply`].
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Enter a user and a network namespace of its own (a server that is not root); the server then maps ids.
    EnterUserNamespace,
    /// Become root of the user namespace just mapped.
    BecomeNamespaceRoot,
    /// Make the file tree every sandbox starts from, and live in it from now on.
    EnterRoot(RootLayout),
    /// Make the namespaces of a slot; answered with the user and the network namespace.
    MakeSlot { uid: u32 },
    /// Make a socket bound in the launcher's network namespace; answered with it.
    Listen { address: SocketAddrV4, kind: SocketKind },
    /// Start a zygote. Descriptors: its end of the socket it is spoken to on, standard error. Answered with a pidfd.
    StartZygote(ZygoteSpec),
    /// Fork a sandbox that waits for its program. Descriptors: its end of the socket it is spoken to on, user namespace,
    /// network namespace, then the `cgroup.procs` files to join. Answered with a pidfd.
    Standby(StandbySpec),
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    Done,
    Forked { pid: i32 },
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SocketKind {
    Tcp,
    Udp,
}

/// A step that did not work, in the launcher or in a starting sandbox.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{step}: {error}")]
pub struct Failure {
    pub step: String,
    pub error: String,
}

/// A starting zygote, or a sandbox on its way, to the server. The sandbox's program starts when the socket closes.
#[derive(Debug, Serialize, Deserialize)]
pub enum ChildReport {
    /// It waits: a zygote for requests, a sandbox for its [`Start`]. From a sandbox this comes with a descriptor of the
    /// directory that will hold the runtime's socket.
    Ready,
    Failed(Failure),
}

/// Server to a waiting sandbox. Descriptors: standard output, standard error.
#[derive(Debug, Serialize, Deserialize)]
pub struct Start(pub ProgramSpec);

/// The file tree of all sandboxes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootLayout {
    /// Directory that holds the generated files and the mount points.
    pub directory: PathBuf,
    /// Read-only views of the host's files.
    pub binds: Vec<Bind>,
    /// Whether the host's `/proc` must stay mounted below the sandbox's own: without it the kernel does not let
    /// the root of a user namespace mount another one.
    pub keep_proc: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    pub source: PathBuf,
    /// Absolute path in the sandbox.
    pub target: PathBuf,
    /// Device nodes work on this one.
    pub device: bool,
}

/// A zygote to start: an interpreter with a runtime's program, which finds the socket at
/// [`ZYGOTE_CONTROL`](crate::ZYGOTE_CONTROL).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ZygoteSpec {
    pub argv: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
}

/// What is the same for all sandboxes but the place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StandbySpec {
    /// Uid (and gid) of the sandbox as the launcher counts.
    pub uid: u32,
    /// The server is another unprivileged user, so the socket must be open to others; only the server has a path to it.
    pub open_socket: bool,
}

/// What a waiting sandbox becomes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProgramSpec {
    pub program: Program,
    /// `NAME=value`.
    pub env: Vec<String>,
    pub working_dir: PathBuf,
    /// Size of `/tmp` and of `/dev/shm`, in bytes.
    pub tmp_size: u64,
    pub shm_size: u64,
    pub max_open_files: u64,
    pub max_processes: u64,
    /// Limit of each process's data in bytes, where no memory cgroup holds the whole.
    pub max_data: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Program {
    /// A file to execute, and its arguments; the first is its path.
    Execute(Vec<String>),
    /// One of the launcher's [`Builtin`](crate::Builtin)s, by name.
    Builtin(String),
    /// What the zygote it is a fork of has loaded.
    Loaded,
}
