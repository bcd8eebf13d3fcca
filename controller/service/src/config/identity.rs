//! Which controller this is.

use oxwhisk_config::Settings;
use oxwhisk_grpc::{Identity, Role};

const NAME: &str = "oxwhisk.controller.name";

/// The name, which no other controller of the cluster has.
pub(super) fn read(settings: &mut Settings) -> String {
    let id: u32 = settings.value("oxwhisk.controller.id", 0);
    let name = settings.value(NAME, format!("controller{id}"));
    if let Err(error) = Identity::new(Role::Controller, name.clone()) {
        settings.fault(NAME, error.to_string());
    }
    name
}
