//! The container factory that the configuration names: what it can run here, its start and its end.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;

use oxwhisk_container::{ContainerError, ContainerFactory};
use oxwhisk_core::manifest::Manifest;
use oxwhisk_invoker_settings::{runtimes, sandbox};
use oxwhisk_sandbox::{RuntimeSpec, SandboxConfig, SandboxFactory};
use oxwhisk_service::readiness::Part;
use oxwhisk_settings::{Exit, Refusal};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{ApiRelay, CacheAt, CacheSettings, Containers, SandboxSettings};

/// A factory before its start.
#[derive(Debug)]
pub(crate) enum Maker {
    /// With ports of the gateway that they may use.
    Sandbox(SandboxSettings, Vec<RuntimeSpec>, Vec<u16>),
    #[cfg(feature = "docker")]
    Docker(Box<oxwhisk_docker::DockerConfig>),
}

/// A factory that runs.
#[derive(Debug)]
pub(crate) enum Factory {
    Sandbox(Arc<SandboxFactory>),
    #[cfg(feature = "docker")]
    Docker(Arc<oxwhisk_docker::DockerFactory>),
}

/// The API at an address that sandboxes reach.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) listener: TcpListener,
    pub(crate) api: ApiRelay,
    /// As actions are told.
    pub(crate) url: String,
}

impl Maker {
    /// What the machine lacks is said, not hidden.
    pub(crate) fn of(containers: &Containers, cache: Option<&CacheSettings>) -> Self {
        match containers {
            Containers::Sandbox(settings) => {
                let available = runtimes::find();
                available.missing.iter().for_each(|line| tracing::warn!("{line}"));
                let ports = match cache.map(|cache| &cache.at) {
                    Some(CacheAt::Gateway(port)) => vec![*port],
                    _ => Vec::new(),
                };
                Self::Sandbox(settings.clone(), available.runtimes, ports)
            }
            #[cfg(feature = "docker")]
            Containers::Docker(docker) => Self::Docker(docker.clone()),
        }
    }

    pub(crate) fn runs(&self, kind: &str) -> bool {
        match self {
            Self::Sandbox(_, runtimes, _) => runtimes::serve(runtimes, kind),
            #[cfg(feature = "docker")]
            Self::Docker(_) => true,
        }
    }

    /// Kinds that there can be containers of; empty says all.
    pub(crate) fn kinds(&self, manifest: &Manifest) -> Vec<String> {
        match self {
            Self::Sandbox(_, runtimes, _) => {
                let known = manifest.valid_kinds().into_iter().chain(["blackbox"]);
                known.filter(|kind| runtimes::serve(runtimes, kind)).map(str::to_owned).collect()
            }
            #[cfg(feature = "docker")]
            Self::Docker(_) => Vec::new(),
        }
    }

    /// Starts it. A daemon that is away is waited for, and `part` says why the invoker is not ready; `None` if `stop` ended
    /// that wait.
    ///
    /// # Errors
    /// What waiting does not mend.
    pub(crate) async fn start(
        self,
        part: &Part,
        stop: &CancellationToken,
    ) -> Result<Option<Factory>, Refusal> {
        match self {
            // Not stopped half-way: what was begun has to be known to be removed.
            Self::Sandbox(settings, runtimes, ports) => {
                start_sandbox(&settings, runtimes, ports).await.map(Some)
            }
            #[cfg(feature = "docker")]
            Self::Docker(docker) => {
                let started = stop.run_until_cancelled(docker::start(&docker, part)).await;
                Ok(started.map(|factory| Factory::Docker(Arc::new(factory))))
            }
        }
    }
}

async fn start_sandbox(
    settings: &SandboxSettings,
    runtimes: Vec<RuntimeSpec>,
    ports: Vec<u16>,
) -> Result<Factory, Refusal> {
    let dir = &settings.data_dir;
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
        Refusal::new(Exit::CannotCreate, format!("directory '{}' cannot be created: {error}", dir.display()))
    })?;
    let mut config = SandboxConfig::new(dir);
    config.runtimes = runtimes;
    config.network.extra_ports = ports;
    if let Some(relay) = &settings.relay {
        config.network.api_port = relay.port;
    }
    let factory = sandbox::start(config).await.map_err(|error| Refusal::new(Exit::System, error))?;
    Ok(Factory::Sandbox(Arc::new(factory)))
}

impl Factory {
    pub(crate) fn of_pool(&self) -> Arc<dyn ContainerFactory> {
        match self {
            Self::Sandbox(factory) => Arc::clone(factory) as Arc<dyn ContainerFactory>,
            #[cfg(feature = "docker")]
            Self::Docker(factory) => Arc::clone(factory) as Arc<dyn ContainerFactory>,
        }
    }

    /// Gets the API to where sandboxes reach it, if the configuration asks for that.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(crate) async fn relay(&self, containers: &Containers) -> Result<Option<Relayed>, Refusal> {
        let (sandbox, api) = match (self, containers) {
            (Self::Sandbox(sandbox), Containers::Sandbox(SandboxSettings { relay: Some(api), .. })) => {
                (sandbox, api.clone())
            }
            _ => return Ok(None),
        };
        let (Some(gateway), Some(listener)) = (sandbox.gateway(), sandbox.api_listener().await) else {
            // Without a network there is nothing to be reached.
            return Ok(None);
        };
        let listener = listener.and_then(TcpListener::from_std).map_err(|error| {
            let port = api.port;
            Refusal::new(Exit::Unavailable, format!("cannot listen on {gateway}:{port} for actions: {error}"))
        })?;
        let url = api.on(gateway);
        Ok(Some(Relayed { listener, api, url }))
    }

    /// Where containers reach the cache; `None`: nowhere, since they have no network.
    pub(crate) fn cache_url(&self, at: &CacheAt) -> Option<String> {
        match (at, self) {
            (CacheAt::Url(url), _) => Some(url.clone()),
            (CacheAt::Gateway(port), Self::Sandbox(sandbox)) => {
                sandbox.gateway().map(|gateway| format!("redis://{gateway}:{port}"))
            }
            #[cfg(feature = "docker")]
            (CacheAt::Gateway(_), Self::Docker(_)) => None,
        }
    }

    /// Removes everything that it made.
    ///
    /// # Errors
    /// With the first thing that could not be removed.
    pub(crate) async fn shutdown(&self) -> Result<(), ContainerError> {
        match self {
            Self::Sandbox(factory) => factory.shutdown().await,
            #[cfg(feature = "docker")]
            Self::Docker(factory) => factory.shutdown().await,
        }
    }
}

#[cfg(feature = "docker")]
mod docker {
    use std::time::Duration;

    use oxwhisk_docker::{DockerConfig, DockerFactory};
    use oxwhisk_service::readiness::Part;

    const LONGEST_PAUSE: Duration = Duration::from_secs(10);

    /// Waits for the daemon.
    pub(super) async fn start(config: &DockerConfig, part: &Part) -> DockerFactory {
        let mut pause = Duration::from_millis(500);
        loop {
            match DockerFactory::start(config.clone()).await {
                Ok(factory) => return factory,
                Err(error) => {
                    tracing::warn!(%error, "waiting for the Docker daemon");
                    part.unready(error.to_string());
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
