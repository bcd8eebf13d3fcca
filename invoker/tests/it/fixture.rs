//! An invoker over scripted containers, and what it is told to do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::{ActivationId, Revision, TransactionId};
use oxwhisk_core::limits::ActionLimits;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_core::version::Version;
use oxwhisk_invoker::config::StemCellConfig;
use oxwhisk_invoker::{Invoker, InvokerConfig};
use oxwhisk_invoker_api::{
    ActionDescriptor, Caller, CodeError, CodeSource, Completion, Delivery, Dispatch, DispatchError,
    InvokerClient, RecordContext, RecordError, RecordSink, ResponseLimits, StorePolicy,
};
use oxwhisk_ticket::Ticket;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::containers::ScriptedFactory;

/// Serves code by action name; what it does not know is the text `ok`.
#[derive(Debug, Default)]
pub(crate) struct Codes(pub(crate) Mutex<HashMap<String, Result<String, CodeError>>>);

#[async_trait]
impl CodeSource for Codes {
    async fn code(
        &self,
        action: &ActionDescriptor,
        _ticket: Option<&Ticket>,
    ) -> Result<Option<Bytes>, CodeError> {
        match self.0.lock().unwrap().get(action.id.name.as_str()) {
            None => Ok(Some(Bytes::from_static(b"ok"))),
            Some(Ok(code)) => Ok(Some(Bytes::from(code.clone()))),
            Some(Err(CodeError::NotFound)) => Err(CodeError::NotFound),
            Some(Err(CodeError::Mismatch)) => Err(CodeError::Mismatch),
            Some(Err(CodeError::Unavailable)) => Err(CodeError::Unavailable),
        }
    }
}

/// Keeps every record it is handed.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) all: Mutex<Vec<Arc<Activation>>>,
    pub(crate) failing: std::sync::atomic::AtomicBool,
    /// How often it refuses before it takes one.
    refusals: std::sync::atomic::AtomicUsize,
}

impl RecordSink for Records {
    fn accept(&self, record: &Arc<Activation>, _of: RecordContext<'_>) -> Result<(), RecordError> {
        use std::sync::atomic::Ordering::SeqCst;
        let refuses = self.refusals.try_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        if refuses || self.failing.load(SeqCst) {
            return Err(RecordError { reason: "the disk is full".to_owned(), lasting: false });
        }
        self.all.lock().unwrap().push(Arc::clone(record));
        Ok(())
    }
}

impl Records {
    /// Refuses the next `times` records.
    pub(crate) fn refuse(&self, times: usize) {
        self.refusals.store(times, std::sync::atomic::Ordering::SeqCst);
    }

    /// Records of one activation, in order.
    pub(crate) fn of(&self, id: ActivationId) -> Vec<Arc<Activation>> {
        self.all.lock().unwrap().iter().filter(|record| record.activation_id == id).cloned().collect()
    }
}

pub(crate) struct Fixture {
    pub(crate) invoker: Arc<Invoker>,
    pub(crate) factory: Arc<ScriptedFactory>,
    pub(crate) codes: Arc<Codes>,
    pub(crate) records: Arc<Records>,
}

/// Short times, so that what waits for a time-out ends soon.
pub(crate) fn config() -> InvokerConfig {
    let mut config = InvokerConfig::default();
    config.queue.wait_limit = Duration::from_secs(20);
    config.logs.idle_timeout = Duration::from_millis(300);
    config
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: InvokerConfig) -> Self {
        let factory = ScriptedFactory::new();
        let (codes, records) = (Arc::new(Codes::default()), Arc::new(Records::default()));
        let invoker =
            Invoker::start(config, factory.clone(), codes.clone(), records.clone(), None).await.unwrap();
        Self { invoker, factory, codes, records }
    }

    /// Gives an action code that `/init` reacts to.
    pub(crate) fn set_code(&self, action: &str, code: Result<&str, CodeError>) {
        self.codes.0.lock().unwrap().insert(action.to_owned(), code.map(str::to_owned));
    }

    pub(crate) async fn run(&self, dispatch: Dispatch) -> Completion {
        self.try_run(dispatch).await.unwrap()
    }

    /// Bounded, so that an answer that never comes fails the test.
    pub(crate) async fn try_run(&self, dispatch: Dispatch) -> Result<Completion, DispatchError> {
        tokio::time::timeout(Duration::from_secs(30), self.invoker.dispatch(dispatch)).await.unwrap()
    }

    /// Runs in the background.
    pub(crate) fn spawn(
        &self,
        dispatch: Dispatch,
    ) -> tokio::task::JoinHandle<Result<Completion, DispatchError>> {
        let invoker = Arc::clone(&self.invoker);
        tokio::spawn(async move { invoker.dispatch(dispatch).await })
    }

    pub(crate) async fn stop(self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        assert!(self.invoker.shutdown(deadline).await, "not everything ended: {:?}", self.factory.events());
    }
}

/// Waits until the condition holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn action(name: &str) -> ActionDescriptor {
    let guest = EntityName::new("guest").unwrap();
    ActionDescriptor {
        id: FullyQualifiedName::parse(&format!("/guest/{name}"), &guest).unwrap(),
        version: Version::FIRST,
        revision: Revision("1-a".to_owned()),
        kind: "nodejs:20".to_owned(),
        image: "openwhisk/n20".parse().unwrap(),
        user_provided_image: false,
        sentinelled_logs: true,
        main: None,
        binary: false,
        has_code: true,
        limits: ActionLimits { timeout: 10_000, memory: 256, logs: 10, concurrency: 1, instances: None },
    }
}

/// One, of the kind that actions have here.
pub(crate) fn stem_cell() -> StemCellConfig {
    let ActionDescriptor { kind, image, limits, .. } = action("any");
    StemCellConfig { kind, image, memory: limits.memory, initial_count: 1, reactive: None }
}

/// An activation of the action with these arguments.
pub(crate) fn dispatch(action: &ActionDescriptor, arguments: &Value) -> Dispatch {
    Dispatch {
        transaction: TransactionId::from_client(Some("tid")),
        activation_id: ActivationId::generate(),
        action: Arc::new(action.clone()),
        caller: Caller {
            subject: "guest".into(),
            namespace: EntityName::new("guest").unwrap(),
            namespace_uuid: "uuid".into(),
        },
        api_key: None,
        arguments: RawValue::from_string(arguments.to_string()).unwrap().into(),
        init_environment: Vec::new(),
        cause: None,
        binding: None,
        received: 0,
        attempt: 1,
        delivery: Delivery::AtLeastOnce,
        response_limits: ResponseLimits { max: 1 << 20, truncation: 1 << 20 },
        store: StorePolicy::ALWAYS,
        cache: None,
        ticket: None,
        trace: None,
    }
}

/// Status code and result.
pub(crate) fn result(completion: &Completion) -> (u8, Value) {
    let response = &completion.activation.response;
    let result = serde_json::from_str(response.result.as_ref().unwrap().get()).unwrap();
    (response.status.code(), result)
}

/// The container that answered.
pub(crate) fn container_of(completion: &Completion) -> String {
    result(completion).1["container"].as_str().unwrap().to_owned()
}

pub(crate) fn has_init_time(completion: &Completion) -> bool {
    completion.activation.annotations.get("initTime").is_some()
}
