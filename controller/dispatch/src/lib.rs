//! The dispatch protocol: how an activation that a client was told about comes to exactly one record, whatever dies.
//!
//! Everything here is a decision: events come in, effects go out, nothing is done and no clock is read. [`Dispatcher`]
//! is a controller's side, [`Keeper`] an invoker's; both are driven by thin shells, and by the model in `model`, which
//! lets controllers, invokers and streams fail at every step and checks the promise in every state. The conditions that
//! the promise hangs on are in [`Guards`], one function each. `docs/protocol.md` is the prose.

mod dispatcher;
mod effect;
mod entry;
mod envelope;
mod event;
mod guards;
mod keeper;
#[cfg(test)]
mod model;
mod names;
mod parking;
mod record;
mod wire;

pub use dispatcher::Dispatcher;
pub use effect::Effect;
pub use entry::{Call, Entry, Stage, Then};
pub use envelope::{NotAnEnvelope, RecordEnvelope};
pub use event::Event;
pub use guards::{Guard, Guards};
pub use keeper::{Keeper, KeeperEffect, KeeperEvent};
pub use names::{Incarnation, Lane, Message, Obligation, Position, RecordKind, Replacement, Round, Source};
pub use parking::{ParkingLimits, is_surplus, may_return};
pub use record::{RecordOrigin, supersedes};
pub use wire::{Ended, Held, Order, Phase, RecordState, Refusal, Said};
