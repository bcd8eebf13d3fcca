//! One invoker, talked to for as long as it is known.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_dispatch::{Order, Refusal, Said};
use oxwhisk_grpc::Channel;
use oxwhisk_invoker_api::Dispatch;
use oxwhisk_invoker_api::offers::OfferId;
use oxwhisk_proto::dispatch::v1 as wire;
use oxwhisk_proto::dispatch::v1::ConverseRequest;
use oxwhisk_proto::dispatch::v1::converse_request::Message;
use oxwhisk_proto::dispatch::v1::dispatch_client::DispatchClient;
use oxwhisk_ticket::Ticket;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::stream::Ending;
use super::{ControllerIdentity, ConversationOptions, Heard, Listener, Outgoing};
use crate::INLINE_MAX;
use crate::convert::{changed_to_message, to_message, want_to_message};

/// Ends when it is dropped; what the invoker runs goes on there.
#[derive(Debug)]
pub struct Conversation {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) invoker: InvokerId,
    pub(super) identity: ControllerIdentity,
    pub(super) client: DispatchClient<Channel>,
    pub(super) options: ConversationOptions,
    pub(super) listener: Arc<dyn Listener>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    /// `None` between two streams.
    unsent: Mutex<Option<mpsc::Sender<ConverseRequest>>>,
}

impl Conversation {
    /// Talks to an invoker over `channel`, which has checked who that is. `tasks` own what is done in the background.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn open(
        invoker: InvokerId,
        identity: ControllerIdentity,
        channel: Channel,
        options: ConversationOptions,
        listener: Arc<dyn Listener>,
        tasks: TaskTracker,
    ) -> Self {
        let client = DispatchClient::new(channel)
            .max_decoding_message_size(options.max_message)
            .max_encoding_message_size(options.max_message);
        let stop = CancellationToken::new();
        let unsent = Mutex::new(None);
        let shared = Arc::new(Shared { invoker, identity, client, options, listener, stop, tasks, unsent });
        let talking = Arc::clone(&shared);
        shared.tasks.spawn(async move { talking.stop.run_until_cancelled(talking.talk()).await });
        Self { shared }
    }

    /// Sends; never waits. Without a stream it is lost, like what was in one that broke.
    ///
    /// The invoker reads everything in the order of these calls, but for a dispatch whose arguments are put first: it comes
    /// late. That is harmless. The new count of its want is read before it, which ends no offer. Its own offer may expire
    /// meanwhile, or end with the stream: then it is a dispatch without an offer, and runs in room that is held for
    /// nobody or comes back as [`Heard::NotRun`]. So late means at worst once more in line.
    pub fn send(&self, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Dispatch(dispatch, ticket, offer) => self.shared.dispatch(*dispatch, ticket, offer),
            Outgoing::Want { want, key, count } => {
                self.shared.send(Message::Want(want_to_message(want, &key, count)));
            }
            Outgoing::Decline(offer) => self.shared.send(Message::Decline(wire::Decline { offer: offer.0 })),
            Outgoing::Order(order) => {
                if let Some(message) = order_to_message(order) {
                    self.shared.send(message);
                }
            }
            Outgoing::Invalidate(changed) => {
                self.shared.send(Message::Invalidate(changed_to_message(&changed)));
            }
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

fn order_to_message(order: Order) -> Option<Message> {
    let text = |id: ActivationId| id.to_string();
    Some(match order {
        Order::Dispatch(_) => return None,
        Order::Attach(id) => Message::Attach(wire::Attach { activation_id: text(id) }),
        Order::Ask(round) => Message::Ask(wire::Ask { round: round.0 }),
        Order::Acknowledge(id) => Message::Acknowledge(wire::Acknowledge { activation_id: text(id) }),
    })
}

impl Shared {
    pub(super) fn unsent(&self) -> MutexGuard<'_, Option<mpsc::Sender<ConverseRequest>>> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With too much unsent the stream is given up: the other side does not read.
    fn send(&self, message: Message) {
        let mut unsent = self.unsent();
        let Some(sender) = unsent.as_ref() else { return };
        let sent = sender.try_send(ConverseRequest { message: Some(message) });
        if let Err(mpsc::error::TrySendError::Full(_)) = sent {
            tracing::warn!(invoker = %self.invoker, "an invoker does not take its orders");
            *unsent = None;
        }
    }

    fn dispatch(self: &Arc<Self>, dispatch: Dispatch, ticket: Ticket, offer: Option<OfferId>) {
        let message = move |dispatch: &Dispatch, put| {
            Message::Dispatch(Box::new(to_message(dispatch, &ticket, offer, put)))
        };
        if dispatch.arguments.get().len() <= INLINE_MAX {
            return self.send(message(&dispatch, false));
        }
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let id = dispatch.activation_id;
            let put = this.put_arguments(id, Bytes::copy_from_slice(dispatch.arguments.get().as_bytes()));
            match this.in_time(put).await {
                Ok(()) => this.send(message(&dispatch, true)),
                Err(error) => {
                    // What was held for it is not needed.
                    if let Some(offer) = offer {
                        this.send(Message::Decline(wire::Decline { offer: offer.0 }));
                    }
                    let (said, text) = (Said::Refused { id, why: Refusal::NoRoom }, error.to_string());
                    this.listener.heard(this.invoker, Heard::NotRun { said, text, memory: 0, free: 0 });
                }
            }
        });
    }

    async fn put_arguments(&self, id: ActivationId, mut arguments: Bytes) -> Result<(), Status> {
        let (mut name, mut size) = (Some(id.to_string()), Some(arguments.len() as u64));
        let parts = std::iter::from_fn(move || {
            let length = arguments.len().min(INLINE_MAX);
            (length > 0).then(|| wire::PutArgumentsRequest {
                activation_id: name.take().unwrap_or_default(),
                part: arguments.split_to(length),
                size: size.take().unwrap_or_default(),
            })
        });
        self.client.clone().put_arguments(tokio_stream::iter(parts)).await.map(drop)
    }

    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let limit = self.options.body_timeout;
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(Status::deadline_exceeded("in time")))
    }

    /// Converses, and begins again whenever that ends.
    async fn talk(self: &Arc<Self>) {
        let mut pause = self.options.retry_first;
        loop {
            let ending = self.converse().await;
            *self.unsent() = None;
            match ending {
                Ending::Broken(status) => {
                    tracing::info!(invoker = %self.invoker, error = %status, "the conversation broke off");
                    self.listener.heard(self.invoker, Heard::Broken);
                    pause = self.options.retry_first;
                }
                Ending::Refused(status) => {
                    tracing::info!(invoker = %self.invoker, error = %status, "nobody listens at the invoker's address");
                    self.listener.heard(self.invoker, Heard::Dead);
                }
                Ending::NotBegun(status) => {
                    tracing::info!(invoker = %self.invoker, error = %status, "the invoker cannot be talked to");
                }
            }
            self.pause(&mut pause).await;
        }
    }

    async fn pause(&self, pause: &mut Duration) {
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(self.options.retry_longest);
    }
}
