//! What the invoker's end knows.

use std::collections::HashMap;

use bytes::Bytes;
use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::{Guards, Incarnation, Keeper};
use oxwhisk_grpc::Identity;
use oxwhisk_invoker_api::Dispatch;
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
    /// The latest conversation of each controller that is remembered.
    pub(super) latest: HashMap<Incarnation, u64>,
    /// Numbers conversations.
    pub(super) next: u64,
}

impl State {
    pub(super) fn new(max_held: usize) -> Self {
        let keeper = Keeper::new(max_held, Guards::default());
        Self { keeper, work: HashMap::new(), conversations: HashMap::new(), latest: HashMap::new(), next: 0 }
    }

    pub(super) fn is_latest(&self, by: Incarnation, number: u64) -> bool {
        self.latest.get(&by) == Some(&number)
    }
}

/// One activation.
#[derive(Debug)]
pub(super) struct Work {
    /// Until it is run.
    pub(super) dispatch: Option<Dispatch>,
    /// Records handed over so far.
    pub(super) versions: u32,
    /// One of them is on the bus.
    pub(super) durable: bool,
    /// The stored form of the record, once it has ended.
    pub(super) document: Bytes,
    /// Why it was refused.
    pub(super) refusal: Option<Explanation>,
}

impl Work {
    pub(super) fn new(dispatch: Dispatch) -> Self {
        Self { dispatch: Some(dispatch), versions: 0, durable: false, document: Bytes::new(), refusal: None }
    }
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
