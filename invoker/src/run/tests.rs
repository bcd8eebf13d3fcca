//! What the unit tests of this crate dispatch.

use std::sync::Arc;

use oxwhisk_core::id::{ActivationId, Revision, TransactionId};
use oxwhisk_core::limits::ActionLimits;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_core::version::Version;
use oxwhisk_invoker_api::{ActionDescriptor, Caller, Delivery, Dispatch, ResponseLimits, StorePolicy};
use serde_json::value::RawValue;

pub(crate) fn action(name: &str, memory: u64, concurrency: u64) -> ActionDescriptor {
    let guest = EntityName::new("guest").unwrap();
    ActionDescriptor {
        id: FullyQualifiedName::parse(name, &guest).unwrap(),
        version: Version::FIRST,
        revision: Revision("1-a".to_owned()),
        kind: "nodejs:20".to_owned(),
        image: "openwhisk/n20".parse().unwrap(),
        user_provided_image: false,
        sentinelled_logs: true,
        main: None,
        binary: false,
        has_code: true,
        limits: ActionLimits { timeout: 1000, memory, logs: 10, concurrency, instances: None },
    }
}

pub(crate) fn dispatch(arguments: &str) -> Dispatch {
    Dispatch {
        transaction: TransactionId::from_client(Some("tid\"1")),
        activation_id: ActivationId::generate(),
        action: Arc::new(action("/guest/pkg/hello", 256, 1)),
        caller: Caller {
            subject: "guest".into(),
            namespace: EntityName::new("guest").unwrap(),
            namespace_uuid: "uuid".into(),
        },
        api_key: None,
        arguments: RawValue::from_string(arguments.to_owned()).unwrap().into(),
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
