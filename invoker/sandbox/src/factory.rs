//! The factory: set-up in the order that things depend on each other, then one call for each container.

mod setup;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_container::{Container, ContainerError, ContainerFactory, ContainerSpec, CreateError};
use oxwhisk_sandbox_init::SocketKind;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cgroup::Cgroups;
use crate::config::SandboxConfig;
use crate::container::SandboxContainer;
use crate::error::SetupError;
use crate::instance::{Instance, Range};
use crate::launcher::Launcher;
use crate::network::Network;
use crate::network::dns::Forwarder;
use crate::report::Report;
use crate::rootless::Pasta;
use crate::spawn::{Runtime, Starter};
use crate::watchdog::Watchdog;

/// Longest wait for processes of an earlier server to end.
const CLEANUP_LIMIT: Duration = Duration::from_secs(5);

/// Makes process sandboxes. Needs a tokio runtime with I/O and time.
///
/// When it and its last container are dropped, every sandbox ends; [`SandboxFactory::shutdown`] does so in order and
/// takes the network away too.
#[derive(Debug)]
pub struct SandboxFactory {
    starter: Arc<Starter>,
    runtimes: Vec<Runtime>,
    report: Report,
    outbound: Option<Outbound>,
    watchdog: Option<Arc<Watchdog>>,
    /// What is alive, so that shutting down can end it.
    live: Mutex<Vec<Weak<SandboxContainer>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
    stopped: AtomicBool,
    _pasta: Option<Pasta>,
    _range: Range,
    _instance: Instance,
}

/// The parts of a network that leads out.
#[derive(Debug)]
struct Outbound {
    network: Arc<Network>,
    dns: Forwarder,
    launcher: Arc<Launcher>,
    api_port: u16,
}

impl SandboxFactory {
    /// Looks at the machine and sets everything up; the first slot is made, so that what a start needs was tried.
    ///
    /// # Errors
    /// If another server uses the state directory, or the machine lacks something isolation needs: one line that
    /// names it.
    pub async fn start(config: SandboxConfig) -> Result<Self, SetupError> {
        setup::start(config).await
    }

    /// What isolation is in force here.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The host's address as sandboxes see it; `None` without a network.
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        self.outbound.as_ref().map(|outbound| outbound.network.gateway())
    }

    /// The API's URL for actions (`__OW_API_HOST`); `None` without a network. It works once the server serves
    /// [`SandboxFactory::api_listener`].
    pub fn api_host_in_sandbox(&self) -> Option<String> {
        let outbound = self.outbound.as_ref()?;
        Some(format!("http://{}:{}", outbound.network.gateway(), outbound.api_port))
    }

    /// A listening, non-blocking socket on the gateway address and the API port, for the server to serve the API to
    /// actions: a server that listens on loopback alone cannot be reached from a sandbox. `None` without a network.
    ///
    /// # Errors
    /// If the port cannot be had, for example because the server listens on every address: then nothing more is
    /// needed.
    pub async fn api_listener(&self) -> Option<std::io::Result<std::net::TcpListener>> {
        let outbound = self.outbound.as_ref()?;
        Some(outbound.listen(outbound.api_port).await)
    }

    /// As [`SandboxFactory::api_listener`], for one of the configured extra ports (the cache's).
    ///
    /// # Errors
    /// If the port cannot be had.
    pub async fn listener(&self, port: u16) -> Option<std::io::Result<std::net::TcpListener>> {
        Some(self.outbound.as_ref()?.listen(port).await)
    }

    /// Ends every sandbox, stops every task, and removes links, rules and groups. Nothing can be created afterwards.
    ///
    /// # Errors
    /// With the first thing that could not be removed; the rest is removed all the same.
    pub async fn shutdown(&self) -> Result<(), ContainerError> {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        // First, or what they make would be there after everything was ended.
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let ended = self.end_all().await;
        // Not left to whoever drops the factory last: others may keep it to the end of the process.
        self.starter.cgroups.remove_parents();
        let mut removed = Ok(());
        if let Some(outbound) = &self.outbound {
            outbound.dns.stop().await;
            removed = outbound.network.tear_down().await.map_err(|error| ContainerError(error.to_string()));
        }
        ended.and(removed)
    }

    async fn end_all(&self) -> Result<(), ContainerError> {
        let live: Vec<_> = {
            let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            live.drain(..).filter_map(|container| container.upgrade()).collect()
        };
        let mut result = Ok(());
        for container in live {
            result = result.and(container.destroy().await);
        }
        let cgroups = Arc::clone(&self.starter.cgroups);
        let removal = tokio::task::spawn_blocking(move || Cgroups::remove_all(&cgroups, CLEANUP_LIMIT));
        let removed = removal.await.map_err(std::io::Error::other).and_then(|removed| removed);
        result
            .and_then(|()| removed.map_err(|error| ContainerError(format!("cannot remove cgroups: {error}"))))
    }

    fn runtime_for(&self, spec: &ContainerSpec) -> Result<Runtime, CreateError> {
        let unsupported = |reason: String| CreateError::Unsupported { kind: spec.kind.clone(), reason };
        if spec.user_provided_image {
            return Err(unsupported(format!(
                "the image '{}' needs a container engine, and this server runs actions in process sandboxes",
                spec.image
            )));
        }
        self.runtimes
            .iter()
            .find(|runtime| runtime.serves(&spec.kind))
            .cloned()
            .ok_or_else(|| unsupported("no runtime for it is installed".into()))
    }
}

impl Outbound {
    async fn listen(&self, port: u16) -> std::io::Result<std::net::TcpListener> {
        let address = SocketAddrV4::new(self.network.gateway(), port);
        let socket = setup::bind(&self.launcher, &self.network, address, SocketKind::Tcp).await?;
        let listener = std::net::TcpListener::from(socket);
        listener.set_nonblocking(true)?;
        Ok(listener)
    }
}

#[async_trait]
impl ContainerFactory for SandboxFactory {
    /// What an earlier server left was removed by [`SandboxFactory::start`]; this ends what this one has started.
    async fn cleanup(&self) -> Result<(), ContainerError> {
        self.end_all().await
    }

    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>, CreateError> {
        if self.stopped.load(Ordering::SeqCst) {
            return Err(CreateError::Platform("the factory is shut down".into()));
        }
        let runtime = self.runtime_for(&spec)?;
        let (starter, memory) = (Arc::clone(&self.starter), spec.memory);
        // In a task of its own: a caller that stops waiting must not leave half a sandbox.
        let start = tokio::spawn(async move { starter.start(&runtime, &spec).await });
        let (container, host_uid) =
            start.await.map_err(|error| CreateError::Platform(format!("the start ended: {error}")))??;
        let container = Arc::new(container);
        if let Some(watchdog) = &self.watchdog {
            watchdog.watch(host_uid, memory, container.life());
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|container| container.strong_count() > 0);
        live.push(Arc::downgrade(&container));
        Ok(container)
    }
}

impl Drop for SandboxFactory {
    fn drop(&mut self) {
        self.stop.cancel();
        if !self.stopped.load(Ordering::SeqCst)
            && let Some(outbound) = &self.outbound
        {
            outbound.network.tear_down_blocking();
        }
    }
}
