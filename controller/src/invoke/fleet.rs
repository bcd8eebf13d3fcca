//! The invokers, and asking them in the order that placement says.

use std::sync::Arc;

use oxwhisk_invoker_api::{Completion, Dispatch, DispatchError, InvokerClient};
use oxwhisk_loadbalancer::fleet::Kinds;
use oxwhisk_loadbalancer::{InvokerView, Placement, PlacementRequest, PoolView, StepSizes};

/// All invokers this controller can reach.
#[derive(Debug)]
pub struct Fleet {
    invokers: Vec<Arc<dyn InvokerClient>>,
    placement: Arc<dyn Placement>,
    steps: StepSizes,
}

impl Fleet {
    #[must_use]
    pub fn new(invokers: Vec<Arc<dyn InvokerClient>>, placement: Arc<dyn Placement>) -> Self {
        let steps = StepSizes::new(invokers.len());
        Self { invokers, placement, steps }
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
        let pool = views(&self.invokers);
        let pool = PoolView { invokers: &pool, steps: &self.steps };
        let candidates = self.placement.place(pool, &request(&dispatch));
        let Some((last, others)) = candidates.all().split_last() else {
            return Err(DispatchError::Unreachable("no invoker is usable".to_owned()));
        };
        for index in others {
            match self.invokers[*index].dispatch(dispatch.clone()).await {
                Err(DispatchError::NoRoom { .. } | DispatchError::Draining) => {}
                ended => return ended,
            }
        }
        self.invokers[*last].dispatch(dispatch).await
    }

    pub(crate) async fn invalidate(&self, action: &oxwhisk_core::name::FullyQualifiedName) {
        for invoker in &self.invokers {
            invoker.invalidate(action).await;
        }
    }
}

fn views(invokers: &[Arc<dyn InvokerClient>]) -> Vec<InvokerView> {
    let view = |invoker: &Arc<dyn InvokerClient>| {
        let capacity = invoker.capacity();
        InvokerView {
            id: invoker.id(),
            usable: true,
            free_memory: capacity.memory.saturating_sub(capacity.busy),
            kinds: Kinds::All,
        }
    };
    invokers.iter().map(view).collect()
}

fn request(dispatch: &Dispatch) -> PlacementRequest<'_> {
    PlacementRequest::new(&dispatch.caller.namespace, &dispatch.action.id, dispatch.action.limits.memory)
}
