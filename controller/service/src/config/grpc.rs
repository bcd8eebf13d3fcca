//! gRPC: where it is served, and where others find it.

use oxwhisk_config::Settings;
use oxwhisk_grpc::Address;
use oxwhisk_grpc::settings::{SecuritySettings, read_security};

const TABLE: &str = "oxwhisk.grpc";
const LISTEN: &str = "oxwhisk.grpc.listen";
const DEFAULT_PORT: u16 = 9090;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcConfig {
    pub listen: Address,
    /// What others are told; `None` leaves it to [`GrpcConfig::advertised`].
    pub advertise: Option<Address>,
    pub security: SecuritySettings,
}

pub(super) fn read(settings: &mut Settings) -> GrpcConfig {
    let default = Address::Tcp { host: "127.0.0.1".to_owned(), port: DEFAULT_PORT };
    let listen = settings.value(LISTEN, default);
    let advertise = settings.optional("oxwhisk.grpc.advertise");
    let security = read_security(settings, TABLE);
    if let Err(fault) = security.check(&listen) {
        settings.fault(LISTEN, fault);
    }
    GrpcConfig { listen, advertise, security }
}

impl GrpcConfig {
    /// Where others find a listener that is bound to `bound`; `host` is this machine's name.
    #[must_use]
    pub fn advertised(&self, bound: &Address, host: &str) -> Address {
        let everywhere =
            |text: &str| text.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified());
        match (&self.advertise, bound) {
            (Some(address), _) => address.clone(),
            (None, Address::Tcp { host: bound, port }) if everywhere(bound) => {
                Address::Tcp { host: host.to_owned(), port: *port }
            }
            (None, bound) => bound.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_an_address_that_leads_here() {
        let config = |advertise: Option<&str>| GrpcConfig {
            listen: "0.0.0.0:0".parse().unwrap(),
            advertise: advertise.map(|text| text.parse().unwrap()),
            security: SecuritySettings::Plaintext { insecure: true },
        };
        let told = |advertise, bound: &str| {
            config(advertise).advertised(&bound.parse().unwrap(), "node7").to_string()
        };
        assert_eq!(told(None, "0.0.0.0:9090"), "node7:9090");
        assert_eq!(told(None, "[::]:9090"), "node7:9090");
        assert_eq!(told(None, "10.0.0.7:9090"), "10.0.0.7:9090");
        assert_eq!(told(Some("c0.svc:443"), "0.0.0.0:9090"), "c0.svc:443");
    }
}
