//! One invoker: what the rest of the platform holds.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use async_trait::async_trait;
use oxwhisk_container::{ContainerError, ContainerFactory};
use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_api::offers::{Room, RoomSignal};
use oxwhisk_invoker_api::{
    Activating, ChangedAction, CodeSource, Completion, DetachOnDrop, Dispatch, DispatchError,
    InvokerCapacity, InvokerClient, RecordSink, RoomWatch, StartedObserver,
};
use oxwhisk_metrics::Source;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::config::InvokerConfig;
use crate::metrics::{InvokerSource, Snapshot};
use crate::run;
use crate::shell::{Shell, Surroundings};

/// The container pool of one node. Stop it with [`Invoker::drain`] and then [`Invoker::shutdown`]; dropped without,
/// it leaves its containers to the factory's next clean-up.
#[derive(Debug)]
pub struct Invoker {
    shell: Arc<Shell>,
    timekeeper: JoinHandle<()>,
}

impl Invoker {
    /// Removes what an earlier invoker left behind and starts the stem cells. Must be called within a tokio runtime,
    /// which then runs everything that the invoker does in the background. An `observer` is told before each run.
    ///
    /// # Errors
    /// When the factory cannot clean up: containers of an earlier process would take memory that is counted as free.
    pub async fn start(
        config: InvokerConfig,
        factory: Arc<dyn ContainerFactory>,
        code: Arc<dyn CodeSource>,
        records: Arc<dyn RecordSink>,
        observer: Option<Arc<dyn StartedObserver>>,
    ) -> Result<Arc<Self>, ContainerError> {
        factory.cleanup().await?;
        let shell = Shell::new(config, Surroundings { factory, code, records, observer });
        let effects = shell.pool().start(Instant::now());
        shell.perform(effects);
        let timekeeper = tokio::spawn(Arc::clone(&shell).keep_time());
        Ok(Arc::new(Self { shell, timekeeper }))
    }

    /// Takes no more work and waits for what runs, its logs included. Answers whether all of it ended by `deadline`.
    pub async fn drain(&self, deadline: Instant) -> bool {
        self.shell.draining.store(true, Ordering::Release);
        self.shell.activations.close();
        tokio::time::timeout_at(deadline.into(), self.shell.activations.wait()).await.is_ok()
    }

    /// Ends everything, running activations too: they get a record of a platform error. Waits until `deadline` for
    /// containers to go, and answers whether all of them did.
    pub async fn shutdown(&self, deadline: Instant) -> bool {
        self.shell.draining.store(true, Ordering::Release);
        self.shell.stopping.cancel();
        self.timekeeper.abort();
        self.shell.end_containers(deadline).await
    }

    /// An activation goes on when whoever waits for it does not.
    fn detached(&self, work: Activating) -> Activating {
        Box::pin(DetachOnDrop::new(work, self.shell.activations.clone(), self.shell.runtime.clone()))
    }

    /// Activations that wait for a container.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shell.pool().waiting()
    }

    /// Its metrics for a registry, which does not keep the invoker alive.
    #[must_use]
    pub fn metrics_source(&self) -> Arc<dyn Source> {
        Arc::new(InvokerSource(Arc::downgrade(&self.shell)))
    }

    #[must_use]
    pub fn metrics(&self) -> Snapshot {
        self.shell.metrics.snapshot()
    }
}

impl Drop for Invoker {
    fn drop(&mut self) {
        self.shell.stopping.cancel();
    }
}

#[async_trait]
impl InvokerClient for Invoker {
    fn id(&self) -> InvokerId {
        self.shell.config.id
    }

    // Written out instead of `async fn`: the activation is in a box of its own, so that it can be moved to a task.
    fn dispatch<'a, 'b>(
        &'a self,
        dispatch: Dispatch,
    ) -> Pin<Box<dyn Future<Output = Result<Completion, DispatchError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let span = span_of(&dispatch);
        self.detached(Box::pin(run::activate(Arc::clone(&self.shell), dispatch).instrument(span)))
    }

    fn capacity(&self) -> InvokerCapacity {
        let memory = self.shell.pool().memory();
        InvokerCapacity { memory: memory.total, busy: memory.used - memory.idle, idle: memory.idle }
    }

    fn invalidate(&self, changed: &ChangedAction) {
        let effects = self.shell.pool().invalidate(changed, Instant::now());
        self.shell.perform(effects);
    }
}

impl RoomWatch for Invoker {
    fn look(&self, look: &mut dyn FnMut(&dyn Room)) {
        look(&*self.shell.pool());
    }

    fn dispatch_if(
        &self,
        dispatch: Dispatch,
        claim: &mut dyn FnMut(&dyn Room) -> bool,
    ) -> Result<Activating, DispatchError> {
        let acquire = |key: &_, since| self.shell.acquire_if(key, since, claim);
        let span = span_of(&dispatch);
        let begun = run::begin(&self.shell, dispatch, acquire)?;
        Ok(self.detached(Box::pin(run::to_end(Arc::clone(&self.shell), begun).instrument(span))))
    }

    fn watch(&self, signal: Arc<RoomSignal>) {
        // The first one stays.
        let _ = self.shell.room.set(signal);
    }
}

/// Lines of one activation are found by its request, whose span goes with the caller where both are one process.
fn span_of(dispatch: &Dispatch) -> tracing::Span {
    match tracing::Span::current().is_none() {
        true => tracing::info_span!("activation", tid = %dispatch.transaction),
        false => tracing::Span::none(),
    }
}
