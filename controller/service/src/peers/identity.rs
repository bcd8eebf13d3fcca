//! Who a controller is.

use oxwhisk_dispatch::Incarnation;
use oxwhisk_grpc::{Expected, Identity, Role};
use oxwhisk_proto::peer::v1::Introduction;
use oxwhisk_throttle::Member;

use super::convert::Malformed;

/// One life of one controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// As in its certificate, for example `controller0`.
    pub name: String,
    /// Of this life of the process.
    pub incarnation: Incarnation,
    /// Where its gRPC server is, as others reach it.
    pub address: String,
}

impl PeerIdentity {
    /// As throttles know it.
    #[must_use]
    pub fn member(&self) -> Member {
        Member(format!("{}/{}", self.name, self.incarnation.0).into())
    }

    /// Whom a connection must lead to.
    pub(super) fn expected(&self) -> Result<Expected, Malformed> {
        let identity = Identity::new(Role::Controller, self.name.as_str());
        identity.map(Expected::Peer).map_err(|error| Malformed::new("controller", error))
    }

    pub(super) fn introduce(&self, leaving: bool) -> Introduction {
        let Self { name, incarnation, address } = self.clone();
        Introduction { name, incarnation: incarnation.0, address, leaving }
    }
}

/// How a controller introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Introduced {
    pub(super) peer: PeerIdentity,
    /// It is about to end.
    pub(super) leaving: bool,
}

impl TryFrom<Option<Introduction>> for Introduced {
    type Error = Malformed;

    fn try_from(message: Option<Introduction>) -> Result<Self, Malformed> {
        let message = message.ok_or_else(|| Malformed::new("introduction", "there is none"))?;
        let Introduction { name, incarnation, address, leaving } = message;
        let peer = PeerIdentity { name, incarnation: Incarnation(incarnation), address };
        peer.expected()?;
        Ok(Self { peer, leaving })
    }
}
