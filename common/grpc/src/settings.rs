//! Where to listen and what to trust, from a configuration. A table has
//!
//! | key | |
//! |---|---|
//! | `listen`, `advertise` | where it is served, and where others are told that it is |
//! | `tls.authority`, `tls.certificate`, `tls.key` | paths of PEM files; all three or none |
//! | `insecure-plaintext` | `true` admits plain text on addresses that others than this machine reach |

use std::net::IpAddr;
use std::path::PathBuf;

use oxwhisk_config::{Setting, Settings, setting};

use crate::address::{self, Address};
use crate::tls::TlsFiles;

impl Setting for Address {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: address::AddressError| error.to_string())
    }

    fn literal(&self) -> String {
        setting::quoted(&self.to_string())
    }
}

/// How the addresses of one table are secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecuritySettings {
    MutualTls(TlsFiles),
    Plaintext { insecure: bool },
}

impl SecuritySettings {
    /// Whether `address` may be used like this.
    ///
    /// # Errors
    /// A text for people when it may not.
    pub fn check(&self, address: &Address) -> Result<(), String> {
        match self {
            Self::MutualTls(_) => Ok(()),
            Self::Plaintext { insecure } => {
                address::check_plaintext(address, *insecure).map_err(|error| error.to_string())
            }
        }
    }
}

/// Where a service is served to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSettings {
    /// Port 0 takes any.
    pub listen: Address,
    /// What others are told; `None` leaves it to [`EndpointSettings::advertised`].
    pub advertise: Option<Address>,
    pub security: SecuritySettings,
}

/// Reads `listen`, `advertise` and the security of `table`; faults go to the settings. By default it is served on loopback.
pub fn read_endpoint(settings: &mut Settings, table: &str, default_port: u16) -> EndpointSettings {
    let key = format!("{table}.listen");
    let default = Address::Tcp { host: "127.0.0.1".to_owned(), port: default_port };
    let listen = settings.value(&key, default);
    let advertise = settings.optional(&format!("{table}.advertise"));
    let security = read_security(settings, table);
    if let Err(fault) = security.check(&listen) {
        settings.fault(&key, fault);
    }
    EndpointSettings { listen, advertise, security }
}

impl EndpointSettings {
    /// Where others find a listener that is bound to `bound`; `host` is this machine's name.
    #[must_use]
    pub fn advertised(&self, bound: &Address, host: &str) -> Address {
        let everywhere = |text: &str| text.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
        match (&self.advertise, bound) {
            (Some(address), _) => address.clone(),
            (None, Address::Tcp { host: bound, port }) if everywhere(bound) => {
                Address::Tcp { host: host.to_owned(), port: *port }
            }
            (None, bound) => bound.clone(),
        }
    }
}

/// Reads the keys of `table`; faults go to the settings.
pub fn read_security(settings: &mut Settings, table: &str) -> SecuritySettings {
    let names = ["authority", "certificate", "key"].map(|name| format!("{table}.tls.{name}"));
    let paths: Vec<Option<PathBuf>> = names.iter().map(|name| settings.optional(name)).collect();
    let insecure_key = format!("{table}.insecure-plaintext");
    let insecure = settings.value(&insecure_key, false);
    match <[Option<PathBuf>; 3]>::try_from(paths) {
        Ok([Some(authority), Some(certificate), Some(key)]) => {
            if insecure {
                settings
                    .fault(&insecure_key, format!("goes not with {table}.tls: it is the one or the other"));
            }
            SecuritySettings::MutualTls(TlsFiles { authority, certificate, key })
        }
        Ok([None, None, None]) | Err(_) => SecuritySettings::Plaintext { insecure },
        Ok(some) => {
            for (name, _) in names.iter().zip(some).filter(|(_, path)| path.is_none()) {
                settings.fault(name, "is not set: mutual TLS takes all three files");
            }
            SecuritySettings::Plaintext { insecure }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_an_address_that_leads_here() {
        let told = |advertise: Option<&str>, bound: &str| {
            let settings = EndpointSettings {
                listen: "0.0.0.0:0".parse().unwrap(),
                advertise: advertise.map(|text| text.parse().unwrap()),
                security: SecuritySettings::Plaintext { insecure: true },
            };
            settings.advertised(&bound.parse().unwrap(), "node7").to_string()
        };
        assert_eq!(told(None, "0.0.0.0:9090"), "node7:9090");
        assert_eq!(told(None, "[::]:9090"), "node7:9090");
        assert_eq!(told(None, "10.0.0.7:9090"), "10.0.0.7:9090");
        assert_eq!(told(Some("c0.svc:443"), "0.0.0.0:9090"), "c0.svc:443");
    }
}
