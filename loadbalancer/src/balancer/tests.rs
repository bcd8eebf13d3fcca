use std::sync::Arc;

use oxwhisk_core::id::Revision;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};

use super::*;

pub(crate) fn key(namespace: &str, action: &str, memory: u64, slots: u32) -> Arc<WorkKey> {
    let namespace = EntityName::new(namespace).unwrap();
    let action = FullyQualifiedName::parse(&format!("{namespace}/{action}"), &namespace).unwrap();
    let (revision, kind) = (Revision("1-a".to_owned()), "nodejs:20".to_owned());
    Arc::new(WorkKey { namespace, action, revision, kind, blackbox: false, memory, slots })
}
