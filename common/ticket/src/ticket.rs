//! Issuing and checking.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use oxwhisk_core::id::InvokerId;
use sha2::Sha256;

use crate::claims::Claims;
use crate::keys::KeyRing;

/// Who checks a ticket; each has a code, and a key, of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Serves code, accepts records. Only controllers hold its key.
    Controllers,
    /// Issue cache tokens.
    CacheProxies,
}

impl Audience {
    /// Keeps a code made for one from being one for the other, were they ever given the same key.
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Controllers => b"oxwhisk ticket for controllers\0",
            Self::CacheProxies => b"oxwhisk ticket for cache-proxies\0",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    #[error("the ticket cannot be read")]
    Malformed,
    #[error("the ticket is not authentic")]
    Forged,
    #[error("the ticket was made under a key that is not known here")]
    UnknownKey,
    #[error("the ticket was made for {0}")]
    Stolen(InvokerId),
    #[error("the ticket expired")]
    Expired,
    /// Of a member that is bounded elsewhere.
    #[error("a text is too long for a ticket")]
    TooLong,
}

/// An id of a key and a code.
const SEAL: usize = 1 + 32;

/// Claims under two codes; opaque to whoever carries it. Not shown by `Debug`: showing it is using it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Ticket(Vec<u8>);

impl Ticket {
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it says, believed by nobody: for logs, and for whoever got it from a controller itself.
    ///
    /// # Errors
    /// [`TicketError::Malformed`].
    pub fn unverified(&self) -> Result<Claims, TicketError> {
        Claims::decode(self.parts()?.claims)
    }

    fn parts(&self) -> Result<Parts<'_>, TicketError> {
        let body = self.0.len().checked_sub(2 * SEAL).ok_or(TicketError::Malformed)?;
        let (claims, seals) = self.0.split_at(body);
        let (controllers, proxies) = seals.split_at(SEAL);
        Ok(Parts { claims, controllers, proxies })
    }
}

/// A ticket's bytes taken apart: what it says, then one seal for each audience.
struct Parts<'a> {
    claims: &'a [u8],
    controllers: &'a [u8],
    proxies: &'a [u8],
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(***)")
    }
}

fn code(secret: &[u8], audience: Audience, claims: &[u8]) -> Result<Hmac<Sha256>, TicketError> {
    // Keys of any length are taken; the ring has none that is short.
    let mut code = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| TicketError::UnknownKey)?;
    code.update(audience.label());
    code.update(claims);
    Ok(code)
}

/// Makes tickets. A controller has one.
#[derive(Debug)]
pub struct TicketIssuer {
    controllers: KeyRing,
    proxies: KeyRing,
}

impl TicketIssuer {
    #[must_use]
    pub fn new(controllers: KeyRing, proxies: KeyRing) -> Self {
        Self { controllers, proxies }
    }

    /// # Errors
    /// [`TicketError::TooLong`].
    pub fn issue(&self, claims: &Claims) -> Result<Ticket, TicketError> {
        let mut bytes = claims.encode()?;
        let body = bytes.len();
        for (ring, audience) in
            [(&self.controllers, Audience::Controllers), (&self.proxies, Audience::CacheProxies)]
        {
            let (id, secret) = ring.current();
            let seal = code(secret, audience, &bytes[..body])?.finalize().into_bytes();
            bytes.push(id);
            bytes.extend(seal);
        }
        Ok(Ticket(bytes))
    }

    /// Checks tickets of any controller.
    ///
    /// # Errors
    /// As [`TicketVerifier::verify`].
    pub fn verify(&self, ticket: &Ticket) -> Result<Claims, TicketError> {
        verify(&self.controllers, Audience::Controllers, ticket)
    }
}

/// Checks tickets, with the key of its audience alone.
#[derive(Debug)]
pub struct TicketVerifier {
    keys: KeyRing,
    audience: Audience,
}

impl TicketVerifier {
    #[must_use]
    pub fn new(audience: Audience, keys: KeyRing) -> Self {
        Self { keys, audience }
    }

    /// Whether a controller made it. The deadline and the bearer are for the caller: [`Claims::check_bearer`] and
    /// [`Claims::check_deadline`].
    ///
    /// # Errors
    /// [`TicketError::Malformed`], [`TicketError::UnknownKey`], [`TicketError::Forged`].
    pub fn verify(&self, ticket: &Ticket) -> Result<Claims, TicketError> {
        verify(&self.keys, self.audience, ticket)
    }
}

fn verify(keys: &KeyRing, audience: Audience, ticket: &Ticket) -> Result<Claims, TicketError> {
    let Parts { claims, controllers, proxies } = ticket.parts()?;
    let seal = match audience {
        Audience::Controllers => controllers,
        Audience::CacheProxies => proxies,
    };
    let (id, tag) = seal.split_first().ok_or(TicketError::Malformed)?;
    let secret = keys.find(*id).ok_or(TicketError::UnknownKey)?;
    // In constant time. Nothing of the claims is read before.
    code(secret, audience, claims)?.verify_slice(tag).map_err(|_| TicketError::Forged)?;
    Claims::decode(claims)
}

impl Claims {
    /// Whether the one who shows the ticket, known by its certificate, is the one it was made for.
    ///
    /// # Errors
    /// [`TicketError::Stolen`].
    pub fn check_bearer(&self, bearer: InvokerId) -> Result<(), TicketError> {
        if self.invoker == bearer { Ok(()) } else { Err(TicketError::Stolen(self.invoker)) }
    }

    /// # Errors
    /// [`TicketError::Expired`] when `now`, milliseconds since the epoch, is past the deadline.
    pub fn check_deadline(&self, now: i64) -> Result<(), TicketError> {
        if now <= self.deadline { Ok(()) } else { Err(TicketError::Expired) }
    }
}
