//! The accept loop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_service::readiness::State;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic_health::ServingStatus;

use super::ServerOptions;
use super::builder::Health;
use super::connection::{self, Lifetime};
use super::listener::{Accepted, Listener};
use super::routes::Routes;

/// Pause after a failure to accept that is not the client's: there may be no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Services, served on any number of listeners.
#[derive(Debug)]
pub struct Server {
    pub(super) options: ServerOptions,
    pub(super) routes: Routes,
    health: Option<Health>,
    connections: Arc<Semaphore>,
}

impl Server {
    pub(super) fn new(options: ServerOptions, routes: Routes, health: Option<Health>) -> Self {
        let connections = Arc::new(Semaphore::new(options.max_connections));
        Self { options, routes, health, connections }
    }

    /// Serves what arrives at `listener` until `stop`: then takes nothing new, lets what runs finish within
    /// [`ServerOptions::grace`], and cuts off the rest. Says whether nothing had to be cut off.
    pub async fn serve(self: Arc<Self>, listener: Listener, stop: CancellationToken) -> bool {
        let tasks = TaskTracker::new();
        let lifetime = Lifetime { closing: stop, cut: CancellationToken::new(), calls: TaskTracker::new() };
        let accepting = async {
            while let Some((accepted, place)) = self.accept(&listener, &lifetime.closing).await {
                let (server, lifetime) = (Arc::clone(&self), lifetime.clone());
                tasks.spawn(async move {
                    connection::serve(server, accepted, lifetime).await;
                    drop(place);
                });
            }
        };
        tokio::join!(accepting, self.report_health(&lifetime.closing));
        // New connections are refused, and a unix socket's file is gone, before the last ones end.
        drop(listener);
        tasks.close();
        lifetime.calls.close();
        let ended = async {
            tasks.wait().await;
            lifetime.calls.wait().await;
        };
        if tokio::time::timeout(self.options.grace, ended).await.is_ok() {
            return true;
        }
        lifetime.cut.cancel();
        tasks.wait().await;
        lifetime.calls.wait().await;
        false
    }

    /// The next connection with its place among them; `None` when the server stops.
    async fn accept(
        &self,
        listener: &Listener,
        stop: &CancellationToken,
    ) -> Option<(Accepted, tokio::sync::OwnedSemaphorePermit)> {
        loop {
            let next = async {
                let place = Arc::clone(&self.connections).acquire_owned().await.map_err(io::Error::other)?;
                Ok::<_, io::Error>((listener.accept().await?, place))
            };
            match stop.run_until_cancelled(next).await? {
                Ok(accepted) => return Some(accepted),
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    tracing::warn!(address = %listener.address(), %error, "cannot accept a connection");
                    stop.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await?;
                }
            }
        }
    }

    /// Follows readiness until the server stops.
    async fn report_health(&self, stop: &CancellationToken) {
        let Some(Health { reporter, readiness, services }) = &self.health else { return };
        let mut states = readiness.subscribe();
        loop {
            let ready = *states.borrow_and_update() == State::Ready && !stop.is_cancelled();
            let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
            for name in services.iter().chain([&""]) {
                reporter.set_service_status(name, status).await;
            }
            if stop.is_cancelled() {
                return;
            }
            // Whether it changed, or nobody changes it any more, or the server stops: what holds now is told once more.
            if stop.run_until_cancelled(states.changed()).await.is_some_and(|changed| changed.is_err()) {
                stop.cancelled().await;
            }
        }
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected)
}
