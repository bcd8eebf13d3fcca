//! One client's connection, from its first byte to its last.
//!
//! Requests that are there together go to the server together ([`batch`]); the client is read from again when it has its
//! replies. What leaves something behind on a connection to the server is on one of the client's own: [`own`] for
//! transactions, [`blocking`] for commands that wait, [`subscriptions`] for what is published.
//!
//! In whose right a command runs is looked at whenever a batch begins. When the activation has ended, commands are refused; a
//! client of a container with one activation at a time goes on with the next one's.

mod admit;
mod batch;
mod blocking;
mod emulated;
mod forward;
mod own;
mod stream;
mod subscriptions;
mod work;

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use oxwhisk_cache_commands::{Plan, Prefixes, Request};
use oxwhisk_cache_session::Client;
use oxwhisk_cache_tokens::{Connected, Entry, Hold};
use oxwhisk_cache_upstream::UpstreamError;
use oxwhisk_core::cache::CacheTier;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::plane::{Held, Plane};
use crate::sessions::Place;
use crate::spin;
use crate::strangers::Stranger;
use batch::Batch;
use own::Own;
pub(crate) use stream::Stream;
use subscriptions::Subscriptions;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("the client has closed it")]
    Closed,
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It was told.
    #[error("the client does not speak Redis's protocol")]
    Malformed,
    #[error("the client has said that it quits")]
    Quit,
    #[error("the client has shown no token that is worth something")]
    NoLogin,
    #[error("the client's container is gone")]
    Gone,
    #[error("what it has subscribed to is lost: {0}")]
    Subscriptions(UpstreamError),
    #[error("its transaction is lost: {0}")]
    Transaction(UpstreamError),
    #[error("there is no connection for its transaction")]
    NoTransaction,
    #[error("the activation that it listens for has ended")]
    NotHeard,
    #[error("clients have too much on its way")]
    TooMuch,
    #[error("the proxy ends")]
    Stopping,
}

/// What a connection with nothing to do waits for.
enum Event {
    Input(usize),
    Message(Result<Bytes, UpstreamError>),
    /// What its transaction belongs to has ended.
    OwnOver,
    /// What it holds on to will never be worth anything again.
    Over,
    LoginTimeout,
    Stopping,
}

type Wait = Pin<Box<WaitForCancellationFutureOwned>>;

pub(crate) struct Connection<S> {
    stream: S,
    peer: Option<IpAddr>,
    plane: Arc<Plane>,
    client: Client,
    place: Place,
    /// What it has shown a token for.
    login: Option<Login>,
    /// Until it logs in, as the next.
    stranger: Option<Stranger>,
    login_timer: Option<Pin<Box<tokio::time::Sleep>>>,
    stopping: Wait,
    /// The tier that the client has chosen; else it is the token's.
    selected: Option<CacheTier>,
    input: BytesMut,
    request: Request,
    plan: Plan,
    /// In whose right the batch runs, and what its names have before them.
    right: Option<Right>,
    batch: Batch,
    output: BytesMut,
    /// Room that replies take until the client has them.
    held: Vec<Held>,
    held_input: Option<Held>,
    own: Option<Box<Own>>,
    subscriptions: Option<Box<Subscriptions>>,
}

struct Login {
    hold: Hold,
    over: Wait,
    _connected: Connected,
}

/// An activation's, as long as a batch lasts.
#[derive(Clone)]
struct Right {
    entry: Arc<Entry>,
    tier: CacheTier,
    /// Once the server has been asked.
    prefixes: Option<Prefixes>,
}

impl<S: Stream> Connection<S> {
    /// One that has shown nothing yet.
    pub(crate) fn new(
        stream: S,
        (peer, stranger): (Option<IpAddr>, Option<Stranger>),
        plane: Arc<Plane>,
    ) -> Self {
        let place = plane.sessions.open(peer);
        let address = peer.map_or_else(|| "unix".to_owned(), |address| address.to_string());
        let stopping = Box::pin(plane.stop.clone().cancelled_owned());
        let login_timer = Some(Box::pin(tokio::time::sleep(plane.config.login_timeout)));
        Self {
            stream,
            peer,
            client: Client::new(place.id, address),
            place,
            login: None,
            stranger,
            login_timer,
            stopping,
            selected: None,
            input: BytesMut::new(),
            request: Request::default(),
            plan: Plan::default(),
            right: None,
            batch: Batch::default(),
            output: BytesMut::new(),
            held: Vec::new(),
            held_input: None,
            own: None,
            subscriptions: None,
            plane,
        }
    }

    /// Until it ends.
    pub(crate) async fn run(mut self) -> End {
        loop {
            if let Err(end) = self.turn().await {
                // What it was told last: why it ends.
                let _ = self.write_out().await;
                return end;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), End> {
        match self.wait().await? {
            Event::Input(0) => return Err(End::Closed),
            Event::Input(_) => {
                spin::active();
                self.work().await?;
                self.hold_input()?;
            }
            Event::Message(message) => self.deliver(message.map_err(End::Subscriptions)?)?,
            Event::OwnOver => self.own = None,
            Event::Over => self.log_out()?,
            Event::LoginTimeout => return Err(End::NoLogin),
            Event::Stopping => return Err(End::Stopping),
        }
        self.write_out().await
    }

    async fn wait(&mut self) -> Result<Event, End> {
        let Self { stream, input, login, login_timer, stopping, own, subscriptions, .. } = self;
        let event = tokio::select! {
            biased;
            // First: who goes on sending does not get more time.
            () = optional(login_timer.as_mut().map(Pin::as_mut)) => Event::LoginTimeout,
            read = stream::read(stream, input) => Event::Input(read?),
            message = optional(subscriptions.as_mut().map(|subscribed| subscribed.receive())) => Event::Message(message),
            () = optional(own.as_ref().map(|own| own.entry.end_signal().cancelled())) => Event::OwnOver,
            () = optional(login.as_mut().map(|login| login.over.as_mut())) => Event::Over,
            () = stopping.as_mut() => Event::Stopping,
        };
        Ok(event)
    }

    async fn write_out(&mut self) -> Result<(), End> {
        stream::write(&mut self.stream, &mut self.output, self.plane.config.write_timeout).await?;
        self.held.clear();
        Ok(())
    }

    /// Counts what has come of a request that is not all there.
    fn hold_input(&mut self) -> Result<(), End> {
        self.held_input = None;
        self.held_input = self.plane.hold(self.input.len()).map_err(|_| {
            batch::error(&"ERR too large a request, while others have as large ones", &mut self.output);
            End::TooMuch
        })?;
        Ok(())
    }

    /// What is published is nobody's while there is no activation.
    fn deliver(&mut self, message: Bytes) -> Result<(), End> {
        let Some(subscriptions) = &mut self.subscriptions else { return Ok(()) };
        let running = self.login.as_ref().and_then(|login| login.hold.current(Instant::now()));
        let listens = running.is_some_and(|entry| subscriptions.are_of(&entry.grant().scope));
        let before = self.output.len();
        let broken = |_| End::Subscriptions(UpstreamError::Broken);
        let is_change = subscriptions.take_in(&message, &mut self.output).map_err(broken)?;
        if !listens && !is_change {
            self.output.truncate(before);
        }
        Ok(())
    }

    /// It has shown nothing any more. Where there are enough of such, it ends.
    fn forget_who_it_is(&mut self) {
        if self.stranger.is_none() {
            self.stranger = self.peer.and_then(|peer| self.plane.stranger(peer));
        }
        let is_one_too_many = self.stranger.is_none() && self.peer.is_some();
        let patience = if is_one_too_many { Duration::ZERO } else { self.plane.config.login_timeout };
        self.login_timer = Some(Box::pin(tokio::time::sleep(patience)));
    }

    /// What it holds on to is over. A container's connections end with it; one that had shown a token of one activation's may
    /// show another, but for one that listens: it would wait for what never comes.
    fn log_out(&mut self) -> Result<(), End> {
        let login = self.login.take();
        let listens = self.subscriptions.is_some();
        self.client.log_out();
        self.place.logged_in(None);
        (self.own, self.subscriptions, self.right) = (None, None, None);
        self.forget_who_it_is();
        match login.map(|login| login.hold) {
            Some(Hold::Container(_)) => Err(End::Gone),
            _ if listens => Err(End::NotHeard),
            _ => Ok(()),
        }
    }
}

/// Never, without one.
async fn optional<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
