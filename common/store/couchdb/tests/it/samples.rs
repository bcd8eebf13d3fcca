//! Entities and records that tests write.

use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::{EntityName, EntityPath, FullyQualifiedName};
use oxwhisk_core::parameters::Parameters;
use oxwhisk_core::version::Version;
use oxwhisk_store::{ActivationQuery, Collection, EntityDocument, RecordDocument};
use serde_json::{Value, json};

pub(crate) const UPDATED: i64 = 1_760_000_000_200;

pub(crate) fn me() -> EntityName {
    EntityName::new("me").unwrap()
}

pub(crate) fn id(name: &str) -> FullyQualifiedName {
    FullyQualifiedName::new(EntityPath::new(me(), None), EntityName::new(name).unwrap())
}

pub(crate) fn action(name: &str, updated: i64, code: &Value) -> EntityDocument {
    let body = json!({
        "namespace": "me", "name": name, "version": "0.0.1", "publish": false, "annotations": [], "parameters": [],
        "limits": {"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1}, "updated": updated,
        "exec": {"kind": "nodejs:20", "binary": false, "code": code}, "entityType": "action",
    });
    EntityDocument {
        id: id(name),
        collection: Collection::Actions,
        updated,
        body: oxwhisk_core::json::raw(&body),
    }
}

pub(crate) fn activation(start: i64) -> Activation {
    let mut annotations = Parameters::new();
    annotations.set("path", "me/hello");
    annotations.set("kind", "nodejs:20");
    Activation {
        namespace: me(),
        name: EntityName::new("hello").unwrap(),
        version: Version::FIRST,
        subject: "me".into(),
        activation_id: ActivationId::generate(),
        start,
        end: start + 3,
        duration: Some(3),
        cause: None,
        response: Response::error(Status::ApplicationError, "no"),
        logs: vec!["2026-01-01T00:00:00.123456789Z stdout: hi".to_owned()],
        annotations,
        publish: false,
    }
}

pub(crate) fn record(start: i64) -> RecordDocument {
    RecordDocument::from_activation(&activation(start), UPDATED)
}

/// A record whose document has about this many bytes.
pub(crate) fn record_of_size(start: i64, bytes: usize) -> RecordDocument {
    let logs = vec!["x".repeat(bytes)];
    RecordDocument::from_activation(&Activation { logs, ..activation(start) }, UPDATED)
}

pub(crate) fn all_records() -> ActivationQuery {
    ActivationQuery { namespace: me(), name: None, since: None, upto: None, skip: 0, limit: None }
}
