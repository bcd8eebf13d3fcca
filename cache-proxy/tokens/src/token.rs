//! 256 random bits.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore as _;
use rand::rngs::OsRng;

/// A secret: whoever knows it has what it is worth. Its text is 43 characters of base 64 that need no escaping in a URL.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 32]);

/// What was shown is no token of any proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no token of a cache")]
pub struct NoToken;

impl Token {
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self, rand::rand_core::OsError> {
        let mut bits = [0; 32];
        OsRng.try_fill_bytes(&mut bits)?;
        Ok(Self(bits))
    }

    /// For whom it is issued to. It is in no `Debug` and no `Display`.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl FromStr for Token {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        let mut bits = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bits) {
            Ok(32) => Ok(Self(bits)),
            _ => Err(NoToken),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_is_read_and_nothing_else_is() {
        let token = Token::generate().unwrap();
        assert_eq!(token.reveal().len(), 43);
        assert_eq!(token.reveal().parse(), Ok(token));
        assert_ne!(token, Token::generate().unwrap());
        for bad in
            ["", "x", &token.reveal()[1..], &format!("{}=", token.reveal()), &format!("{}A", token.reveal())]
        {
            assert_eq!(bad.parse::<Token>(), Err(NoToken), "{bad}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
