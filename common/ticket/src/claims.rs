//! What a ticket says, and its one form in bytes.

use std::sync::Arc;

use oxwhisk_core::cache::CacheGrant;
use oxwhisk_core::id::{ActivationId, InvokerId, Revision};
use oxwhisk_core::name::{EntityName, FullyQualifiedName};

use crate::{TicketError, grant};

/// What a controller vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    pub activation_id: ActivationId,
    /// The invoking namespace, which the record goes to.
    pub namespace: EntityName,
    /// The uuid of its key.
    pub namespace_uuid: Arc<str>,
    pub subject: Arc<str>,
    /// The resolved action: whose code it is.
    pub action: FullyQualifiedName,
    pub revision: Revision,
    /// The invoker that it was dispatched to; nobody else may show it.
    pub invoker: InvokerId,
    /// 1 for the first try.
    pub attempt: u32,
    /// Milliseconds since the epoch after which nothing is issued against it. Records are accepted later, too: they may
    /// have waited.
    pub deadline: i64,
    /// What it may have of the cache, whatever the invoker says of it; `None` is nothing.
    pub cache: Option<CacheGrant>,
}

/// Version of the form; a ticket of a later one is refused.
const VERSION: u8 = 2;
/// Of before there was a cache: nothing is granted. Records wait on the bus for days, and their tickets with them.
const WITHOUT_CACHE: u8 = 1;

impl Claims {
    /// Every member at its place: numbers in network order, texts behind their length. Two different claims never have
    /// the same bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, TicketError> {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(VERSION);
        bytes.extend(self.invoker.0.to_be_bytes());
        bytes.extend(self.attempt.to_be_bytes());
        bytes.extend(self.deadline.to_be_bytes());
        grant::encode(self.cache.as_ref(), &mut bytes);
        let id = self.activation_id.to_string();
        let action = self.action.to_string();
        for text in [
            &*id,
            self.namespace.as_str(),
            &*self.namespace_uuid,
            &*self.subject,
            &*action,
            &*self.revision.0,
        ] {
            let length = u16::try_from(text.len()).map_err(|_| TicketError::TooLong)?;
            bytes.extend(length.to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        Ok(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, TicketError> {
        let mut reader = Reader(bytes);
        let [version] = reader.array()?;
        if ![VERSION, WITHOUT_CACHE].contains(&version) {
            return Err(TicketError::Malformed);
        }
        let invoker = InvokerId(u32::from_be_bytes(reader.array()?));
        let attempt = u32::from_be_bytes(reader.array()?);
        let deadline = i64::from_be_bytes(reader.array()?);
        let cache = grant::decode(&mut reader)?;
        if version == WITHOUT_CACHE && cache.is_some() {
            return Err(TicketError::Malformed);
        }
        let activation_id = reader.text()?.parse().map_err(|_| TicketError::Malformed)?;
        let namespace = EntityName::new(reader.text()?).map_err(|_| TicketError::Malformed)?;
        let claims = Self {
            activation_id,
            namespace_uuid: reader.text()?.into(),
            subject: reader.text()?.into(),
            // A resolved name: there is no `_` in it to be replaced.
            action: FullyQualifiedName::parse(reader.text()?, &namespace)
                .map_err(|_| TicketError::Malformed)?,
            namespace,
            revision: Revision(reader.text()?.to_owned()),
            invoker,
            attempt,
            deadline,
            cache,
        };
        if reader.0.is_empty() { Ok(claims) } else { Err(TicketError::Malformed) }
    }
}

pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], TicketError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(TicketError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], TicketError> {
        self.take(N)?.try_into().map_err(|_| TicketError::Malformed)
    }

    fn text(&mut self) -> Result<&'a str, TicketError> {
        let length = u16::from_be_bytes(self.array()?);
        std::str::from_utf8(self.take(usize::from(length))?).map_err(|_| TicketError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_core::id::Revision;

    use super::*;

    fn claims(cache: Option<CacheGrant>) -> Claims {
        let guest = EntityName::new("guest").unwrap();
        Claims {
            activation_id: ActivationId::generate(),
            namespace_uuid: "uuid".into(),
            subject: "guest".into(),
            action: FullyQualifiedName::parse("/guest/hello", &guest).unwrap(),
            namespace: guest,
            revision: Revision("1-a".to_owned()),
            invoker: InvokerId(1),
            attempt: 1,
            deadline: 2,
            cache,
        }
    }

    #[test]
    fn a_ticket_of_before_the_cache_is_read_and_grants_nothing() {
        let (without, with) = (claims(None), claims(Some(CacheGrant::default())));
        let in_form = |claims: &Claims, version: u8| {
            let mut bytes = claims.encode().unwrap();
            bytes[0] = version;
            Claims::decode(&bytes)
        };
        assert_eq!(in_form(&without, 1), Ok(without.clone()));
        assert_eq!(in_form(&with, 2), Ok(with.clone()));
        for (claims, version) in [(&with, 1), (&without, 0), (&without, 3)] {
            assert_eq!(in_form(claims, version), Err(TicketError::Malformed), "version {version}");
        }
    }
}
