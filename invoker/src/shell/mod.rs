//! The thin shell around the pool: its lock, and the tasks that do what it decides.

mod alone;
mod chores;
mod lease;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use oxwhisk_container::{ContainerFactory, CreateError};
use oxwhisk_invoker_api::offers::{Room, RoomSignal};
use oxwhisk_invoker_api::{CodeSource, RecordSink, StartedObserver};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::InvokerConfig;
use crate::metrics::Metrics;
use crate::pool::{ActionKey, ContainerId, Effect, Effects, Lease, Pool, Refusal, Release};
use crate::proxy::Proxy;
use alone::Alone;

pub(crate) use lease::LeaseGuard;

/// What one who waits is told.
#[derive(Debug)]
pub(crate) enum Grant {
    Lease(Lease<Arc<Proxy>>),
    CreateFailed(CreateError),
    Refused { memory: u64, refusal: Refusal },
}

/// Where an activation is on its way into a container.
#[derive(Debug)]
pub(crate) enum Place {
    Container(LeaseGuard),
    /// In line, until it is told.
    Line(oneshot::Receiver<Grant>),
}

pub(crate) type Waiter = oneshot::Sender<Grant>;
type ShellEffects = Effects<Arc<Proxy>, Waiter>;

/// Everything the activations of one invoker share.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) config: InvokerConfig,
    pool: Mutex<Pool<Arc<Proxy>, Waiter>>,
    factory: Arc<dyn ContainerFactory>,
    pub(crate) code: Arc<dyn CodeSource>,
    pub(crate) records: Arc<dyn RecordSink>,
    pub(crate) observer: Option<Arc<dyn StartedObserver>>,
    pub(crate) metrics: Metrics,
    /// Activations, from their dispatch to their last log line.
    pub(crate) activations: TaskTracker,
    /// Creations, suspensions and removals of containers.
    chores: TaskTracker,
    pub(crate) runtime: Handle,
    /// The pool's next deadline came nearer.
    rearm: Notify,
    /// Where it is said that room may have come free.
    pub(crate) room: OnceLock<Arc<RoomSignal>>,
    /// No new activations.
    pub(crate) draining: AtomicBool,
    alone: Alone,
    /// Containers are being taken from running activations.
    pub(crate) stopping: CancellationToken,
}

/// What an invoker needs of the world.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) factory: Arc<dyn ContainerFactory>,
    pub(crate) code: Arc<dyn CodeSource>,
    pub(crate) records: Arc<dyn RecordSink>,
    pub(crate) observer: Option<Arc<dyn StartedObserver>>,
}

impl Shell {
    pub(crate) fn new(config: InvokerConfig, around: Surroundings) -> Arc<Self> {
        let pool = Pool::new(&config, Instant::now());
        Arc::new(Self {
            config,
            pool: Mutex::new(pool),
            factory: around.factory,
            code: around.code,
            records: around.records,
            observer: around.observer,
            metrics: Metrics::default(),
            activations: TaskTracker::new(),
            chores: TaskTracker::new(),
            runtime: Handle::current(),
            rearm: Notify::new(),
            room: OnceLock::new(),
            draining: AtomicBool::new(false),
            alone: Alone::default(),
            stopping: CancellationToken::new(),
        })
    }

    /// Never held over an await: every use is one call into the pool.
    pub(crate) fn pool(&self) -> MutexGuard<'_, Pool<Arc<Proxy>, Waiter>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait for an answer without sleeping: only while activations come one at a time, since others could
    /// use the processor. One alone says little: among several clients, too, one activation is often the only one for
    /// a moment.
    pub(crate) fn spin(&self) -> Duration {
        if self.alone.is_usual(self.activations.len()) { self.config.spin } else { Duration::ZERO }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// A free slot of a warm container, or a place in line for one.
    ///
    /// # Errors
    /// When the line is full, or the invoker too small.
    pub(crate) fn acquire(self: &Arc<Self>, key: &ActionKey, since: Instant) -> Result<Place, Refusal> {
        self.acquire_in(self.pool(), key, since)
    }

    /// As [`Shell::acquire`], if `claim` says so of the room. One and the same lock is held from its look at the room
    /// until that is taken: the lease is out or the container ordered, or what is evicted for it is promised.
    ///
    /// # Errors
    /// As there, and [`Refusal::NotGiven`].
    pub(crate) fn acquire_if(
        self: &Arc<Self>,
        key: &ActionKey,
        since: Instant,
        claim: &mut dyn FnMut(&dyn Room) -> bool,
    ) -> Result<Place, Refusal> {
        let pool = self.pool();
        if !claim(&*pool) {
            return Err(Refusal::NotGiven);
        }
        self.acquire_in(pool, key, since)
    }

    fn acquire_in(
        self: &Arc<Self>,
        mut pool: MutexGuard<'_, Pool<Arc<Proxy>, Waiter>>,
        key: &ActionKey,
        since: Instant,
    ) -> Result<Place, Refusal> {
        if let Some(lease) = pool.try_acquire(key) {
            drop(pool);
            return Ok(Place::Container(self.guard(lease)));
        }
        let (sender, receiver) = oneshot::channel();
        let effects = pool.enqueue(key, sender, since, Instant::now())?;
        drop(pool);
        self.perform(effects);
        Ok(Place::Line(receiver))
    }

    pub(crate) fn guard(self: &Arc<Self>, lease: Lease<Arc<Proxy>>) -> LeaseGuard {
        self.metrics.container_start(lease.start);
        LeaseGuard { shell: Arc::clone(self), lease, released: false }
    }

    /// Does what the pool decided. Takes no time itself: what takes time becomes a task of its own.
    pub(crate) fn perform(self: &Arc<Self>, effects: ShellEffects) {
        for effect in effects {
            match effect {
                Effect::Grant { waiter, lease } => self.grant(waiter, lease),
                Effect::Refuse { waiter, memory, refusal } => {
                    // Whoever stopped waiting does not need to know.
                    let _ = waiter.send(Grant::Refused { memory, refusal });
                }
                Effect::Create { container, shape, prewarm } => {
                    self.spawn_chore(chores::create(Arc::clone(self), container, shape, prewarm));
                }
                Effect::Suspend { container, handle } => {
                    self.spawn_chore(chores::suspend(Arc::clone(self), container, handle));
                }
                Effect::Destroy { container, handle } => {
                    self.spawn_chore(chores::destroy(Arc::clone(self), container, handle));
                }
                Effect::Rearm => self.rearm.notify_one(),
            }
        }
        // Every change by which room comes free ends here.
        if let Some(room) = self.room.get() {
            room.changed();
        }
    }

    fn grant(self: &Arc<Self>, waiter: Waiter, lease: Lease<Arc<Proxy>>) {
        if let Err(Grant::Lease(lease)) = waiter.send(Grant::Lease(lease)) {
            // It stopped waiting: the next one gets the container.
            self.release(lease.container, Release::Unused);
        }
    }

    fn release(self: &Arc<Self>, container: ContainerId, how: Release) {
        let effects = self.pool().release(container, how, Instant::now());
        self.perform(effects);
    }

    fn spawn_chore(&self, chore: impl Future<Output = ()> + Send + 'static) {
        self.chores.spawn_on(chore, &self.runtime);
    }

    /// Tells the pool the time when it asked for that, until the invoker stops.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        loop {
            let deadline = self.pool().next_deadline();
            let due = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.rearm.notified() => {}
                () = due => {
                    let effects = self.pool().tick(Instant::now());
                    self.perform(effects);
                }
            }
        }
    }

    /// Ends all containers and waits for that until `deadline`. Answers whether all are gone.
    pub(crate) async fn end_containers(self: &Arc<Self>, deadline: Instant) -> bool {
        let effects = self.pool().close(Instant::now());
        self.perform(effects);
        // Those in use are ended under their activations, which then release them.
        let handles = self.pool().handles();
        for proxy in handles {
            self.spawn_chore(async move {
                if let Err(error) = proxy.destroy().await {
                    tracing::warn!(container = proxy.name(), %error, "cannot end container");
                }
            });
        }
        self.activations.close();
        let activations = tokio::time::timeout_at(deadline.into(), self.activations.wait()).await;
        self.chores.close();
        let chores = tokio::time::timeout_at(deadline.into(), self.chores.wait()).await;
        let cleanup = tokio::time::timeout(self.config.destroy_timeout, self.factory.cleanup()).await;
        match &cleanup {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot clean up containers"),
            Err(_) => tracing::warn!("cannot clean up containers in time"),
        }
        activations.is_ok() && chores.is_ok() && matches!(cleanup, Ok(Ok(())))
    }
}
