//! An invoker without containers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use oxwhisk_core::cache::CacheUse;
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_core::parameters::Parameters;
use oxwhisk_invoker_api::{
    ChangedAction, Completion, Dispatch, DispatchError, InvokerCapacity, InvokerClient, RecordContext,
    RecordSink,
};

use crate::slow::Gate;

/// Ends every activation with its arguments as the result.
#[derive(Debug)]
pub(crate) struct EchoInvoker {
    records: Arc<dyn RecordSink>,
    /// Held up here: activations.
    pub(crate) gate: Gate,
    /// What came, with the number of the attempt.
    pub(crate) seen: Mutex<Vec<(ActivationId, u32)>>,
    /// What the last dispatch said of the cache.
    pub(crate) cache: Mutex<Option<CacheUse>>,
}

impl EchoInvoker {
    pub(crate) fn new(records: Arc<dyn RecordSink>) -> Self {
        Self { records, gate: Gate::default(), seen: Mutex::default(), cache: Mutex::default() }
    }
}

#[async_trait]
impl InvokerClient for EchoInvoker {
    fn id(&self) -> InvokerId {
        InvokerId(0)
    }

    async fn dispatch(&self, dispatch: Dispatch) -> Result<Completion, DispatchError> {
        self.seen.lock().unwrap().push((dispatch.activation_id, dispatch.attempt));
        self.cache.lock().unwrap().clone_from(&dispatch.cache);
        assert_ne!(dispatch.action.id.name.as_str(), "defect", "asked to panic");
        self.gate.pass().await;
        let response = Response { status: Status::Success, result: Some(dispatch.arguments), size: None };
        let activation = Arc::new(Activation {
            namespace: dispatch.caller.namespace.clone(),
            name: dispatch.action.id.name.clone(),
            version: dispatch.action.version,
            subject: Arc::clone(&dispatch.caller.subject),
            activation_id: dispatch.activation_id,
            start: dispatch.received,
            end: dispatch.received + 1,
            duration: Some(1),
            cause: None,
            response,
            logs: Vec::new(),
            annotations: Parameters::new(),
            publish: false,
        });
        let stores = dispatch.store.stores(Status::Success);
        let record_refused = stores && self.records.accept(&activation, RecordContext::default()).is_err();
        Ok(Completion { activation, logs_follow: false, record_refused, cut_off: false })
    }

    fn capacity(&self) -> InvokerCapacity {
        InvokerCapacity { memory: 1024, busy: 0, idle: 0 }
    }

    fn invalidate(&self, _changed: &ChangedAction) {}
}
