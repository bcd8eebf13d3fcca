//! Parameters that are encrypted in the store.
//!
//! Values are encrypted when an action is written, travel encrypted (in `GET`, and in the messages of the durable
//! queue), and are opened when an activation is dispatched. Which scheme new values get is configured; keys of other
//! schemes stay configured as long as there are values under them.

mod sealed;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aes_gcm::aead::consts::U128;
use aes_gcm::aes::Aes256;
use aes_gcm::{Aes128Gcm, AesGcm, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oxwhisk_core::json;
use oxwhisk_core::parameters::{Parameter, Parameters};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};

pub(crate) use sealed::OpenError;

/// OpenWhisk gives its stronger scheme an IV of this length.
type Aes256Gcm = AesGcm<Aes256, U128>;

/// How a value is encrypted: AES-GCM with a key of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptionScheme {
    Aes128,
    Aes256,
}

impl EncryptionScheme {
    pub const ALL: [Self; 2] = [Self::Aes128, Self::Aes256];

    /// The name in parameters and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "aes-128",
            Self::Aes256 => "aes-256",
        }
    }

    const fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }
}

impl fmt::Display for EncryptionScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither aes-128 nor aes-256")]
pub struct SchemeError(String);

impl FromStr for EncryptionScheme {
    type Err = SchemeError;

    fn from_str(text: &str) -> Result<Self, SchemeError> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == text).ok_or_else(|| SchemeError(text.to_owned()))
    }
}

/// Why keys cannot be used. Says nothing of a key but its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the key is not base64")]
    NotBase64,
    #[error("the key has {length} bytes, {scheme} takes {}", scheme.key_length())]
    WrongLength { scheme: EncryptionScheme, length: usize },
    #[error("there is no key of {0} to encrypt with")]
    Missing(EncryptionScheme),
}

/// Why the value of a parameter cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnlockError {
    #[error("no key of {0} is configured")]
    NoKey(EncryptionScheme),
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// The keys of a deployment, ready for use; cheap to clone. By default there is none and nothing is encrypted.
#[derive(Clone, Default)]
pub struct ParameterCiphers {
    current: Option<EncryptionScheme>,
    aes_128: Option<Arc<Aes128Gcm>>,
    aes_256: Option<Arc<Aes256Gcm>>,
}

impl fmt::Debug for ParameterCiphers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = EncryptionScheme::ALL.into_iter().filter(|scheme| self.has(*scheme)).collect();
        f.debug_struct("ParameterCiphers").field("current", &self.current).field("keys", &keys).finish()
    }
}

impl ParameterCiphers {
    /// Adds the key of a scheme, in base64.
    ///
    /// # Errors
    /// When it is no key of that scheme.
    pub fn with_key(mut self, scheme: EncryptionScheme, key: &SecretString) -> Result<Self, KeyError> {
        let key = STANDARD.decode(key.expose_secret().trim()).map_err(|_| KeyError::NotBase64)?;
        // Overwrites the bytes when it is dropped, as the ciphers do with theirs.
        let key: SecretBox<[u8]> = key.into();
        let key = key.expose_secret();
        let wrong = |_| KeyError::WrongLength { scheme, length: key.len() };
        match scheme {
            EncryptionScheme::Aes128 => {
                self.aes_128 = Some(Arc::new(Aes128Gcm::new_from_slice(key).map_err(wrong)?));
            }
            EncryptionScheme::Aes256 => {
                self.aes_256 = Some(Arc::new(Aes256Gcm::new_from_slice(key).map_err(wrong)?));
            }
        }
        Ok(self)
    }

    /// Encrypts new values with `scheme` from now on.
    ///
    /// # Errors
    /// When it has no key.
    pub fn encrypting_with(mut self, scheme: EncryptionScheme) -> Result<Self, KeyError> {
        if !self.has(scheme) {
            return Err(KeyError::Missing(scheme));
        }
        self.current = Some(scheme);
        Ok(self)
    }

    /// The scheme that new values get.
    #[must_use]
    pub fn current(&self) -> Option<EncryptionScheme> {
        self.current
    }

    fn has(&self, scheme: EncryptionScheme) -> bool {
        match scheme {
            EncryptionScheme::Aes128 => self.aes_128.is_some(),
            EncryptionScheme::Aes256 => self.aes_256.is_some(),
        }
    }

    /// Encrypts every value that says of itself that it is not; `null` too, as OpenWhisk does: that a parameter has no
    /// value may be nobody's business either. Values a client gives back as it got them are left alone.
    ///
    /// # Errors
    /// When a value is longer than a cipher can take.
    pub(crate) fn lock(&self, parameters: &Parameters) -> Result<Parameters, aes_gcm::Error> {
        let Some(scheme) = self.current else { return Ok(parameters.clone()) };
        parameters.try_map(|parameter| self.lock_one(scheme, parameter))
    }

    fn lock_one(&self, scheme: EncryptionScheme, parameter: &Parameter) -> Result<Parameter, aes_gcm::Error> {
        if parameter.encryption.is_some() {
            return Ok(parameter.clone());
        }
        let text = parameter.value.get();
        let sealed = match scheme {
            EncryptionScheme::Aes128 => self.aes_128.as_deref().map(|cipher| sealed::seal(cipher, text)),
            EncryptionScheme::Aes256 => self.aes_256.as_deref().map(|cipher| sealed::seal(cipher, text)),
        };
        // A scheme becomes current only with its key.
        let sealed = sealed.ok_or(aes_gcm::Error)??;
        let encryption = Some(scheme.name().to_owned());
        Ok(Parameter { value: json::raw(&sealed), encryption, ..parameter.clone() })
    }

    /// The JSON text of a value that was encrypted with `scheme`; `None` where no such scheme is known and the value
    /// stays as it is, as in OpenWhisk.
    ///
    /// # Errors
    /// When the scheme is known and the value cannot be opened.
    pub(crate) fn unlock(&self, scheme: &str, value: &str) -> Result<Option<String>, UnlockError> {
        let Ok(scheme) = scheme.parse() else { return Ok(None) };
        let opened = match scheme {
            EncryptionScheme::Aes128 => self.aes_128.as_deref().map(|cipher| sealed::open(cipher, value)),
            EncryptionScheme::Aes256 => self.aes_256.as_deref().map(|cipher| sealed::open(cipher, value)),
        };
        Ok(Some(opened.ok_or(UnlockError::NoKey(scheme))??))
    }

    /// Whether a parameter was declared with a value. One that cannot be opened has some value.
    pub(crate) fn has_value(&self, parameter: &Parameter) -> bool {
        match (&parameter.encryption, json::string(&parameter.value)) {
            (Some(scheme), Some(sealed)) => {
                !matches!(self.unlock(scheme, &sealed), Ok(Some(text)) if text == "null")
            }
            _ => parameter.value.get() != "null",
        }
    }
}

#[cfg(test)]
mod tests;
