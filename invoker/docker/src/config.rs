//! What an operator may set. Defaults are OpenWhisk's, where it has them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use oxwhisk_core::id::InvokerId;

use crate::address::EngineAddress;
use crate::images::ImageRules;

/// Everything [`crate::DockerFactory::start`] needs.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    pub address: EngineAddress,
    /// Names the deployment. Containers carry it and the invoker's id as labels, and clean-up removes exactly those:
    /// deployments that share a daemon need different names.
    pub cluster: String,
    /// Stands in containers' names between `wsk` and the invoker's id; needed where deployments share a daemon.
    pub unique_name: String,
    pub invoker: InvokerId,
    pub containers: ContainerConfig,
    pub images: ImageRules,
    /// Docker's `config.json` with the credentials for registries; none are sent without it.
    pub credentials: Option<PathBuf>,
    /// Most containers that are being made at once; `None` sets no bound.
    pub parallel_runs: Option<usize>,
    pub timeouts: Timeouts,
    pub retry: Retry,
    /// Whether idle containers are frozen by way of their cgroup (0.2 ms) where it can be reached, or always by the
    /// daemon (some 40 ms).
    pub freeze_directly: bool,
}

/// What each container is made with.
#[derive(Clone, Debug)]
pub struct ContainerConfig {
    pub network: String,
    pub dns_servers: Vec<String>,
    pub dns_search: Vec<String>,
    pub dns_options: Vec<String>,
    /// Environment beside what the pool asks for.
    pub environment: Vec<(String, String)>,
    /// Further options of `docker run`, as names without dashes and the values of each.
    pub extra_args: BTreeMap<String, Vec<String>>,
    /// Most processes and threads.
    pub pids_limit: u32,
    /// Most open files of one process.
    pub open_files: u32,
    /// Processors that all containers together may use; each gets its memory's part. `None` sets no hard limit.
    pub user_cpus: Option<f64>,
    /// Bytes that all containers together may have; only for the division of `user_cpus`.
    pub user_memory: u64,
    pub logs: LogFiles,
}

/// How the daemon keeps what a container writes until it is read.
#[derive(Clone, Debug)]
pub struct LogFiles {
    /// `json-file` or `local`: those that can be read back.
    pub driver: String,
    /// Bytes of one file. A container that writes more than all files hold, faster than it is read, loses lines.
    pub max_size: u64,
    /// Files of a container.
    pub max_files: u32,
}

/// Longest waits for the daemon.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// Creating and starting a container, each.
    pub run: Duration,
    pub remove: Duration,
    pub list: Duration,
    pub inspect: Duration,
    pub pull: Duration,
    pub pause: Duration,
    pub unpause: Duration,
    pub version: Duration,
    /// From the request for a stream of logs or events to its beginning.
    pub stream: Duration,
}

/// How a daemon that does not answer is asked again: when it restarts, mostly.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    pub first_pause: Duration,
    /// The pause doubles up to this.
    pub max_pause: Duration,
    /// Longest time for which a broken stream of logs is not given up.
    pub logs: Duration,
}

impl DockerConfig {
    /// The defaults for one invoker of the deployment `cluster`.
    #[must_use]
    pub fn new(address: EngineAddress, cluster: impl Into<String>, invoker: InvokerId) -> Self {
        Self {
            address,
            cluster: cluster.into(),
            unique_name: String::new(),
            invoker,
            containers: ContainerConfig::default(),
            images: ImageRules::default(),
            credentials: None,
            parallel_runs: Some(10),
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            freeze_directly: true,
        }
    }
}

impl Default for ContainerConfig {
    fn default() -> Self {
        Self {
            network: "bridge".to_owned(),
            dns_servers: Vec::new(),
            dns_search: Vec::new(),
            dns_options: Vec::new(),
            environment: Vec::new(),
            extra_args: BTreeMap::new(),
            pids_limit: 1024,
            open_files: 1024,
            user_cpus: None,
            user_memory: 1 << 30,
            logs: LogFiles::default(),
        }
    }
}

impl Default for LogFiles {
    fn default() -> Self {
        // Of short lines, what an activation may log takes five times its size in such a file, and nobody waits for a
        // reader that is behind.
        Self { driver: "json-file".to_owned(), max_size: 50 << 20, max_files: 3 }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let (minute, seconds) = (Duration::from_secs(60), Duration::from_secs(10));
        Self {
            run: minute,
            remove: minute,
            list: minute,
            inspect: minute,
            pull: minute * 10,
            pause: seconds,
            unpause: seconds,
            version: seconds,
            stream: seconds,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_pause: Duration::from_millis(100),
            max_pause: Duration::from_secs(2),
            logs: Duration::from_secs(60),
        }
    }
}
