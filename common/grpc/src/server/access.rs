//! Who may call which service.

use crate::identity::Role;
use crate::peer::Peer;

/// Whom a service admits. Peers without a certificate are admitted: see [`Peer::may_act_as`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access(Option<Vec<Role>>);

impl Access {
    /// Those whose certificate gives one of these roles.
    #[must_use]
    pub fn roles(roles: &[Role]) -> Self {
        Self(Some(roles.to_vec()))
    }

    /// Everybody whose certificate is signed by our authority.
    #[must_use]
    pub fn every_peer() -> Self {
        Self(None)
    }

    pub(super) fn admits(&self, peer: &Peer) -> bool {
        self.0.as_ref().is_none_or(|roles| peer.may_act_as(roles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_closed_to_other_roles() {
        let admins = Access::roles(&[Role::Admin]);
        let invoker = Peer::Certified("invoker/i".parse().unwrap());
        assert!(!admins.admits(&invoker));
        assert!(admins.admits(&Peer::Certified("admin/a".parse().unwrap())));
        assert!(Access::every_peer().admits(&invoker));
        assert!(!Access::roles(&[]).admits(&invoker));
    }
}
