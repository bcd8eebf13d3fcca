//! Talks to one other controller for as long as it may be there.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_grpc::channel::nobody_listens;
use oxwhisk_grpc::{Channel, DialError};
use oxwhisk_proto::peer::v1::peer_client;
use oxwhisk_proto::peer::v1::{GreetRequest, GreetResponse, PeerMessage};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::PeerIdentity;
use super::convert::Malformed;
use super::directory::{Input, Shared};
use super::identity::Introduced;
use super::session::{Session, introduced, introduction};

pub(super) type Client = peer_client::PeerClient<Channel>;

/// How to call a controller, whose certificate must show its name.
#[derive(Clone, Debug)]
pub(super) struct PeerClient(pub(super) Client);

#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error(transparent)]
    Name(#[from] Malformed),
    #[error(transparent)]
    Dial(#[from] DialError),
}

impl PeerClient {
    pub(super) fn to(shared: &Shared, peer: &PeerIdentity) -> Result<Self, CallError> {
        let channel = shared.dialer.dial(&peer.address, peer.expected()?)?;
        Ok(Self(Client::new(channel)))
    }
}

#[derive(Debug)]
pub(super) struct Link {
    shared: Arc<Shared>,
    peer: PeerIdentity,
    client: PeerClient,
}

/// What a greeting has brought.
enum Greeted {
    /// The very process.
    It,
    /// Another life of that controller.
    Another,
    /// It was not answered.
    Not,
}

impl Link {
    pub(super) fn new(shared: Arc<Shared>, peer: PeerIdentity, client: PeerClient) -> Self {
        Self { shared, peer, client }
    }

    /// Greets, which tells each that the other is there, and converses, again whenever that ends. The greeting after an end
    /// finds out whether the process has ended. Which side begins a conversation goes by their names, so that there is one.
    pub(super) async fn keep(self) {
        let mut pause = self.shared.options.retry_first;
        while !self.shared.is_leaving() {
            match self.greet().await {
                Greeted::It if self.shared.own.name < self.peer.name => {
                    if self.converse().await {
                        pause = self.shared.options.retry_first;
                        continue;
                    }
                }
                Greeted::It => {
                    // The other side begins, now or soon.
                    let within = self.shared.options.retry_longest;
                    if self.shared.throttles.conversed(&self.peer.member(), within).await {
                        pause = self.shared.options.retry_first;
                        continue;
                    }
                }
                // The one that was looked for is no more, as the directory knows by now.
                Greeted::Another => return,
                Greeted::Not => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.shared.options.retry_longest);
        }
    }

    async fn greet(&self) -> Greeted {
        let from = Some(self.shared.own.introduce(self.shared.is_leaving()));
        let mut client = self.client.0.clone();
        let answer = in_time(self.shared.options.greet_timeout, client.greet(GreetRequest { from })).await;
        let answered = answer.and_then(|answer| {
            let GreetResponse { from } = answer.into_inner();
            Introduced::try_from(from).map_err(|error| Status::internal(error.to_string()))
        });
        match answered {
            Ok(introduced) if introduced.peer.name != self.peer.name => {
                let (own, said) = (&self.peer.name, &introduced.peer.name);
                tracing::warn!(controller = own, said, "a controller answers with another name");
                Greeted::Not
            }
            Ok(introduced) => {
                let is_it = introduced.peer.incarnation == self.peer.incarnation;
                self.shared.input(Input::Met(introduced)).await;
                if is_it { Greeted::It } else { Greeted::Another }
            }
            Err(status) => {
                tracing::debug!(controller = self.peer.name, error = %status, "a controller does not answer");
                if nobody_listens(&status) {
                    self.shared.input(Input::Refused(self.peer.incarnation)).await;
                }
                Greeted::Not
            }
        }
    }

    /// Says whether it came to a conversation, which has ended.
    async fn converse(&self) -> bool {
        let (unsent, outgoing) = mpsc::channel(self.shared.options.max_unsent);
        let begun = in_time(self.shared.options.greet_timeout, self.begin(&unsent, outgoing)).await;
        match begun {
            Ok(messages) => {
                let session = Session::begin(Arc::clone(&self.shared), self.peer.clone(), unsent, messages);
                // In a task of its own: it ends in order when this link is given up.
                let _ = self.shared.spawn(session.carry_on()).await;
                true
            }
            Err(error) => {
                tracing::info!(controller = self.peer.name, %error, "a controller does not converse");
                false
            }
        }
    }

    async fn begin(
        &self,
        unsent: &mpsc::Sender<PeerMessage>,
        outgoing: mpsc::Receiver<PeerMessage>,
    ) -> Result<Streaming<PeerMessage>, Status> {
        let first = unsent.try_send(introduction(&self.shared));
        first.map_err(|_| Status::internal("there is no room for an introduction"))?;
        let mut client = self.client.0.clone();
        let mut messages = client.converse(ReceiverStream::new(outgoing)).await?.into_inner();
        let said = introduced(&self.shared, &mut messages).await?.peer;
        match said.incarnation == self.peer.incarnation && said.name == self.peer.name {
            true => Ok(messages),
            false => Err(Status::failed_precondition("it is another one by now")),
        }
    }
}

pub(super) async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("there was no answer in time")))
}
