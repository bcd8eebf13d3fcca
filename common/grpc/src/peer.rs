//! Who sent a request, as the connection it came by tells. Every request carries it as an extension:
//! `request.extensions().get::<Peer>()`.

use std::fmt;
use std::net::SocketAddr;

use crate::identity::{Identity, Role};

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Its certificate says who it is.
    Certified(Identity),
    /// A process of this machine, of this server's user or root, on a unix socket.
    Local { uid: u32 },
    /// Anybody who reaches a plain-text address: loopback, or admitted by the configuration in so many words.
    Anonymous(SocketAddr),
}

impl Peer {
    /// Who it is, if that is known.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Certified(identity) => Some(identity),
            Self::Local { .. } | Self::Anonymous(_) => None,
        }
    }

    /// Whether it may act in one of these roles. Those without a certificate may: whoever opened a socket or a plain-text
    /// address to them trusts everybody who gets there.
    #[must_use]
    pub fn may_act_as(&self, roles: &[Role]) -> bool {
        self.identity().is_none_or(|identity| roles.contains(&identity.role()))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certified(identity) => identity.fmt(f),
            Self::Local { uid } => write!(f, "local user {uid}"),
            Self::Anonymous(address) => write!(f, "anonymous {address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_binds_to_its_role() {
        let invoker = Peer::Certified("invoker/invoker0".parse().unwrap());
        assert!(invoker.may_act_as(&[Role::Controller, Role::Invoker]));
        assert!(!invoker.may_act_as(&[Role::Admin]));
        assert!(!invoker.may_act_as(&[]));
        assert!(Peer::Local { uid: 0 }.may_act_as(&[Role::Admin]));
    }
}
