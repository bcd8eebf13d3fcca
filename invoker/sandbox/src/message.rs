//! What the server and its launcher say to each other.

use std::net::SocketAddrV4;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Server to launcher. Each is answered by one [`Reply`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
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
    /// Start a sandbox. Descriptors: standard output, standard error, report socket, user namespace, network
    /// namespace, then the `cgroup.procs` files to join. Answered with a pidfd.
    Spawn(SpawnSpec),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    Spawned { pid: i32 },
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SocketKind {
    Tcp,
    Udp,
}

/// A step that did not work, in the launcher or in a starting sandbox.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{step}: {error}")]
pub(crate) struct Failure {
    pub(crate) step: String,
    pub(crate) error: String,
}

/// Starting sandbox to server; the socket is closed by the successful `exec`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ChildReport {
    /// Comes with a descriptor of the directory that holds the runtime's socket.
    SocketDirectory,
    Failed(Failure),
}

/// The file tree of all sandboxes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RootLayout {
    /// Directory that holds the generated files and the mount points.
    pub(crate) directory: PathBuf,
    /// Read-only views of the host's files.
    pub(crate) binds: Vec<Bind>,
    /// Whether the host's `/proc` must stay mounted below the sandbox's own: without it the kernel does not let
    /// the root of a user namespace mount another one.
    pub(crate) keep_proc: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    /// Absolute path in the sandbox.
    pub(crate) target: PathBuf,
    /// Device nodes work on this one.
    pub(crate) device: bool,
}

/// One sandbox to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SpawnSpec {
    pub(crate) argv: Vec<String>,
    /// `NAME=value`.
    pub(crate) env: Vec<String>,
    pub(crate) working_dir: PathBuf,
    /// Uid (and gid) of the sandbox as the launcher counts.
    pub(crate) uid: u32,
    /// The server is another unprivileged user, so the socket must be open to others; only the server has a path to it.
    pub(crate) open_socket: bool,
    /// Size of `/tmp` and of `/dev/shm`, in bytes.
    pub(crate) tmp_size: u64,
    pub(crate) shm_size: u64,
    pub(crate) max_open_files: u64,
    pub(crate) max_processes: u64,
    /// Limit of each process's data in bytes, where no memory cgroup holds the whole.
    pub(crate) max_data: Option<u64>,
}
