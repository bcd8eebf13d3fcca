//! What the view of the fleet says to the world.

use std::sync::Arc;

use oxwhisk_core::id::InvokerId;

use super::State;

/// What the world has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FleetEffect {
    /// Open a stream to this address, instead of one that is being opened to another. The address is a claim until the
    /// handshake has shown a certificate that names this invoker.
    Connect { invoker: InvokerId, address: Arc<str> },
    /// Send a test action over its stream, and report its end as [`super::Source::TestAction`].
    SendTestAction { invoker: InvokerId },
    /// For logs and metrics.
    Changed { invoker: InvokerId, from: State, to: State },
    /// What is running there will not be heard of again, or not soon: take care of it elsewhere.
    Lost { invoker: InvokerId, how: Loss },
}

/// How sure it is that an invoker is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its process has ended: nothing of it runs any more.
    Dead,
    /// It has been silent for too long: it may be cut off and still run what it has.
    Silent,
}
