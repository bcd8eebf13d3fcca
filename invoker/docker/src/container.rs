//! One running container.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_container::{Container, ContainerError, Endpoint, ExitReason, LogDelay, LogStream};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::engine::EngineError;
use crate::events;
use crate::factory::Shared;
use crate::freezer::Freezer;
use crate::lives::Fate;
use crate::{logs, removal};

/// Wait for the event of an end that somebody has reason to expect, before the daemon is asked.
const EXIT_NOTICE: Duration = Duration::from_millis(100);
/// Wait for the word that a killed container had no memory left: the kernel tells that on another way than the end.
const MEMORY_NOTICE: Duration = Duration::from_millis(500);
/// The daemon reads the container's pipes, writes a file, notices that, and tells it on.
const LOG_DELAY: LogDelay =
    LogDelay { usual: Duration::from_millis(50), longest: Duration::from_millis(500) };
/// Pauses between attempts to connect. Nothing tells that a socket in another network namespace begins to listen; an
/// attempt that is refused costs some 20 microseconds and reaches no process.
const CONNECT_FIRST: Duration = Duration::from_millis(1);
const CONNECT_MAX: Duration = Duration::from_millis(20);

/// A container as the pool sees it.
#[derive(Debug)]
pub(crate) struct DockerContainer {
    name: String,
    id: String,
    endpoint: Endpoint,
    fate: watch::Receiver<Fate>,
    /// `None`: by the daemon.
    freezer: Option<Freezer>,
    logs_taken: AtomicBool,
    state: tokio::sync::Mutex<State>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct State {
    /// The daemon was asked to pause it.
    paused: bool,
    removed: bool,
}

/// What a container is put together from.
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) id: String,
    /// Where its server listens.
    pub(crate) address: SocketAddr,
    pub(crate) fate: watch::Receiver<Fate>,
    pub(crate) freezer: Option<Freezer>,
}

impl DockerContainer {
    pub(crate) fn new(parts: Parts, shared: Arc<Shared>) -> Self {
        Self {
            name: parts.name,
            id: parts.id,
            endpoint: Endpoint::Tcp(parts.address),
            fate: parts.fate,
            freezer: parts.freezer,
            logs_taken: AtomicBool::new(false),
            state: tokio::sync::Mutex::default(),
            shared,
        }
    }

    fn error(&self, doing: &str, error: impl std::fmt::Display) -> ContainerError {
        ContainerError(format!("cannot {doing} container {}: {error}", self.name))
    }

    /// Waits for the end as long as it takes.
    async fn ended(&self) -> ExitReason {
        let mut fate = self.fate.clone();
        match fate.wait_for(|fate| fate.reason().is_some()).await {
            Ok(fate) => fate.reason().unwrap_or(UNKNOWN),
            // Forgotten: it was removed.
            Err(_) => UNKNOWN,
        }
    }

    fn known_reason(&self) -> Option<ExitReason> {
        self.fate.borrow().reason()
    }

    /// A killed one may have been so for want of memory, which is told separately.
    async fn with_memory_told(&self, reason: ExitReason) -> ExitReason {
        if reason != UNKNOWN {
            return reason;
        }
        let mut fate = self.fate.clone();
        let told = fate.wait_for(|fate| fate.reason() == Some(ExitReason::OutOfMemory));
        // Too late is told by what is there.
        let _ = tokio::time::timeout(MEMORY_NOTICE, told).await;
        self.known_reason().unwrap_or(reason)
    }

    async fn pause_by_daemon(&self, pause: bool) -> Result<(), EngineError> {
        let engine = &self.shared.engine;
        let docker = &engine.docker;
        if pause {
            engine.once("pause a container", engine.timeouts.pause, docker.pause_container(&self.id)).await
        } else {
            engine
                .once("unpause a container", engine.timeouts.unpause, docker.unpause_container(&self.id))
                .await
        }
    }
}

/// Killed, nobody says why.
const UNKNOWN: ExitReason = ExitReason::Signalled(9);

#[async_trait]
impl Container for DockerContainer {
    fn name(&self) -> &str {
        &self.name
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// On the bridge of its network: what it sends to the host or to another container there is not translated.
    fn address(&self) -> Option<IpAddr> {
        match &self.endpoint {
            Endpoint::Tcp(address) => Some(address.ip()),
            Endpoint::Unix(_) => None,
        }
    }

    async fn listening(&self) -> Result<(), ExitReason> {
        let Endpoint::Tcp(address) = self.endpoint else { return Ok(()) };
        let connects = async {
            let mut pause = CONNECT_FIRST;
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(CONNECT_MAX);
            }
        };
        tokio::select! {
            biased;
            reason = self.ended() => Err(self.with_memory_told(reason).await),
            () = connects => Ok(()),
        }
    }

    fn take_logs(&self) -> Option<LogStream> {
        if self.logs_taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        Some(logs::of(self.shared.engine.clone(), self.id.clone()))
    }

    fn log_delay(&self) -> LogDelay {
        LOG_DELAY
    }

    async fn suspend(&self) -> Result<(), ContainerError> {
        let mut state = self.state.lock().await;
        match &self.freezer {
            Some(freezer) => freezer.set(true).map_err(|error| self.error("suspend", error)),
            None => {
                // Beforehand: a call that is given up may have had its effect.
                state.paused = true;
                self.pause_by_daemon(true).await.map_err(|error| self.error("suspend", error))
            }
        }
    }

    async fn resume(&self) -> Result<(), ContainerError> {
        let mut state = self.state.lock().await;
        match &self.freezer {
            Some(freezer) => freezer.set(false).map_err(|error| self.error("resume", error)),
            None => {
                self.pause_by_daemon(false).await.map_err(|error| self.error("resume", error))?;
                state.paused = false;
                Ok(())
            }
        }
    }

    async fn exit_reason(&self) -> Option<ExitReason> {
        let noticed = tokio::time::timeout(EXIT_NOTICE, self.ended()).await;
        if noticed.is_err() {
            let looked = events::look_at(&self.shared.engine, &self.shared.lives, &self.id).await;
            if let Err(error) = looked {
                tracing::debug!(container = self.name, %error, "cannot tell whether a container has ended");
            }
        }
        match self.known_reason() {
            Some(reason) => Some(self.with_memory_told(reason).await),
            None => None,
        }
    }

    async fn destroy(&self) -> Result<(), ContainerError> {
        let mut state = self.state.lock().await;
        if state.removed {
            return Ok(());
        }
        if let Some(freezer) = &self.freezer {
            // A v1 freezer holds even the killed. Without a group there is nothing to thaw.
            let _ = freezer.set(false);
        } else if state.paused {
            removal::wake(&self.shared.engine, &self.id).await.map_err(|error| self.error("end", error))?;
            state.paused = false;
        }
        removal::remove(&self.shared.engine, &self.id).await.map_err(|error| self.error("end", error))?;
        state.removed = true;
        self.shared.lives.forget(&self.id);
        Ok(())
    }
}

impl Drop for DockerContainer {
    /// Without [`Container::destroy`]: a task of the factory's ends it.
    fn drop(&mut self) {
        if !self.state.get_mut().removed {
            self.shared.lives.forget(&self.id);
            self.shared.remove_later(&self.id);
        }
    }
}
