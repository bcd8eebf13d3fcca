//! The invoker's end: what controllers order is run, kept and told.

mod arguments;
mod code;
mod conversation;
mod heartbeat;
mod outbox;
mod reply;
mod rooms;
mod service;
mod shell;
mod state;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_dispatch::KeeperEvent;
use oxwhisk_invoker_api::{CodeSource, RecordSink, RoomWatch, StartedObserver};
use oxwhisk_messaging::Bus;
use oxwhisk_proto::dispatch::v1::dispatch_server::DispatchServer;

use crate::Dialer;
use code::RemoteCode;
pub use heartbeat::HeartbeatOptions;
use outbox::Outbox;
pub use service::DispatchService;
use shell::Shell;

/// Bounds of an invoker's end.
#[derive(Clone, Debug)]
pub struct InvokerServerOptions {
    /// Activations held at once, running ones and results that were not acknowledged.
    pub max_held: usize,
    /// How long a controller that went away is remembered: until then its results are kept for it.
    pub session_timeout: Duration,
    /// From the beginning of a conversation to its hello.
    pub hello_timeout: Duration,
    /// Messages that wait to be sent to one controller; with more its conversation is ended, and begun again by it.
    pub max_unsent: usize,
    /// Bytes of arguments that were put and whose dispatch did not come yet.
    pub max_put: usize,
    /// How long those are kept.
    pub put_timeout: Duration,
    /// Bytes of the largest code.
    pub max_code: usize,
    /// How long controllers are asked for code that none of them can give now; then the activation fails.
    pub code_patience: Duration,
    /// Pause before a record that the bus did not take is handed over again.
    pub hand_over_pause: Duration,
    /// How long an offer is held for a controller that does not answer it.
    pub offer_timeout: Duration,
}

impl Default for InvokerServerOptions {
    fn default() -> Self {
        Self {
            max_held: 4096,
            session_timeout: Duration::from_secs(300),
            hello_timeout: Duration::from_secs(5),
            max_unsent: 8192,
            max_put: 256 << 20,
            put_timeout: Duration::from_secs(60),
            max_code: 96 << 20,
            code_patience: Duration::from_secs(30),
            hand_over_pause: Duration::from_millis(250),
            offer_timeout: Duration::from_millis(500),
        }
    }
}

/// Who an invoker is.
#[derive(Clone, Debug)]
pub struct InvokerIdentity {
    pub id: InvokerId,
    /// Of this life of the process.
    pub incarnation: u64,
    /// Kinds that it has containers for; empty says all.
    pub kinds: Vec<String>,
}

/// What controllers talk to. Made before the invoker proper, which works with what it gives, and then given that.
#[derive(Debug)]
pub struct InvokerServer {
    shell: Arc<Shell>,
    code: Arc<RemoteCode>,
}

impl InvokerServer {
    #[must_use]
    pub fn new(
        identity: InvokerIdentity,
        bus: Arc<dyn Bus>,
        dialer: Dialer,
        options: InvokerServerOptions,
    ) -> Self {
        let shell = Arc::new(Shell::new(identity, bus, options));
        let code = Arc::new(RemoteCode::new(Arc::clone(&shell), dialer));
        Self { shell, code }
    }

    /// Where the invoker gets code: from the controllers that converse.
    #[must_use]
    pub fn code(&self) -> Arc<dyn CodeSource> {
        Arc::clone(&self.code) as Arc<dyn CodeSource>
    }

    /// Where the invoker hands records over: to the bus.
    #[must_use]
    pub fn records(&self) -> Arc<dyn RecordSink> {
        Arc::new(Outbox(Arc::clone(&self.shell)))
    }

    /// Whom the invoker tells before each run.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn StartedObserver> {
        Arc::new(Announcer(Arc::clone(&self.shell)))
    }

    /// Serves with this invoker from now on, and gives out its room. Until then nobody can converse: controllers come again.
    /// The first one given stays.
    pub fn attach(&self, invoker: Arc<dyn RoomWatch>) {
        self.shell.attach(invoker);
    }

    /// Tells everybody on the channel `health` that this invoker is there, until it is closed: regularly, and at once when
    /// it begins to drain. To be called once, when its address is known.
    pub fn announce(&self, options: HeartbeatOptions) {
        let shell = Arc::clone(&self.shell);
        self.shell.tasks.spawn(heartbeat::announce(shell, options));
    }

    #[must_use]
    pub fn service(&self) -> DispatchServer<DispatchService> {
        DispatchServer::new(DispatchService(Arc::clone(&self.shell)))
    }

    /// Activations that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.shell.held()
    }

    /// Refuses further dispatches. What is held goes on, and controllers are told.
    pub fn drain(&self) {
        self.shell.drain();
    }

    /// Waits, at most for `grace`, until nothing is held any more; then ends all conversations. Answers whether nothing
    /// was left.
    pub async fn close(&self, grace: Duration) -> bool {
        self.shell.close(grace).await
    }
}

#[derive(Debug)]
struct Announcer(Arc<Shell>);

#[async_trait]
impl StartedObserver for Announcer {
    async fn started(&self, id: ActivationId) {
        self.0.handle(KeeperEvent::Starting(id));
    }
}
