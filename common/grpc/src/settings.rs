//! Where to listen and what to trust, from a configuration. A table has
//!
//! | key | |
//! |---|---|
//! | `tls.authority`, `tls.certificate`, `tls.key` | paths of PEM files; all three or none |
//! | `insecure-plaintext` | `true` admits plain text on addresses that others than this machine reach |

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
