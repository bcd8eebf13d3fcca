//! The factory: one connection, one stream of events, one task for each container being made.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, StartContainerOptions,
};
use oxwhisk_container::{Container, ContainerError, ContainerFactory, ContainerSpec, CreateError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{ContainerConfig, DockerConfig};
use crate::container::{DockerContainer, Parts};
use crate::engine::{Engine, EngineError, Pauses};
use crate::error::StartError;
use crate::freezer::Freezer;
use crate::images::{Image, ImageRules, Pull};
use crate::lives::Lives;
use crate::names::Owner;
use crate::pulls::{PullError, Pulls};
use crate::{body, events, failure, removal};

/// Where every runtime listens.
const PORT: u16 = 8080;
const SHUT_DOWN: &str = "the factory is shut down";
/// Address of a container that has none any more: it ended before it was asked for one. Refuses every connection.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Makes Docker containers.
///
/// What it has made is removed by [`ContainerFactory::cleanup`]; [`DockerFactory::shutdown`] does that and ends its
/// tasks. Dropped without, it leaves its containers to the next factory of the same cluster and invoker.
#[derive(Debug)]
pub struct DockerFactory {
    shared: Arc<Shared>,
}

/// What the factory, its containers and its tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) lives: Lives,
    owner: Owner,
    containers: ContainerConfig,
    images: ImageRules,
    pulls: Pulls,
    starts: Option<Semaphore>,
    freeze_directly: bool,
    tasks: TaskTracker,
    stop: CancellationToken,
    runtime: Handle,
}

impl DockerFactory {
    /// Connects to the daemon. Must be called within a tokio runtime, which then runs what it does in the background.
    ///
    /// # Errors
    /// When the daemon cannot be reached or is too old; the text says where it was looked for.
    pub async fn start(config: DockerConfig) -> Result<Self, StartError> {
        let engine = Engine::connect(&config).await?;
        let shared = Arc::new(Shared {
            lives: Lives::default(),
            owner: Owner::of(&config),
            pulls: Pulls::new(engine.clone(), config.credentials),
            containers: config.containers,
            images: config.images,
            starts: config.parallel_runs.map(Semaphore::new),
            freeze_directly: config.freeze_directly,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            runtime: Handle::current(),
            engine,
        });
        let follow = events::follow(shared.engine.clone(), shared.owner.clone(), shared.lives.clone());
        let stop = shared.stop.clone();
        shared.tasks.spawn(async move {
            // Cut off at shutdown.
            let _ = stop.run_until_cancelled(follow).await;
        });
        Ok(Self { shared })
    }

    /// Whether the daemon answers: for readiness.
    ///
    /// # Errors
    /// The text says why it does not.
    pub async fn ping(&self) -> Result<(), ContainerError> {
        self.shared.engine.ping().await.map_err(|error| ContainerError(error.to_string()))
    }

    /// Removes all containers and ends every task. Nothing can be created afterwards.
    ///
    /// # Errors
    /// With the first container that could not be removed; the rest is removed all the same.
    pub async fn shutdown(&self) -> Result<(), ContainerError> {
        // First, or what is being made would be there after everything was removed.
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        removal::remove_all(&self.shared.engine, &self.shared.owner).await
    }
}

impl Drop for DockerFactory {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

#[async_trait]
impl ContainerFactory for DockerFactory {
    async fn cleanup(&self) -> Result<(), ContainerError> {
        removal::remove_all(&self.shared.engine, &self.shared.owner).await
    }

    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>, CreateError> {
        if self.shared.stop.is_cancelled() {
            return Err(CreateError::Platform(SHUT_DOWN.to_owned()));
        }
        let shared = Arc::clone(&self.shared);
        // In a task of its own: a caller that stops waiting must not leave half a container. What nobody takes is
        // dropped, and so removed.
        let make = self.shared.tasks.spawn_on(make(shared, spec), &self.shared.runtime);
        let made = make.await.map_err(|error| CreateError::Platform(format!("the start ended: {error}")))?;
        Ok(Arc::new(made?))
    }
}

impl Shared {
    /// Ends a container that nobody holds any more.
    pub(crate) fn remove_later(self: &Arc<Self>, id: &str) {
        let (shared, id) = (Arc::clone(self), id.to_owned());
        let removal = async move {
            let removed = match removal::wake(&shared.engine, &id).await {
                Ok(()) => removal::remove(&shared.engine, &id).await,
                Err(error) => Err(error),
            };
            if let Err(error) = removed {
                tracing::warn!(container = id, %error, "cannot remove a container: it is left to the next clean-up");
            }
        };
        self.tasks.spawn_on(removal, &self.runtime);
    }
}

async fn make(shared: Arc<Shared>, spec: ContainerSpec) -> Result<DockerContainer, CreateError> {
    let image = Image::resolve(&spec.image, spec.user_provided_image, &shared.images)
        .map_err(|error| CreateError::Platform(format!("image '{}': {error}", spec.image)))?;
    Box::pin(Making { shared, image, spec }.fetch_and_run()).await
}

/// A container on its way.
struct Making {
    shared: Arc<Shared>,
    image: Image,
    spec: ContainerSpec,
}

impl Making {
    async fn fetch_and_run(self) -> Result<DockerContainer, CreateError> {
        let fetched = match self.image.pull {
            Pull::IfAbsent => Ok(()),
            Pull::Try | Pull::Must => self.fetch().await,
        };
        if fetched.is_err() && self.image.pull == Pull::Must {
            return Err(failure::of_pull(&self.image, "the registry does not give it"));
        }
        match self.run().await {
            Err(Failed::NoImage) if self.image.pull == Pull::IfAbsent => {
                self.fetch().await.map_err(|error| failure::of_pull(&self.image, &error))?;
                self.run().await.map_err(|failed| failed.into_error(&self.image))
            }
            outcome => outcome.map_err(|failed| failed.into_error(&self.image)),
        }
    }

    /// Cut off by the shutdown, since it may take minutes. The steps after it are not: a request for a container that
    /// nobody waits for may be answered after everything was removed.
    async fn fetch(&self) -> Result<(), PullError> {
        let fetched = self.shared.stop.run_until_cancelled(self.shared.pulls.pull(&self.image)).await;
        fetched.unwrap_or_else(|| Err(SHUT_DOWN.into()))
    }

    /// Creates and starts it; the bound on parallel starts is for this alone, since a fetch may take minutes.
    async fn run(&self) -> Result<DockerContainer, Failed> {
        let _permit = match &self.shared.starts {
            Some(starts) => starts.acquire().await.ok(),
            None => None,
        };
        if self.shared.stop.is_cancelled() {
            return Err(Failed::Platform(SHUT_DOWN.to_owned()));
        }
        let id = self.create().await?;
        // From here on it is removed if it does not become a container.
        let guard = Unfinished { shared: &self.shared, id: Some(id) };
        let id = guard.id.clone().unwrap_or_default();
        let fate = self.shared.lives.watch(&id);
        self.start(&id).await?;
        let details = self.inspect(&id).await?;
        let parts = Parts {
            name: self.spec.name.clone(),
            address: address_of(&details, &self.shared.containers.network)?,
            fate,
            freezer: self.freezer(&id, &details),
            id,
        };
        guard.finish();
        Ok(DockerContainer::new(parts, Arc::clone(&self.shared)))
    }

    async fn create(&self) -> Result<String, Failed> {
        let shared = &self.shared;
        let name = shared.owner.name_of(&self.spec.name);
        let request = || {
            let options = CreateContainerOptionsBuilder::new().name(&name).build();
            let body = body::of(&self.spec, &self.image, &shared.owner, &shared.containers);
            shared.engine.docker.create_container(Some(options), body)
        };
        let limit = shared.engine.timeouts.run;
        let mut pauses = Pauses::new(&shared.engine.retry);
        let created = loop {
            match shared.engine.patiently("create a container", limit, request).await {
                // An attempt before whose answer was lost has made it, or an earlier process with the same counter. Such
                // an attempt may still be under way, so once may not be enough.
                Err(error @ EngineError::Conflict(_)) => {
                    let Some(pause) = pauses.next() else { break Err(error) };
                    tracing::info!(name, "a container's name is taken: what has it is removed");
                    removal::wake(&shared.engine, &name).await?;
                    removal::remove(&shared.engine, &name).await?;
                    tokio::time::sleep(pause).await;
                }
                outcome => break outcome,
            }
        };
        match created {
            Ok(created) => {
                for warning in &created.warnings {
                    tracing::debug!(name, warning, "the Docker daemon warns");
                }
                Ok(created.id)
            }
            Err(EngineError::NotFound(message)) if failure::is_no_image(&message) => Err(Failed::NoImage),
            Err(error) => Err(error.into()),
        }
    }

    async fn start(&self, id: &str) -> Result<(), Failed> {
        let engine = &self.shared.engine;
        let request = || engine.docker.start_container(id, None::<StartContainerOptions>);
        match engine.patiently("start a container", engine.timeouts.run, request).await {
            Err(error) if failure::is_no_command(&error) => Err(Failed::NoCommand(error)),
            outcome => Ok(outcome?),
        }
    }

    async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, Failed> {
        let engine = &self.shared.engine;
        let request = || engine.docker.inspect_container(id, None::<InspectContainerOptions>);
        Ok(engine.patiently("look at a container", engine.timeouts.inspect, request).await?)
    }

    fn freezer(&self, id: &str, details: &ContainerInspectResponse) -> Option<Freezer> {
        let pid = details.state.as_ref()?.pid.filter(|pid| *pid > 0)?;
        if self.shared.freeze_directly { Freezer::of(id, pid) } else { None }
    }
}

/// Removes a container that was created and did not get further.
struct Unfinished<'a> {
    shared: &'a Arc<Shared>,
    id: Option<String>,
}

impl Unfinished<'_> {
    fn finish(mut self) {
        self.id = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.shared.lives.forget(id);
            self.shared.remove_later(id);
        }
    }
}

/// Why there is no container.
#[derive(Debug)]
enum Failed {
    NoImage,
    NoCommand(EngineError),
    Platform(String),
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        if failure::is_no_command(&error) {
            Self::NoCommand(error)
        } else {
            Self::Platform(error.to_string())
        }
    }
}

impl Failed {
    fn into_error(self, image: &Image) -> CreateError {
        match self {
            Self::NoImage => failure::of_pull(image, "the machine does not have it"),
            Self::NoCommand(error) => failure::of_command(image, &error),
            Self::Platform(text) => CreateError::Platform(text),
        }
    }
}

/// Its address on its network.
fn address_of(details: &ContainerInspectResponse, network: &str) -> Result<SocketAddr, Failed> {
    let running = details.state.as_ref().and_then(|state| state.running) == Some(true);
    let networks = details.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let of = |name: &str| networks?.get(name)?.ip_address.clone();
    // A network that was named by its id stands under its name.
    let any = || {
        networks?.values().find_map(|endpoint| endpoint.ip_address.clone().filter(|text| !text.is_empty()))
    };
    match of(network).filter(|text| !text.is_empty()).or_else(any).map(|text| text.parse()) {
        Some(Ok(address)) => Ok(SocketAddr::new(address, PORT)),
        _ if !running => Ok(NOWHERE),
        _ => Err(Failed::Platform(format!("the container has no address on network '{network}'"))),
    }
}
