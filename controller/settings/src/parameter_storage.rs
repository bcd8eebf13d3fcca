//! How parameters are encrypted in the store.

use std::collections::BTreeMap;

use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_controller::{EncryptionScheme, ParameterCiphers};
use secrecy::{ExposeSecret as _, SecretString};

const TABLE: &str = "whisk.parameter-storage";
const CURRENT: &str = "whisk.parameter-storage.current";

/// The scheme that new values get; `None` leaves them plain.
struct Current(Option<EncryptionScheme>);

impl Setting for Current {
    fn read(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "" | "off" | "noop" => Ok(Self(None)),
            name => name
                .parse()
                .map(|scheme| Self(Some(scheme)))
                .map_err(|_| format!("'{text}' is none of 'off', 'aes-128' and 'aes-256'")),
        }
    }

    fn literal(&self) -> String {
        setting::quoted(self.0.map_or("off", EncryptionScheme::name))
    }
}

/// Reads the scheme and the keys. A key stays configured while there are values under it, also when another scheme is
/// the current one.
pub(super) fn read(settings: &mut Settings) -> ParameterCiphers {
    let Current(current) = settings.value(CURRENT, Current(None));
    // What is left of the table are keys: none of it may be shown.
    let mut keys = settings.secret_table(TABLE);
    let mut ciphers = ParameterCiphers::default();
    let mut faulty = false;
    for scheme in EncryptionScheme::ALL {
        let Some((key_name, key)) = take_key(settings, &mut keys, scheme) else { continue };
        match ciphers.clone().with_key(scheme, &key) {
            Ok(more) => ciphers = more,
            Err(error) => {
                faulty = true;
                settings.fault(&key_name, error.to_string());
            }
        }
    }
    for member in keys.keys() {
        settings.fault(&format!("{TABLE}.{member}"), "is none of 'current', 'aes-128' and 'aes-256'");
    }
    let Some(scheme) = current else { return ciphers };
    match ciphers.clone().encrypting_with(scheme) {
        Ok(encrypting) => encrypting,
        Err(_) if faulty => ciphers,
        Err(_) => {
            settings.fault(CURRENT, format!("'{scheme}' needs a key in base64, {TABLE}.{scheme}"));
            ciphers
        }
    }
}

/// The key of a scheme with its place. It has two spellings: variables cannot have a dash, and
/// `CONFIG_whisk_parameterStorage_aes256` is what is left of it. An empty one is none.
fn take_key(
    settings: &mut Settings,
    keys: &mut BTreeMap<String, SecretString>,
    scheme: EncryptionScheme,
) -> Option<(String, SecretString)> {
    let spellings = [scheme.name().to_owned(), scheme.name().replace('-', "")];
    let mut given: Vec<(String, SecretString)> = spellings
        .into_iter()
        .filter_map(|member| Some((format!("{TABLE}.{member}"), keys.remove(&member)?)))
        .collect();
    given.sort_by_key(|(place, _)| settings.origin(place));
    if let [(first, _), (second, _)] = given.as_slice()
        && settings.origin(first) == settings.origin(second)
    {
        settings.fault(second, format!("is the same key as {first}"));
    }
    // The later layer wins, as everywhere.
    given.pop().filter(|(_, key)| !key.expose_secret().is_empty())
}
