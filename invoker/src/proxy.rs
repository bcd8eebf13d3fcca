//! A container in use: the thing itself, its kept connections, its logs, and whether it is frozen.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oxwhisk_container::{Container, ContainerError, ExitReason, LogDelay};

use crate::client::{self, Connection};
use crate::logs::ContainerLogs;

/// A kept connection is not used after so long: some runtimes close theirs after five idle seconds, and a request that
/// crosses with the close cannot be told from one that killed its container.
const CONNECTION_KEPT: Duration = Duration::from_secs(4);
/// Pauses between attempts to connect to a server that is starting.
const BACK_OFF_FIRST: Duration = Duration::from_millis(1);
const BACK_OFF_MAX: Duration = Duration::from_millis(50);

#[doc(alias = "ContainerProxy")]
#[derive(Debug)]
pub(crate) struct Proxy {
    container: Arc<dyn Container>,
    /// One for each activation that may run at once, at most; the last one used is on top.
    kept: Mutex<Vec<(Instant, Connection)>>,
    logs: ContainerLogs,
    /// Whether it may be suspended. Held while that changes, so that a resume waits for the suspend before it.
    frozen: tokio::sync::Mutex<bool>,
}

/// The container ended before its server listened.
#[derive(Debug)]
pub(crate) struct NeverListened(pub(crate) ExitReason);

impl Proxy {
    pub(crate) fn new(container: Arc<dyn Container>) -> Self {
        let logs = ContainerLogs::new(container.take_logs());
        Self { container, kept: Mutex::new(Vec::new()), logs, frozen: tokio::sync::Mutex::new(false) }
    }

    pub(crate) fn name(&self) -> &str {
        self.container.name()
    }

    /// The one that its connections come from, where that is known.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.container.address()
    }

    pub(crate) fn logs(&self) -> &ContainerLogs {
        &self.logs
    }

    pub(crate) fn log_delay(&self) -> LogDelay {
        self.container.log_delay()
    }

    /// A connection from an earlier call, if there is a fresh one.
    pub(crate) fn kept_connection(&self) -> Option<Connection> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, connection) = kept.pop()?;
        if since.elapsed() < CONNECTION_KEPT {
            return Some(connection);
        }
        // The others have idled longer.
        kept.clear();
        None
    }

    pub(crate) fn keep_connection(&self, mut connection: Connection) {
        connection.shrink();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), connection));
    }

    /// A new connection to a server that listens.
    ///
    /// # Errors
    /// When it does not: the container is gone.
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        client::connect(self.container.endpoint()).await
    }

    /// A connection to a server that is starting. Waits until it listens; the caller bounds that.
    ///
    /// # Errors
    /// When the container ends before.
    pub(crate) async fn connect_when_ready(&self) -> Result<Connection, NeverListened> {
        self.container.listening().await.map_err(NeverListened)?;
        let mut pause = BACK_OFF_FIRST;
        loop {
            match self.connect().await {
                Ok(connection) => return Ok(connection),
                Err(error) => tracing::trace!(container = self.name(), %error, "server does not listen yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACK_OFF_MAX);
            // Asking costs the container's death notice up to 100 ms; only a server that is slow to start pays that.
            if pause == BACK_OFF_MAX
                && let Some(reason) = self.container.exit_reason().await
            {
                return Err(NeverListened(reason));
            }
        }
    }

    pub(crate) async fn exit_reason(&self) -> Option<ExitReason> {
        self.container.exit_reason().await
    }

    /// Suspends the container, unless `still_wanted` says otherwise when it is its turn.
    pub(crate) async fn suspend(&self, still_wanted: impl FnOnce() -> bool) -> Result<(), ContainerError> {
        let mut frozen = self.frozen.lock().await;
        if !*frozen && still_wanted() {
            // Beforehand: one that fails or is given up half way may have suspended it all the same.
            *frozen = true;
            self.container.suspend().await?;
        }
        Ok(())
    }

    pub(crate) async fn resume(&self) -> Result<(), ContainerError> {
        let mut frozen = self.frozen.lock().await;
        if *frozen {
            self.container.resume().await?;
            *frozen = false;
        }
        Ok(())
    }

    pub(crate) async fn destroy(&self) -> Result<(), ContainerError> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.container.destroy().await
    }
}
