//! From a foundation to a controller that serves.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_controller::{Backends, Controller, ControllerConfig, Server};
use oxwhisk_controller_settings as controller_settings;
use oxwhisk_kafka::StartError;
use oxwhisk_messaging::Bus;
use oxwhisk_settings::{Exit, Refusal};

use super::foundation::Foundation;
use super::members::Succession;
use super::public::PublicSocket;
use super::readiness::{self, Parts};
use super::{Serving, announce};
use crate::caches::Listening;
use crate::config::ServiceConfig;

/// Longest wait for other controllers at the start: they are heard of once a second, and believed to be there for ten.
const MEETING: Duration = Duration::from_secs(20);
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_LONGEST: Duration = Duration::from_secs(10);

impl Foundation {
    /// Waits for what the controller depends on, then serves. May be given up at any time.
    pub(super) async fn serve(
        &mut self,
        config: &ServiceConfig,
        public: PublicSocket,
    ) -> Result<Serving, Refusal> {
        let Some(Parts { couchdb, kafka, api, invokers }) = self.parts.take() else {
            return Err(Refusal::new(Exit::Software, "the controller serves already"));
        };
        let stop = self.tasks.token();
        if let Some(invokers) = invokers {
            let following = readiness::follow_invokers(Arc::clone(&self.engine), invokers, stop.clone());
            self.tasks.spawn("health of invokers", following);
        }
        self.tasks.spawn("kafka's status", {
            let (status, stop) = (self.bus.status(), self.tasks.token());
            async move { stop.run_until_cancelled(kafka.follow(status, readiness::of_bus)).await }
        });
        tokio::try_join!(self.kafka(), self.couchdb(config, &couchdb))?;
        let stores = Arc::clone(&self.stores);
        self.tasks.spawn("couchdb's status", readiness::follow_couchdb(stores, couchdb, stop));
        self.meet_others().await;
        let controller = self.controller(config).await?;
        let server = Arc::new(Server::new(Arc::clone(&controller), controller_settings::server_config()));
        let listener = public.listen()?;
        let address = listener.local_addr().map_err(|error| Refusal::new(Exit::Unavailable, error))?;
        let serving = Serving { controller, server: Arc::clone(&server) };
        self.tasks.spawn("public API", async move { server.serve(listener).await });
        api.ready();
        announce(config, &format!("http://{address}"))?;
        Ok(serving)
    }

    /// Topics that are there and as they must be.
    async fn kafka(&self) -> Result<(), Refusal> {
        match self.bus.ready(self.tasks.token()).await {
            Ok(()) => Ok(()),
            Err(StartError::Stopped) => std::future::pending().await,
            Err(error) => Err(Refusal::new(Exit::Config, error)),
        }
    }

    /// Databases and views that are there, and the configured users in them.
    async fn couchdb(
        &self,
        config: &ServiceConfig,
        part: &oxwhisk_service::readiness::Part,
    ) -> Result<(), Refusal> {
        let prepare = || async {
            self.stores.prepare().await?;
            controller_settings::enrol(&config.users, self.stores.subjects().as_ref()).await
        };
        let report = |reason: &str| {
            tracing::warn!(url = config.couchdb.url(), reason, "waiting for CouchDB");
            part.unready(reason.to_owned());
        };
        until_done(prepare, report).await;
        part.ready();
        Ok(())
    }

    /// Until the others are known: before that this controller would decide about limits as if it were alone.
    async fn meet_others(&self) {
        self.peers.start(Arc::new(Succession(Arc::clone(&self.engine))));
        if !self.peers.settled(MEETING).await {
            tracing::warn!("another controller is heard of and cannot be talked to; it goes without it");
        }
    }

    async fn controller(&self, config: &ServiceConfig) -> Result<Arc<Controller>, Refusal> {
        let bus: Arc<dyn Bus> = Arc::clone(&self.bus) as _;
        let backends = Backends {
            entities: self.stores.entities(),
            subjects: self.stores.subjects(),
            activations: self.stores.activations(),
            code: Arc::clone(&self.code),
            records: Arc::clone(&self.records),
            bus: Arc::clone(&bus),
            engine: Arc::clone(&self.engine) as _,
            throttles: self.peers.throttles(),
            elsewhere: Some(self.peers.elsewhere()),
        };
        let controller_config = ControllerConfig {
            sharing: self.sharing.clone(),
            telemetry: self.telemetry.clone(),
            ..config.controller.clone()
        };
        // That Kafka goes away again meanwhile is waited for; what comes out here does not mend itself.
        let started = Controller::start(controller_config, backends).await;
        let controller = started.map_err(|error| Refusal::new(Exit::Config, error))?;
        // Set once: `serve` runs once.
        let _ = self.controller.set(Arc::clone(&controller));
        self.share_caches(config, &controller, bus);
        Ok(controller)
    }

    fn share_caches(&self, config: &ServiceConfig, controller: &Arc<Controller>, bus: Arc<dyn Bus>) {
        let announcements = Arc::clone(&self.announcements);
        self.tasks.spawn("cache announcements", announcements.tell(Arc::clone(&bus), self.tasks.token()));
        let listening = Listening {
            instance: config.name.clone(),
            controller: Arc::clone(controller),
            sharing: self.sharing.clone(),
            bus,
        };
        self.tasks.spawn("cache listener", listening.run(self.tasks.token()));
    }
}

/// Tries, with pauses that get longer, until it succeeds; each reason why it did not is reported.
async fn until_done<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    attempt: impl Fn() -> F,
    report: impl Fn(&str),
) -> T {
    let mut pause = PAUSE_FIRST;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => report(&error.to_string()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_tried_again_and_reported_each_time() {
        let (tries, reports) = (Cell::new(0), Cell::new(0));
        let attempt = || {
            tries.set(tries.get() + 1);
            let done = tries.get() == 10;
            async move { if done { Ok("done") } else { Err("away") } }
        };
        let report = |reason: &str| {
            assert_eq!(reason, "away");
            reports.set(reports.get() + 1);
        };
        assert_eq!(until_done(attempt, report).await, "done");
        assert_eq!((tries.get(), reports.get()), (10, 9));
    }
}
