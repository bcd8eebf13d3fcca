//! What travels on the bus for a non-blocking invocation.
//!
//! A message names what is to run and who asked; it carries no API key and no code. Whoever dispatches it looks the
//! identity and the action up again, so a key that was revoked while the message waited is not used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::delivery::Delivery;
use crate::id::{ActivationId, Revision, TransactionId};
use crate::name::{EntityName, FullyQualifiedName};

/// One invocation on its way to a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivationMessage {
    pub transaction: TransactionId,
    pub activation_id: ActivationId,
    /// The resolved action: where its document is.
    pub action: FullyQualifiedName,
    /// Its revision when the request was accepted; a newer one may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The binding it was invoked through, `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<String>,
    pub subject: String,
    /// The invoking namespace and the uuid of its key.
    pub namespace: EntityName,
    pub namespace_uuid: String,
    /// Arguments with all defaults merged in.
    pub arguments: Box<RawValue>,
    /// Names of the arguments that go to `/init` as environment instead of to `/run`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_arguments: Vec<String>,
    /// Arguments that are encrypted parameters of the action, with the scheme of each. They stay so until dispatch: a
    /// message may lie on a disk for a while.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub locked_arguments: BTreeMap<String, String>,
    /// The client asked to wait for the result, whether or not it still does.
    #[serde(default)]
    pub blocking: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ActivationId>,
    /// Milliseconds since the epoch at which the request was received.
    pub received: i64,
    /// 1 for the first try.
    pub attempt: u32,
    /// The record is stored even where storing is switched off.
    #[serde(default)]
    pub extra_logging: bool,
    /// What its action promised when the request was accepted.
    #[serde(default)]
    pub delivery: Delivery,
    /// The controller process (its incarnation) that counts it among what its namespace has at once, from its 202 to its
    /// end. Without one, or when that one is gone, whoever runs it counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_by: Option<u64>,
    /// W3C trace context of the request, where it is traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}
