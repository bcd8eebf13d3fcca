//! One conversation, at either end of it.

use std::sync::Arc;
use std::time::Instant;

use oxwhisk_proto::peer::v1::PeerMessage;
use oxwhisk_proto::peer::v1::peer_message::Message as Wire;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::PeerIdentity;
use super::convert::{Read, Reader};
use super::directory::{Input, Shared};
use super::identity::Introduced;
use super::throttles::Begun;

/// Reads how the other side introduces itself.
pub(super) async fn introduced(
    shared: &Shared,
    messages: &mut Streaming<PeerMessage>,
) -> Result<Introduced, Status> {
    let first = tokio::time::timeout(shared.options.greet_timeout, messages.message());
    let first = first.await.map_err(|_| Status::deadline_exceeded("there was no introduction in time"))??;
    let Some(PeerMessage { message: Some(Wire::Introduction(introduction)) }) = first else {
        return Err(Status::invalid_argument("a conversation begins with an introduction"));
    };
    Introduced::try_from(Some(introduction)).map_err(|error| Status::invalid_argument(error.to_string()))
}

pub(super) fn introduction(shared: &Shared) -> PeerMessage {
    let introduction = shared.own.introduce(shared.is_leaving());
    PeerMessage { message: Some(Wire::Introduction(introduction)) }
}

/// From the introductions to the end.
#[derive(Debug)]
pub(super) struct Session {
    shared: Arc<Shared>,
    peer: PeerIdentity,
    begun: Begun,
    messages: Streaming<PeerMessage>,
}

impl Session {
    /// Begins with one whose introduction was read; `unsent` is what goes to it.
    pub(super) fn begin(
        shared: Arc<Shared>,
        peer: PeerIdentity,
        unsent: mpsc::Sender<PeerMessage>,
        messages: Streaming<PeerMessage>,
    ) -> Self {
        let begun = shared.throttles.begin(&peer.member(), unsent);
        Self { shared, peer, begun, messages }
    }

    /// Hears the other side until it ends.
    pub(super) async fn carry_on(mut self) {
        let (incarnation, session) = (self.peer.incarnation, self.begun.id);
        self.shared.input(Input::Linked(incarnation, session)).await;
        let mut heard = Instant::now();
        let why = self.hear(&mut heard).await;
        tracing::info!(
            controller = self.peer.name,
            error = why,
            "a conversation with a controller has ended"
        );
        if self.shared.throttles.end(&self.peer.member(), session) {
            self.shared.input(Input::Unlinked { incarnation, session, heard }).await;
        }
    }

    /// Answers why it ended.
    async fn hear(&mut self, heard: &mut Instant) -> String {
        let (mut reader, member) = (Reader::default(), self.peer.member());
        let over = self.begun.over.clone();
        loop {
            let next = tokio::time::timeout(self.shared.options.silence, self.messages.message());
            let message = match over.run_until_cancelled(next).await {
                Some(Ok(Ok(Some(PeerMessage { message })))) => message,
                Some(Ok(Ok(None))) => return "the other side ended it".to_owned(),
                Some(Ok(Err(status))) => return status.to_string(),
                Some(Err(_elapsed)) => return "nothing was heard for too long".to_owned(),
                None => return "this side ended it".to_owned(),
            };
            *heard = Instant::now();
            match reader.read(message) {
                Ok(Read::Throttles(message)) => {
                    if !self.shared.throttles.received(&member, self.begun.id, message) {
                        return "a later one has begun".to_owned();
                    }
                }
                Ok(Read::Ended(ids)) => self.shared.ended(&ids),
                Ok(Read::Leaving) => self.shared.input(Input::Left(self.peer.incarnation)).await,
                Ok(Read::Nothing) => {}
                Err(error) => return error.to_string(),
            }
        }
    }
}
