//! One stream of a conversation, from hello to end.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::{Round, Said};
use oxwhisk_grpc::channel::nobody_listens;
use oxwhisk_invoker_api::InvokerCapacity;
use oxwhisk_proto::dispatch::v1 as wire;
use oxwhisk_proto::dispatch::v1::converse_request;
use oxwhisk_proto::dispatch::v1::converse_response::Message;
use oxwhisk_proto::dispatch::v1::ended::Record;
use oxwhisk_proto::dispatch::v1::{ControllerHello, ConverseRequest, ConverseResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::conversation::Shared;
use super::{Heard, Room, Welcome};
use crate::Malformed;
use crate::convert::{
    activation_id, end_from_message, held_from_message, offer_from_message, refusal_from_message,
};

/// How a stream ended.
pub(super) enum Ending {
    /// It had begun.
    Broken(Status),
    /// The connection was refused: there is no such process.
    Refused(Status),
    /// It did not come to a hello for another reason.
    NotBegun(Status),
}

impl Shared {
    pub(super) async fn converse(self: &Arc<Self>) -> Ending {
        let (sender, unsent) = mpsc::channel(self.options.max_unsent);
        let mut messages = match self.begin(&sender, unsent).await {
            Ok(messages) => messages,
            Err(status) if nobody_listens(&status) => return Ending::Refused(status),
            Err(status) => return Ending::NotBegun(status),
        };
        let welcome = tokio::time::timeout(self.options.hello_timeout, messages.message()).await;
        let welcome =
            match welcome.unwrap_or_else(|_| Err(Status::deadline_exceeded("there was no hello in time"))) {
                Ok(Some(ConverseResponse { message: Some(Message::Hello(hello)) })) => self.welcome(hello),
                Ok(_) => Err(Status::internal("the conversation did not begin with a hello")),
                Err(status) => Err(status),
            };
        match welcome {
            Ok(welcome) => {
                // From here on orders are sent; the listener gives them in answer to the welcome.
                *self.unsent() = Some(sender);
                self.listener.heard(self.invoker, Heard::Welcome(welcome));
                Ending::Broken(self.listen(messages).await)
            }
            Err(status) => Ending::NotBegun(status),
        }
    }

    async fn begin(
        &self,
        sender: &mpsc::Sender<ConverseRequest>,
        unsent: mpsc::Receiver<ConverseRequest>,
    ) -> Result<Streaming<ConverseResponse>, Status> {
        let hello = ControllerHello {
            controller: self.identity.name.clone(),
            incarnation: self.identity.incarnation.0,
            code_address: self.identity.code_address.clone(),
        };
        let hello = ConverseRequest { message: Some(converse_request::Message::Hello(hello)) };
        sender.try_send(hello).map_err(|_| Status::internal("there is no room for a hello"))?;
        let begun = self.client.clone().converse(ReceiverStream::new(unsent)).await?;
        Ok(begun.into_inner())
    }

    fn welcome(&self, hello: wire::InvokerHello) -> Result<Welcome, Status> {
        if hello.invoker != self.invoker.0 {
            return Err(Status::permission_denied(format!("it says that it is invoker{}", hello.invoker)));
        }
        let held = hello.held.into_iter().map(held_from_message).collect::<Result<_, _>>();
        Ok(Welcome {
            incarnation: hello.incarnation,
            resumed: hello.resumed,
            held: held.map_err(|error| Status::invalid_argument(error.to_string()))?,
            room: room(hello.capacity.unwrap_or_default()),
            kinds: hello.kinds,
        })
    }

    async fn listen(self: &Arc<Self>, mut messages: Streaming<ConverseResponse>) -> Status {
        loop {
            match messages.message().await {
                Ok(Some(ConverseResponse { message: Some(message) })) => {
                    if let Err(error) = self.hear(message) {
                        tracing::warn!(invoker = %self.invoker, %error, "what an invoker says is passed over");
                    }
                }
                // Of a later release.
                Ok(Some(ConverseResponse { message: None })) => {}
                Ok(None) => return Status::unavailable("the invoker ended it"),
                Err(status) => return status,
            }
        }
    }

    fn hear(self: &Arc<Self>, message: Message) -> Result<(), Malformed> {
        let heard = match message {
            Message::Hello(_) => return Err(Malformed::new("conversation", "a second hello")),
            Message::Holding(holding) => {
                let held = holding.held.into_iter().map(held_from_message).collect::<Result<_, _>>()?;
                Heard::Said(Said::Holding { round: Round(holding.round), held })
            }
            Message::Refused(refused) => {
                let why = refusal_from_message(refused.reason());
                let said = Said::Refused { id: activation_id(&refused.activation_id)?, why };
                let wire::Refused { text, memory, free, .. } = refused;
                Heard::NotRun { said, text, memory, free }
            }
            Message::Unknown(unknown) => Heard::Said(Said::Unknown(activation_id(&unknown.activation_id)?)),
            Message::Started(started) => Heard::Said(Said::Started(activation_id(&started.activation_id)?)),
            Message::Ended(ended) => return self.ended(ended),
            Message::Recorded(recorded) => {
                Heard::Said(Said::RecordDurable(activation_id(&recorded.activation_id)?))
            }
            Message::Capacity(capacity) => Heard::Room(room(capacity)),
            Message::Offer(offer) => Heard::Offer(offer_from_message(offer)),
        };
        self.listener.heard(self.invoker, heard);
        Ok(())
    }

    fn ended(self: &Arc<Self>, message: wire::Ended) -> Result<(), Malformed> {
        let (id, ended) = (activation_id(&message.activation_id)?, end_from_message(message.end)?);
        let logs_follow = message.logs_follow;
        let heard = move |record| Heard::Ended { id, ended, record, logs_follow };
        match message.record {
            Some(Record::Json(document)) => {
                let record = parse(id, &document)?;
                self.listener.heard(self.invoker, heard(record));
            }
            Some(Record::Get(_)) => {
                let this = Arc::clone(self);
                self.tasks.spawn(async move {
                    // Without it the activation stays as it is, until the stream breaks and it is told again.
                    match this.in_time(this.get_record(id)).await {
                        Ok(record) => this.listener.heard(this.invoker, heard(record)),
                        Err(error) => {
                            tracing::error!(activation_id = %id, %error, "a large record cannot be had");
                            *this.unsent() = None;
                        }
                    }
                });
            }
            None => return Err(Malformed::new("end", "it has no record")),
        }
        Ok(())
    }

    async fn get_record(&self, id: ActivationId) -> Result<Arc<Activation>, Status> {
        let request = wire::GetRecordRequest { activation_id: id.to_string() };
        let mut parts = self.client.clone().get_record(request).await?.into_inner();
        let mut document = BytesMut::new();
        while let Some(part) = parts.message().await? {
            if document.len() + part.part.len() > self.options.max_record {
                return Err(Status::resource_exhausted("it is larger than any record may be"));
            }
            document.extend_from_slice(&part.part);
        }
        parse(id, &document.freeze()).map_err(|error| Status::data_loss(error.to_string()))
    }
}

/// An invoker speaks for the activation that it was given, and for no other.
fn parse(id: ActivationId, document: &Bytes) -> Result<Arc<Activation>, Malformed> {
    let malformed = |error: &dyn std::fmt::Display| Malformed::new("record", error);
    let text = std::str::from_utf8(document).map_err(|error| malformed(&error))?;
    let record = Activation::from_document(text).map_err(|error| malformed(&error))?;
    if record.activation_id != id {
        return Err(malformed(&format!("it is of activation {}", record.activation_id)));
    }
    Ok(Arc::new(record))
}

fn room(capacity: wire::Capacity) -> Room {
    let wire::Capacity { memory, busy, idle, draining } = capacity;
    Room { capacity: InvokerCapacity { memory, busy, idle }, draining }
}
