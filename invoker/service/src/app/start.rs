//! The way up: the container pool and Kafka, each as soon as it can be had.

use std::sync::Arc;

use oxwhisk_invoker::config::CacheAccess;
use oxwhisk_invoker::{Invoker, InvokerConfig};
use oxwhisk_invoker_remote::server::HeartbeatOptions;
use oxwhisk_invoker_settings::stem_cells;
use oxwhisk_kafka::StartError;
use oxwhisk_messaging::{Bus as _, BusStatus};
use oxwhisk_service::readiness::Part;
use oxwhisk_settings::{Exit, Refusal, ready_file};
use tokio_util::sync::CancellationToken;

use super::App;
use super::build::Beginning;
use crate::containers::{Factory, Maker, Relayed};
use crate::{cache, relay};

impl App {
    /// Starts what there is to start, and goes on until `stop`.
    ///
    /// # Errors
    /// What waiting does not mend.
    pub(super) async fn work(&self, beginning: Beginning, stop: &CancellationToken) -> Result<(), Refusal> {
        let Beginning { maker, pool, kafka } = beginning;
        // One that fails does not cut the other off half-way, but tells it to stop.
        let (started, reached) = tokio::join!(
            stopping_others(self.start_pool(maker, pool, stop), stop),
            stopping_others(self.reach_kafka(kafka, stop), stop),
        );
        started.and(reached)?;
        if !stop.is_cancelled() {
            self.announce()?;
        }
        stop.cancelled().await;
        Ok(())
    }

    async fn start_pool(&self, maker: Maker, part: Part, stop: &CancellationToken) -> Result<(), Refusal> {
        let config = &self.config;
        let stem_cells =
            stem_cells::of_manifest(&config.manifest, config.pool.user_memory, |kind| maker.runs(kind))
                .map_err(|error| Refusal::new(Exit::Config, error))?;
        let Some(factory) = maker.start(&part, stop).await? else { return Ok(()) };
        let factory = self.factory.get_or_init(|| factory);
        let relayed = factory.relay(&config.containers).await?;
        let mut pool = InvokerConfig {
            api_host: config.api_host.clone().unwrap_or_default(),
            telemetry: self.telemetry.clone(),
            ..config.pool.clone()
        };
        pool.prewarm.stem_cells = stem_cells;
        pool.cache = self.cache(factory)?;
        if let Some(Relayed { listener, api, url }) = relayed {
            pool.api_host = url;
            self.tasks.spawn("relay", relay::serve(listener, api, self.serving.clone()));
        }
        let (code, records) = (self.server.code(), self.server.records());
        let invoker = Invoker::start(pool, factory.of_pool(), code, records, Some(self.server.observer()))
            .await
            .map_err(|error| Refusal::new(Exit::System, error))?;
        self.metrics.add(invoker.metrics_source());
        self.server.attach(Arc::clone(&invoker) as _);
        // Heartbeats go on while Kafka is away: whoever is told that it is there has it take work.
        let (address, name) = (self.address.clone(), config.identity.name.clone());
        self.server.announce(HeartbeatOptions::new(address, name, env!("CARGO_PKG_VERSION").to_owned()));
        // It is set here and nowhere else.
        let _ = self.invoker.set(invoker);
        part.ready();
        Ok(())
    }

    fn cache(&self, factory: &Factory) -> Result<Option<CacheAccess>, Refusal> {
        let Some(settings) = &self.config.cache else { return Ok(None) };
        let Some(url) = factory.cache_url(&settings.at) else {
            tracing::warn!("actions have no cache: they have no network by which they could reach it");
            return Ok(None);
        };
        tracing::info!(url, proxy = %settings.proxy, "actions have a cache");
        let access = cache::access(settings, self.config.identity.id, self.tls.as_ref(), url, &self.tasks)?;
        Ok(Some(access))
    }

    /// Waits until Kafka has taken notice of us. Later it may go away and come back: readiness follows that.
    async fn reach_kafka(&self, part: Part, stop: &CancellationToken) -> Result<(), Refusal> {
        let following = part.follow(self.bus.status(), |status| match status {
            BusStatus::Available => Ok(()),
            BusStatus::Away(reason) => Err(reason.clone()),
        });
        let ended = self.tasks.token();
        self.tasks.spawn("readiness of kafka", async move { ended.run_until_cancelled(following).await });
        match self.bus.ready(stop.clone()).await {
            Ok(()) | Err(StartError::Stopped) => Ok(()),
            Err(error) => Err(Refusal::new(Exit::Config, error)),
        }
    }

    fn announce(&self) -> Result<(), Refusal> {
        let (invoker, address) = (self.config.identity.id, &self.address);
        tracing::info!(%invoker, address, "the invoker takes work");
        let Some(path) = &self.config.ready_file else { return Ok(()) };
        ready_file::write(path, address, std::process::id()).map_err(|error| {
            Refusal::new(Exit::CannotCreate, format!("cannot write '{}': {error}", path.display()))
        })
    }
}

async fn stopping_others(
    work: impl Future<Output = Result<(), Refusal>>,
    stop: &CancellationToken,
) -> Result<(), Refusal> {
    let done = work.await;
    if done.is_err() {
        stop.cancel();
    }
    done
}
