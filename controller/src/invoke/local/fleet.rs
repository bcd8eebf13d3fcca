//! The invokers, and asking them in the order that placement says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_api::{ChangedAction, Completion, Dispatch, DispatchError, InvokerClient};
use oxwhisk_loadbalancer::fleet::Kinds;
use oxwhisk_loadbalancer::{InvokerView, Placement, PlacementRequest, PoolView, StepSizes};
use tokio::sync::Notify;

/// All invokers this controller can reach.
#[derive(Debug)]
pub struct Fleet {
    invokers: Vec<Arc<dyn InvokerClient>>,
    placement: Arc<dyn Placement>,
    steps: StepSizes,
    /// Of each invoker, in the same order.
    duties: Vec<Duty>,
}

/// What this controller has an invoker do.
#[derive(Debug)]
struct Duty {
    /// Whether it gets work: an administrator may say no.
    enabled: AtomicBool,
    /// Activations that run there.
    running: AtomicU64,
    ended: Notify,
}

impl Duty {
    fn new() -> Self {
        Self { enabled: AtomicBool::new(true), running: AtomicU64::new(0), ended: Notify::new() }
    }

    fn begin(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self)
    }
}

/// Counts an activation until it ends, however that is.
struct Running<'a>(&'a Duty);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.ended.notify_waiters();
        }
    }
}

impl Fleet {
    #[must_use]
    pub fn new(invokers: Vec<Arc<dyn InvokerClient>>, placement: Arc<dyn Placement>) -> Self {
        let duties = invokers.iter().map(|_| Duty::new()).collect();
        let steps = StepSizes::new(invokers.len());
        Self { invokers, placement, steps, duties }
    }

    fn duty(&self, id: InvokerId) -> Option<&Duty> {
        let index = self.invokers.iter().position(|invoker| invoker.id() == id)?;
        self.duties.get(index)
    }

    /// Whether an invoker gets work, and how many activations of this controller run there. `None`: there is no such.
    #[must_use]
    pub fn duty_of(&self, id: InvokerId) -> Option<(bool, u64)> {
        let duty = self.duty(id)?;
        Some((duty.enabled.load(Ordering::Relaxed), duty.running.load(Ordering::Relaxed)))
    }

    /// Gives an invoker work, or none; what runs there goes on. Says whether it got some before. `None`: there is no such.
    pub fn set_enabled(&self, id: InvokerId, enabled: bool) -> Option<bool> {
        Some(self.duty(id)?.enabled.swap(enabled, Ordering::Relaxed))
    }

    /// Waits, at most for `limit`, until nothing of this controller runs on an invoker; how much still does.
    pub async fn drained(&self, id: InvokerId, limit: Duration) -> Option<u64> {
        let duty = self.duty(id)?;
        let emptied = async {
            loop {
                // Asked for before looking, so that no end is missed.
                let ended = duty.ended.notified();
                if duty.running.load(Ordering::Relaxed) == 0 {
                    return;
                }
                ended.await;
            }
        };
        // What is left tells whether the time was enough.
        let _ = tokio::time::timeout(limit, emptied).await;
        Some(duty.running.load(Ordering::Relaxed))
    }

    #[must_use]
    pub fn invokers(&self) -> &[Arc<dyn InvokerClient>] {
        &self.invokers
    }

    /// Runs an activation on the first invoker that takes it.
    ///
    /// # Errors
    /// The last invoker's reason when none did.
    pub(crate) async fn run(&self, dispatch: Dispatch) -> Result<Completion, DispatchError> {
        let views = self.views();
        let pool = PoolView { invokers: &views, steps: &self.steps };
        let candidates = self.placement.place(pool, &request(&dispatch));
        let Some((last, others)) = candidates.all().split_last() else {
            return Err(DispatchError::Unreachable("no invoker is usable".to_owned()));
        };
        for index in others {
            match self.dispatch(*index, dispatch.clone()).await {
                Err(DispatchError::NoRoom { .. } | DispatchError::Draining) => {}
                ended => return ended,
            }
        }
        self.dispatch(*last, dispatch).await
    }

    async fn dispatch(&self, index: usize, dispatch: Dispatch) -> Result<Completion, DispatchError> {
        let _running = self.duties[index].begin();
        self.invokers[index].dispatch(dispatch).await
    }

    fn views(&self) -> Vec<InvokerView> {
        let view = |(invoker, duty): (&Arc<dyn InvokerClient>, &Duty)| {
            let capacity = invoker.capacity();
            InvokerView {
                id: invoker.id(),
                usable: duty.enabled.load(Ordering::Relaxed),
                free_memory: capacity.memory.saturating_sub(capacity.busy),
                kinds: Kinds::All,
            }
        };
        self.invokers.iter().zip(&self.duties).map(view).collect()
    }

    pub(crate) fn invalidate(&self, changed: &ChangedAction) {
        for invoker in &self.invokers {
            invoker.invalidate(changed);
        }
    }
}

fn request(dispatch: &Dispatch) -> PlacementRequest<'_> {
    PlacementRequest::new(&dispatch.caller.namespace, &dispatch.action.id, dispatch.action.limits.memory)
}
