//! One controller's conversation, from its hello to its end.

use std::sync::Arc;

use oxwhisk_dispatch::{self as protocol, Incarnation, KeeperEvent, Lane, Order, Refusal, Round};
use oxwhisk_grpc::Peer;
use oxwhisk_invoker_api::offers::OfferId;
use oxwhisk_proto::dispatch::v1::converse_request::Message;
use oxwhisk_proto::dispatch::v1::{ControllerHello, ConverseRequest, DispatchActivation};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::reply::{self, Explanation};
use super::shell::Shell;
use super::state::{Conversation, Outbound};
use crate::Malformed;
use crate::convert::{Arguments, activation_id, changed_from_message, from_message, want_from_message};

/// Reads the hello, and who it is from.
pub(super) async fn hello(
    shell: &Shell,
    peer: Option<&Peer>,
    messages: &mut Streaming<ConverseRequest>,
) -> Result<ControllerHello, Status> {
    let first = tokio::time::timeout(shell.options.hello_timeout, messages.message());
    let first = first.await.map_err(|_| Status::deadline_exceeded("there was no hello in time"))??;
    let Some(ConverseRequest { message: Some(Message::Hello(hello)) }) = first else {
        return Err(Status::invalid_argument("a conversation begins with a hello"));
    };
    match peer.and_then(Peer::identity) {
        Some(identity) if identity.name() != hello.controller => Err(Status::permission_denied(format!(
            "'{}' says that it is '{}'",
            identity.name(),
            hello.controller
        ))),
        _ => Ok(hello),
    }
}

/// Names one conversation among all.
#[derive(Clone, Debug)]
pub(super) struct Conversing {
    pub(super) by: Incarnation,
    pub(super) number: u64,
    over: CancellationToken,
}

/// Begins a conversation; an earlier one of the same controller ends, and what it still had to say is not heard.
pub(super) fn begin(
    shell: &Arc<Shell>,
    peer: Option<&Peer>,
    hello: ControllerHello,
    outbound: Outbound,
) -> Conversing {
    let by = Incarnation(hello.incarnation);
    let over = shell.stop.child_token();
    let mut state = shell.state();
    let number = state.next;
    state.next += 1;
    let controller = peer.and_then(Peer::identity).cloned();
    let code_address = hello.code_address;
    let conversation = Conversation { outbound, over: over.clone(), controller, code_address };
    state.latest.insert(by, number);
    if let Some(earlier) = state.conversations.remove(&by) {
        earlier.over.cancel();
    }
    // Wants and offers are a stream's own.
    shell.hang_up(&mut state, by);
    state.conversations.insert(by, conversation);
    shell.handle_in(&mut state, KeeperEvent::Connected(by));
    Conversing { by, number, over }
}

/// Carries out what the controller orders until it ends the conversation.
pub(super) async fn carry_on(
    shell: Arc<Shell>,
    conversing: Conversing,
    mut messages: Streaming<ConverseRequest>,
) {
    let by = conversing.by;
    loop {
        match conversing.over.run_until_cancelled(messages.message()).await {
            Some(Ok(Some(ConverseRequest { message: Some(message) }))) => {
                if let Err(error) = obey(&shell, &conversing, message) {
                    tracing::warn!(controller = by.0, %error, "an order of a controller is passed over");
                }
            }
            // Of a later release.
            Some(Ok(Some(ConverseRequest { message: None }))) => {}
            Some(Ok(None)) | None => break,
            Some(Err(error)) => {
                tracing::info!(controller = by.0, %error, "a controller's conversation broke off");
                break;
            }
        }
    }
    end(&shell, by, conversing.number).await;
}

/// Unless a later conversation has taken its place, the controller is away, and after a while it is taken for gone.
async fn end(shell: &Arc<Shell>, by: Incarnation, number: u64) {
    {
        let mut state = shell.state();
        if !state.is_latest(by, number) {
            return;
        }
        shell.hang_up(&mut state, by);
        shell.handle_in(&mut state, KeeperEvent::Disconnected(by));
    }
    let away = tokio::time::sleep(shell.options.session_timeout);
    if shell.stop.run_until_cancelled(away).await.is_none() {
        return;
    }
    let mut state = shell.state();
    if state.is_latest(by, number) {
        tracing::info!(controller = by.0, "a controller stays away: what it was told no longer counts");
        state.latest.remove(&by);
        shell.handle_in(&mut state, KeeperEvent::SessionOver(by));
    }
}

fn obey(shell: &Arc<Shell>, from: &Conversing, message: Message) -> Result<(), Malformed> {
    match message {
        Message::Hello(_) => return Err(Malformed::new("conversation", "a second hello")),
        Message::Dispatch(dispatch) => {
            let offer = dispatch.offer.map(OfferId);
            let taken = take(shell, from, *dispatch);
            if let (Err(_), Some(offer)) = (&taken, offer) {
                shell.decline(from, offer);
            }
            return taken;
        }
        Message::Want(want) => {
            let (want, key, count) = want_from_message(want)?;
            return shell.want(from, want, &key, count);
        }
        Message::Decline(decline) => shell.decline(from, OfferId(decline.offer)),
        Message::Attach(attach) => shell.order(from, Order::Attach(activation_id(&attach.activation_id)?)),
        Message::Ask(ask) => shell.order(from, Order::Ask(Round(ask.round))),
        Message::Acknowledge(acknowledge) => {
            shell.order(from, Order::Acknowledge(activation_id(&acknowledge.activation_id)?));
        }
        Message::Invalidate(changed) => {
            let changed = changed_from_message(changed)?;
            if let Some(invoker) = shell.invoker() {
                invoker.invalidate(&changed);
            }
        }
    }
    Ok(())
}

/// Takes a dispatch, or says why not.
fn take(shell: &Arc<Shell>, from: &Conversing, message: DispatchActivation) -> Result<(), Malformed> {
    let offer = message.offer.map(OfferId);
    let mut received = from_message(message)?;
    let id = received.claims.activation_id;
    let refuse = |error: Malformed| {
        let explanation = Explanation { text: error.to_string(), memory: 0 };
        let state = shell.state();
        let reply = reply::refused(id, Refusal::Malformed, explanation, shell.free(&state));
        if let Some(conversation) = state.conversations.get(&from.by) {
            let _ = conversation.outbound.try_send(Ok(reply));
        }
        Err(error)
    };
    if received.claims.invoker != shell.identity.id {
        return refuse(Malformed::new("ticket", format!("it is for {}", received.claims.invoker)));
    }
    let (delivery, attempt) = (received.delivery(), received.claims.attempt);
    // Which partition it came from is the controller's business.
    let order = protocol::Message { id, lane: Lane(0), delivery, attempt };
    let arguments = match std::mem::replace(&mut received.arguments, Arguments::Put) {
        Arguments::Here(arguments) => Some(arguments),
        Arguments::Put => shell.put.take(id),
    };
    let Some(arguments) = arguments else {
        return refuse(Malformed::new("dispatch", "its arguments were not put"));
    };
    match received.into_dispatch(arguments) {
        Ok(dispatch) => shell.dispatch(from, order, dispatch, offer),
        Err(error) => return refuse(error),
    }
    Ok(())
}
