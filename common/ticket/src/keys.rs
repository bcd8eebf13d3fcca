//! The keys behind tickets, and how one follows another.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use zeroize::Zeroizing;

/// Fewest bytes of a key: as many as HMAC-SHA256 gives.
const KEY_BYTES: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("there is no key")]
    Empty,
    #[error("key {0}: it has the form 'id:base64', the id a number from 0 to 255")]
    Form(usize),
    #[error("key {position}: it has {found} bytes, at least {KEY_BYTES} are needed")]
    Short { position: usize, found: usize },
    #[error("key {0}: its id was given to an earlier key")]
    Repeated(usize),
}

struct Key {
    id: u8,
    secret: SecretBox<[u8]>,
}

/// Keys that are accepted, the first of which is used for new tickets. A new key is first added last everywhere, then
/// moved to the front, and the old one is taken out when its last ticket has expired.
pub struct KeyRing(Vec<Key>);

impl KeyRing {
    /// Reads keys from a text: one a line as `id:base64`, empty lines and lines that begin with `#` left out.
    ///
    /// # Errors
    /// Which line (counted from 1 among the keys) is wrong; never its content.
    pub fn parse(text: &SecretString) -> Result<Self, KeyError> {
        let mut keys: Vec<Key> = Vec::new();
        let lines = text.expose_secret().lines().map(str::trim);
        for (index, line) in lines.filter(|line| !line.is_empty() && !line.starts_with('#')).enumerate() {
            let position = index + 1;
            let (id, encoded) = line.split_once(':').ok_or(KeyError::Form(position))?;
            let id = id.parse().map_err(|_| KeyError::Form(position))?;
            let secret = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| KeyError::Form(position))?);
            if secret.len() < KEY_BYTES {
                return Err(KeyError::Short { position, found: secret.len() });
            }
            if keys.iter().any(|key| key.id == id) {
                return Err(KeyError::Repeated(position));
            }
            keys.push(Key { id, secret: SecretBox::new(secret.as_slice().into()) });
        }
        if keys.is_empty() { Err(KeyError::Empty) } else { Ok(Self(keys)) }
    }

    /// Id and secret of the key for new tickets.
    pub(crate) fn current(&self) -> (u8, &[u8]) {
        // `parse` leaves no ring empty.
        (self.0[0].id, self.0[0].secret.expose_secret())
    }

    pub(crate) fn find(&self, id: u8) -> Option<&[u8]> {
        self.0.iter().find(|key| key.id == id).map(|key| key.secret.expose_secret())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| key.id)).finish()
    }
}
