//! What is dispatched, and what comes back.

use std::fmt;
use std::sync::Arc;

use oxwhisk_core::cache::CacheUse;
pub use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::{ActivationId, Revision, TransactionId};
use oxwhisk_core::image::ImageName;
use oxwhisk_core::limits::ActionLimits;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_core::trace::TraceContext;
use oxwhisk_core::version::Version;
use oxwhisk_ticket::Ticket;
use serde_json::value::RawValue;

use crate::StorePolicy;

/// One revision of an action as the invoker needs to know it; made once for each revision and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionDescriptor {
    pub id: FullyQualifiedName,
    pub version: Version,
    pub revision: Revision,
    /// Kind of the manifest, or `blackbox`.
    pub kind: String,
    pub image: ImageName,
    /// The image is the author's own choice and not one the operator knows.
    pub user_provided_image: bool,
    /// The runtime marks the end of each activation in its logs.
    pub sentinelled_logs: bool,
    /// Entry point; `None` is the runtime's default `main`.
    pub main: Option<String>,
    pub binary: bool,
    pub has_code: bool,
    pub limits: ActionLimits,
}

/// Who invoked, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub subject: Arc<str>,
    pub namespace: EntityName,
    pub namespace_uuid: Arc<str>,
}

/// `uuid:key`, given to containers of actions that ask for it. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(pub String);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

/// How large answers may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseLimits {
    pub max: usize,
    /// How much of a larger one is kept in the error message.
    pub truncation: usize,
}

/// One activation on its way to a container.
#[derive(Clone, Debug)]
pub struct Dispatch {
    pub transaction: TransactionId,
    pub activation_id: ActivationId,
    pub action: Arc<ActionDescriptor>,
    pub caller: Caller,
    pub api_key: Option<ApiKey>,
    /// A JSON object or array, defaults merged in, init parameters taken out.
    pub arguments: Arc<RawValue>,
    /// Environment that `/init` gets for the init parameters.
    pub init_environment: Vec<(String, String)>,
    pub cause: Option<ActivationId>,
    /// The binding it was invoked through, `namespace/name`.
    pub binding: Option<String>,
    /// Milliseconds since the epoch at which the request was received; `waitTime` counts from here.
    pub received: i64,
    /// 1 for the first try; the action sees it as `__OW_ATTEMPT`.
    pub attempt: u32,
    pub delivery: Delivery,
    pub response_limits: ResponseLimits,
    /// Whether its record is kept, which also depends on how it ends.
    pub store: StorePolicy,
    /// What it may have of the cache; `None` does not ask for it.
    pub cache: Option<CacheUse>,
    /// What gets the invoker code and lets it hand over the record; `None` where both sides are one process.
    pub ticket: Option<Ticket>,
    /// The span that dispatches it, where the request is traced.
    pub trace: Option<TraceContext>,
}

/// An activation that has ended.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The record; its logs may be missing when they arrive later than the result.
    pub activation: Arc<Activation>,
    /// Its logs are still under way, and its only record is handed over when they are there.
    pub logs_follow: bool,
    /// The record was to be kept and the sink did not take it. Whoever told a client the id hands it over again.
    pub record_refused: bool,
    /// The invoker was shut down while it ran, so its record is not kept: whoever dispatched it either keeps that, or has
    /// it run again.
    pub cut_off: bool,
}
