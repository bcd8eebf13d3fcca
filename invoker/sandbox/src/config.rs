//! What the caller decides: which runtimes exist, where state lives, how far the network reaches.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything [`crate::SandboxFactory::start`] needs.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// A directory of this server alone; two servers with different directories run side by side.
    pub state_dir: PathBuf,
    /// The runtimes this factory can start.
    pub runtimes: Vec<RuntimeSpec>,
    /// What actions may reach.
    pub network: NetworkConfig,
    /// The program that calls [`crate::run_if_requested`] first thing; by default this program itself.
    pub init_executable: PathBuf,
    /// First host uid (and gid) of the range sandboxes run as, when the server is root.
    pub uid_base: u32,
    /// Most sandboxes that exist at once, at most [`MAX_SANDBOXES`].
    pub max_sandboxes: u32,
    /// Sandboxes whose namespaces and links are made ahead of need.
    pub spare_slots: u32,
    /// Sandboxes of each parent (the launcher, each zygote) that wait for a program; 0 makes each when it is asked for.
    pub standbys: u32,
    /// Size of a sandbox's `/tmp` in bytes; never more than half the sandbox's memory limit, so that a full
    /// `/tmp` is an error to the action and not the end of it.
    pub tmp_size: u64,
    /// Most processes and threads of one sandbox.
    pub max_processes: u32,
    /// Most open files of one process.
    pub max_open_files: u64,
    /// Longest wait for one step of starting or ending a sandbox.
    pub step_timeout: Duration,
    /// Whether to use cgroups where they can be had. Without them limits are weaker, and the report says so.
    pub cgroups: bool,
    /// How often memory is read where no memory cgroup can be had.
    pub watchdog_interval: Duration,
}

/// One less than the addresses of a /22 that are left beside network, broadcast and gateway.
pub const MAX_SANDBOXES: u32 = 1000;

impl SandboxConfig {
    /// The defaults for a server that keeps its state in `state_dir`.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            runtimes: Vec::new(),
            network: NetworkConfig::default(),
            init_executable: PathBuf::from("/proc/self/exe"),
            uid_base: 2_000_000_000,
            max_sandboxes: 250,
            spare_slots: 4,
            standbys: 2,
            tmp_size: 512 << 20,
            max_processes: 1024,
            max_open_files: 1024,
            step_timeout: Duration::from_secs(10),
            cgroups: true,
            watchdog_interval: Duration::from_millis(100),
        }
    }
}

/// What the code in a sandbox may reach.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// `Isolated` leaves a sandbox with its loopback device alone.
    pub mode: NetworkMode,
    /// Port of the API on the gateway address.
    pub api_port: u16,
    /// Other TCP ports of the gateway address that sandboxes may use, for example the cache's.
    pub extra_ports: Vec<u16>,
    /// A /16 out of which this server takes a free /22.
    pub subnet: Ipv4Addr,
    /// Destinations beyond the host that are dropped, as `address/prefix`.
    pub denied_destinations: Vec<String>,
    /// Name servers to forward to; empty means those of `/etc/resolv.conf`.
    pub dns_upstreams: Vec<IpAddr>,
    /// Longest wait for one upstream name server.
    pub dns_timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkMode {
    /// Outbound connections, name resolution and the API; refused at start if the machine cannot give it.
    Outbound,
    /// No network but the sandbox's own loopback device.
    Isolated,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            mode: NetworkMode::Outbound,
            api_port: 3233,
            extra_ports: Vec::new(),
            subnet: Ipv4Addr::new(10, 107, 0, 0),
            denied_destinations: ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"]
                .map(str::to_owned)
                .to_vec(),
            dns_upstreams: Vec::new(),
            dns_timeout: Duration::from_secs(2),
        }
    }
}

/// How to run one family of kinds.
#[derive(Clone, Debug)]
pub struct RuntimeSpec {
    /// Kinds it serves: a whole kind (`nodejs:20`) or what stands before the colon (`nodejs`).
    pub kinds: Vec<String>,
    /// The program that interprets the runtime server; `None` if `argv[0]` is a program itself.
    pub interpreter: Option<Interpreter>,
    /// Arguments after the interpreter, or the whole command line without one (`argv[0]` an absolute path).
    pub argv: Vec<String>,
    /// Files placed read-only in the sandbox.
    pub files: Vec<RuntimeFile>,
    /// Environment beside what the pool asks for.
    pub env: Vec<(String, String)>,
    /// Directory the runtime starts in.
    pub working_dir: PathBuf,
    /// The [`Builtin`](crate::Builtin) that is this runtime, run in place of `argv` where the kernel allows a fork to be
    /// a program.
    pub builtin: Option<String>,
    /// The shared library (one of `files`) by which the interpreter becomes a zygote: it is started with `OW_ZYGOTE` set
    /// to this path, and forked instead of started for each sandbox.
    pub zygote: Option<PathBuf>,
}

/// A language's program on this machine, by name (looked up on `PATH`) or path. It may be a shim of a version
/// manager; the factory runs it once to learn what it really is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interpreter {
    Python(PathBuf),
    Node(PathBuf),
    /// A program that is what its path says, for example `/bin/sh`.
    Plain(PathBuf),
}

/// A file of a runtime, the same in every sandbox.
#[derive(Clone, Debug)]
pub struct RuntimeFile {
    /// Absolute path in the sandbox, below `/opt`.
    pub path: PathBuf,
    pub contents: RuntimeContents,
    pub executable: bool,
}

/// Where a file's contents come from.
#[derive(Clone, Debug)]
pub enum RuntimeContents {
    Bytes(&'static [u8]),
    /// A file of this machine, copied when the factory is set up, and not held in memory: programs are large.
    File(PathBuf),
}
