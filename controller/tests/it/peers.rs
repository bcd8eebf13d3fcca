//! A controller among others: who decides what is admitted, and where else a record may be.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use oxwhisk_controller::{Admission, InFlight, NotAdmitted, RecordsElsewhere, Throttles};
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::parameters::Parameters;
use oxwhisk_core::version::Version;
use oxwhisk_store::{ActivationStore as _, RecordDocument};
use oxwhisk_throttle::{Account, Kind, Limits, Slot, Violation};
use serde_json::{Value, json};

use crate::fixture::{Parts, me, until};

/// Has somebody else decide, who takes a while and may not be there.
#[derive(Debug, Default)]
struct Remote {
    asked: Mutex<Vec<(Account, Limits)>>,
    away: AtomicBool,
    full: AtomicBool,
    held: AtomicUsize,
}

impl Throttles for Remote {
    fn admit(self: Arc<Self>, account: Account, limits: Limits, _now: i64) -> Admission {
        self.asked.lock().unwrap().push((account.clone(), limits));
        Admission::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            if self.away.load(Ordering::SeqCst) {
                return Err(NotAdmitted::Undecided);
            }
            if self.full.load(Ordering::SeqCst) {
                return Err(Violation::Concurrency { count: 7, allowed: 7 }.into());
            }
            self.held.fetch_add(1, Ordering::SeqCst);
            Ok(InFlight::new(self, Slot::new(account, Some(1))))
        }))
    }

    fn readmit(self: Arc<Self>, account: Account, _limits: Limits) -> InFlight {
        self.held.fetch_add(1, Ordering::SeqCst);
        InFlight::new(self, Slot::new(account, None))
    }

    fn release(self: Arc<Self>, _slot: Slot) {
        self.held.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_is_admitted_may_be_decided_elsewhere() {
    let remote = Arc::new(Remote::default());
    let mut parts = Parts::new().await;
    parts.throttles = Some(Arc::clone(&remote) as _);
    parts
        .limit(UserLimits {
            concurrent_invocations: Some(7),
            invocations_per_minute: Some(9),
            ..UserLimits::default()
        })
        .await;
    let platform = parts.start().await;
    let action = json!({"exec": {"kind": "go:1", "code": "x"}});
    assert_eq!(platform.call("PUT", "actions/a", &action).await.0, 200);

    // Held until the activation ends, whoever decided.
    platform.invoker.gate.close();
    let client = platform.send("POST", "actions/a?blocking=true", &json!({})).await;
    platform.invoker.gate.met().await;
    assert_eq!(remote.held.load(Ordering::SeqCst), 1);
    platform.invoker.gate.open();
    until("it has ended", async || (remote.held.load(Ordering::SeqCst) == 0).then_some(())).await;
    drop(client);
    assert_eq!(platform.call("POST", "actions/a", &json!({})).await.0, 202);
    until("it has ended", async || (remote.held.load(Ordering::SeqCst) == 0).then_some(())).await;

    remote.full.store(true, Ordering::SeqCst);
    let (status, answer) = platform.call("POST", "actions/a", &json!({})).await;
    let text = "Too many concurrent requests in flight (count: 7, allowed: 7).";
    assert_eq!((status, &answer["error"]), (429, &json!(text)));
    remote.away.store(true, Ordering::SeqCst);
    let (status, answer) = platform.call("POST", "actions/a", &json!({})).await;
    let text = "The server is currently unavailable (because it is overloaded or down for maintenance).";
    assert_eq!((status, &answer["error"]), (503, &json!(text)));
    assert_eq!(platform.call("POST", "actions/a?blocking=true", &json!({})).await.0, 503);

    let asked = remote.asked.lock().unwrap();
    assert_eq!(asked.len(), 5);
    for (account, limits) in asked.iter() {
        assert_eq!(account.kind, Kind::Invocation);
        assert_eq!(*limits, Limits { per_minute: 9, concurrent: Some(7) });
    }
}

/// Another controller, whose records come into the store while it is asked.
#[derive(Debug)]
struct Other {
    record: Activation,
    /// `None`: it has the record.
    writes: Option<Parts>,
    asked: AtomicUsize,
}

#[async_trait]
impl RecordsElsewhere for Other {
    async fn find(&self, namespace: &EntityName, id: ActivationId) -> Option<Activation> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert_eq!(*namespace, me());
        if id != self.record.activation_id {
            return None;
        }
        if let Some(parts) = &self.writes {
            let document = RecordDocument::from_activation(&self.record, 3);
            parts.activations.store(&[document]).await.unwrap();
            return None;
        }
        Some(self.record.clone())
    }
}

fn record() -> Activation {
    Activation {
        namespace: me(),
        name: me(),
        version: Version::FIRST,
        subject: "me".into(),
        activation_id: ActivationId::generate(),
        start: 1,
        end: 2,
        duration: Some(1),
        cause: None,
        response: Response::error(Status::ApplicationError, "no"),
        logs: vec!["a line".to_owned()],
        annotations: Parameters::new(),
        publish: false,
    }
}

#[tokio::test]
async fn other_controllers_are_asked_for_a_record_before_there_is_none() {
    for is_written in [false, true] {
        let mut parts = Parts::new().await;
        let writes = is_written.then(|| parts.clone());
        let other = Arc::new(Other { record: record(), writes, asked: AtomicUsize::new(0) });
        parts.elsewhere = Some(Arc::clone(&other) as _);
        let platform = parts.start().await;
        let id = other.record.activation_id;
        let (status, found) = platform.call("GET", &format!("activations/{id}"), &Value::Null).await;
        assert_eq!((status, &found["activationId"]), (200, &json!(id.to_string())));
        let (status, logs) = platform.call("GET", &format!("activations/{id}/logs"), &Value::Null).await;
        assert_eq!((status, &logs["logs"]), (200, &json!(["a line"])));
        let unknown = ActivationId::generate();
        assert_eq!(platform.call("GET", &format!("activations/{unknown}"), &Value::Null).await.0, 404);
        // What the store has nobody else is asked for.
        assert_eq!(other.asked.load(Ordering::SeqCst), if is_written { 2 } else { 3 });
    }
}
