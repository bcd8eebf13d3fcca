//! The Redis of each tier.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxwhisk_cache_proxy::Servers;
use oxwhisk_cache_upstream::{Address, Login, Protocol, UpstreamConfig};
use oxwhisk_config::Settings;
use secrecy::SecretString;
use zeroize::Zeroizing;

const LOCAL: &str = "oxwhisk.cache.redis";
const GLOBAL: &str = "oxwhisk.cache.global-redis";

pub(super) fn read(settings: &mut Settings) -> Option<Servers> {
    let local = server(settings, LOCAL);
    let key = format!("{LOCAL}.address");
    if local.is_none() && settings.origin(&key) == oxwhisk_config::Origin::Default {
        settings.fault(&key, "is not set: where the Redis is that actions use (--redis)");
    }
    let global = server(settings, GLOBAL);
    Some(Servers { local: local?, global })
}

fn server(settings: &mut Settings, table: &str) -> Option<Arc<UpstreamConfig>> {
    let key = format!("{table}.address");
    let address: Option<String> = settings.optional(&key);
    let user: Option<String> = settings.optional(&format!("{table}.user"));
    let file_key = format!("{table}.password-file");
    let password = match settings.optional::<PathBuf>(&file_key) {
        None => None,
        Some(path) => match password(&path) {
            Ok(password) => Some(password),
            Err(fault) => {
                settings.fault(&file_key, fault);
                None
            }
        },
    };
    let address = match address?.parse::<Address>() {
        Ok(address) => address,
        Err(error) => {
            settings.fault(&key, error.to_string());
            return None;
        }
    };
    Some(Arc::new(UpstreamConfig::new(address, Login { user, password }, Protocol::Resp2)))
}

/// A line break at the end is an editor's, and no part of it.
fn password(path: &Path) -> Result<SecretString, String> {
    let read = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = read.map_err(|error| format!("'{}' cannot be read: {error}", path.display()))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(format!("'{}' is empty", path.display()));
    }
    Ok(password.into())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_password_is_what_the_file_has_without_the_end_of_the_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, "s3cret \n").unwrap();
        assert_eq!(password(&path).unwrap().expose_secret(), "s3cret ");
        std::fs::write(&path, "\n").unwrap();
        assert!(password(&path).unwrap_err().ends_with("is empty"));
        assert!(password(&directory.path().join("none")).unwrap_err().contains("cannot be read"));
    }
}
