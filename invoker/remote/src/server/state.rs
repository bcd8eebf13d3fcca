//! What the invoker's end knows.

use std::collections::HashMap;

use bytes::Bytes;
use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::{Guards, Incarnation, Keeper};
use oxwhisk_grpc::Identity;
use oxwhisk_invoker_api::Dispatch;
use oxwhisk_invoker_api::offers::{OfferBook, OfferId};
use oxwhisk_proto::dispatch::v1::ConverseResponse;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::reply::Explanation;

pub(super) type Outbound = mpsc::Sender<Result<ConverseResponse, Status>>;

#[derive(Debug)]
pub(super) struct State {
    pub(super) keeper: Keeper,
    /// What the keeper holds, with what it does not need to know.
    pub(super) work: HashMap<ActivationId, Work>,
    pub(super) conversations: HashMap<Incarnation, Conversation>,
    /// Who wants room, and what is held for whom. Only those who converse have anything in it.
    pub(super) book: OfferBook<Incarnation>,
    /// The latest conversation of each controller that is remembered.
    pub(super) latest: HashMap<Incarnation, u64>,
    /// Numbers conversations.
    pub(super) next: u64,
}

impl State {
    pub(super) fn new(max_held: usize, book: OfferBook<Incarnation>) -> Self {
        Self {
            keeper: Keeper::new(max_held, Guards::default()),
            work: HashMap::new(),
            conversations: HashMap::new(),
            book,
            latest: HashMap::new(),
            next: 0,
        }
    }

    pub(super) fn is_latest(&self, by: Incarnation, number: u64) -> bool {
        self.latest.get(&by) == Some(&number)
    }
}

/// One activation.
#[derive(Debug)]
pub(super) struct Work {
    /// Until it is run.
    pub(super) ordered: Option<Ordered>,
    /// One of them is on the bus.
    pub(super) durable: bool,
    /// The stored form of the record, once it has ended.
    pub(super) document: Bytes,
    /// That has no logs yet.
    pub(super) logs_follow: bool,
    /// Why it was refused.
    pub(super) refusal: Option<Explanation>,
}

impl Work {
    pub(super) fn new(ordered: Ordered) -> Self {
        Self {
            ordered: Some(ordered),
            durable: false,
            document: Bytes::new(),
            logs_follow: false,
            refusal: None,
        }
    }
}

/// A dispatch as it was ordered.
#[derive(Debug)]
pub(super) struct Ordered {
    pub(super) dispatch: Dispatch,
    pub(super) by: Incarnation,
    /// The offer that it names.
    pub(super) offer: Option<OfferId>,
}

/// A controller that converses.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) outbound: Outbound,
    /// Told when a later conversation takes its place: nothing more of it is read.
    pub(super) over: CancellationToken,
    /// Who the controller is, if its certificate says so.
    pub(super) controller: Option<Identity>,
    /// Where it serves code.
    pub(super) code_address: String,
}
