//! The admin API: a unix socket in the data directory, and a TCP address if one is named.

use oxwhisk_config::Settings;
use oxwhisk_grpc::Address;
use oxwhisk_grpc::settings::{SecuritySettings, read_security};

const TABLE: &str = "oxwhisk.admin";
const LISTEN: &str = "oxwhisk.admin.listen";

/// Where the admin API is served beside its socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// `None`: on the socket only.
    pub listen: Option<Address>,
    pub security: SecuritySettings,
}

pub(super) fn read(settings: &mut Settings) -> AdminConfig {
    let listen: Option<Address> = settings.optional(LISTEN);
    let security = read_security(settings, TABLE);
    if let Some(address) = &listen
        && let Err(fault) = security.check(address)
    {
        settings.fault(LISTEN, fault);
    }
    AdminConfig { listen, security }
}
