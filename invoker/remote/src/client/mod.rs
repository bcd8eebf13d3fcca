//! The controller's end: a conversation with each invoker.

mod conversation;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_dispatch::{Ended, Held, Incarnation, Order, Said};
use oxwhisk_invoker_api::offers::{Offer, OfferId, WantId, WorkKey};
use oxwhisk_invoker_api::{ChangedAction, Dispatch, InvokerCapacity};
use oxwhisk_ticket::Ticket;

pub use conversation::Conversation;

/// Who a controller is.
#[derive(Clone, Debug)]
pub struct ControllerIdentity {
    /// As in its certificate.
    pub name: String,
    /// Of this life of the process.
    pub incarnation: Incarnation,
    /// Where it serves code.
    pub code_address: String,
}

/// Bounds of a conversation.
#[derive(Clone, Debug)]
pub struct ConversationOptions {
    /// For the invoker's hello.
    pub hello_timeout: Duration,
    /// For bodies that go by calls of their own.
    pub body_timeout: Duration,
    /// Orders that wait to be sent; with more the conversation is ended and begun again.
    pub max_unsent: usize,
    /// Bytes of the largest message; records in it are smaller.
    pub max_message: usize,
    /// Bytes of the largest record.
    pub max_record: usize,
    /// Pause before another attempt to connect, doubled up to the longest.
    pub retry_first: Duration,
    pub retry_longest: Duration,
}

impl Default for ConversationOptions {
    fn default() -> Self {
        Self {
            hello_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(10),
            max_unsent: 8192,
            max_message: 4 << 20,
            max_record: 256 << 20,
            retry_first: Duration::from_millis(20),
            retry_longest: Duration::from_secs(2),
        }
    }
}

/// What goes to an invoker, in the order in which it is sent.
#[derive(Debug)]
pub enum Outgoing {
    /// Run it, with its ticket for that invoker, in the room of an offer if there is one. With large arguments it arrives
    /// later than what is sent after it: see [`Conversation::send`].
    Dispatch(Box<Dispatch>, Ticket, Option<OfferId>),
    /// So much work of this key waits here. Sent before the dispatch or decline that changes the count, and again on a
    /// new stream.
    Want { want: WantId, key: Arc<WorkKey>, count: u32 },
    /// There is no use for an offer.
    Decline(OfferId),
    /// Any other order of the protocol; an [`Order::Dispatch`] is passed over.
    Order(Order),
    /// The action was changed or deleted.
    Invalidate(ChangedAction),
}

/// What is heard of an invoker.
#[derive(Debug)]
pub enum Heard {
    /// A conversation has begun.
    Welcome(Welcome),
    Said(Said),
    /// An activation has ended, with its record, whose logs may be missing.
    Ended {
        id: ActivationId,
        ended: Ended,
        record: Arc<Activation>,
        /// The record that is stored has more logs than this.
        logs_follow: bool,
    },
    /// A slot is held for this controller.
    Offer(Offer),
    /// It was not run, and why, for people.
    NotRun {
        said: Said,
        text: String,
        /// Megabytes that it would have taken, where there was no room.
        memory: u64,
        /// Megabytes that a new container could get there; none, as far as is known, if it did not get as far as that.
        free: u64,
    },
    Room(Room),
    /// The conversation has ended. Another attempt follows.
    Broken,
    /// Nobody listens where it was: its process has ended. Attempts go on.
    Dead,
}

/// How an invoker introduces itself.
#[derive(Debug)]
pub struct Welcome {
    /// Of this life of the invoker.
    pub incarnation: u64,
    pub resumed: bool,
    pub held: Vec<Held>,
    pub room: Room,
    /// Kinds it has containers for; empty says all.
    pub kinds: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub capacity: InvokerCapacity,
    pub draining: bool,
}

/// Hears invokers. Called from the task that reads the stream, so it does not wait.
pub trait Listener: fmt::Debug + Send + Sync + 'static {
    fn heard(&self, invoker: InvokerId, heard: Heard);
}
