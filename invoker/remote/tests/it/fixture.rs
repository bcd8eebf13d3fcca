//! An invoker that does what the test says, and a controller that writes down what it hears.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_core::cache::{CacheGrant, CacheUse};
use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::{ActivationId, InvokerId, Revision, TransactionId};
use oxwhisk_core::limits::ActionLimits;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_core::parameters::Parameters;
use oxwhisk_core::trace::TraceContext;
use oxwhisk_core::version::Version;
use oxwhisk_dispatch::{Incarnation, Order, Round, Said};
use oxwhisk_grpc::{
    Access, Address, Channel, ChannelOptions, Expected, Listener as Socket, Role, Security, Server,
    ServerOptions,
};
use oxwhisk_invoker_api::offers::{Offer, OfferId, Room, RoomSignal, WantId, WorkKey};
use oxwhisk_invoker_api::{
    ActionDescriptor, Activating, Caller, ChangedAction, Completion, Dispatch, DispatchError,
    InvokerCapacity, InvokerClient, Kept, RecordContext, RecordSink, ResponseLimits, RoomWatch,
    StartedObserver, StorePolicy,
};
use oxwhisk_invoker_remote::Dialer;
use oxwhisk_invoker_remote::client::{
    ControllerIdentity, Conversation, ConversationOptions, Heard, Listener, Outgoing, Welcome,
};
use oxwhisk_invoker_remote::server::{InvokerIdentity, InvokerServer, InvokerServerOptions};
use oxwhisk_messaging::Bus;
use oxwhisk_messaging::memory::MemoryBus;
use oxwhisk_ticket::{Claims, KeyRing, Ticket, TicketIssuer};
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const INVOKER: InvokerId = InvokerId(3);
pub(crate) const WANT: WantId = WantId(5);
/// Longer than anything here takes on a loaded machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Megabytes of a [`FakeInvoker`].
pub(crate) const MEMORY: u64 = 1024;

/// Runs when the test lets it, and answers with what it was given. Its containers are gone when they have run.
#[derive(Debug)]
pub(crate) struct FakeInvoker {
    this: Weak<Self>,
    free: Mutex<u64>,
    signal: OnceLock<Arc<RoomSignal>>,
    pub(crate) may_run: Semaphore,
    pub(crate) runs: AtomicUsize,
    /// Refuses so many first.
    pub(crate) refuses: AtomicUsize,
    observer: Arc<dyn StartedObserver>,
    records: Arc<dyn RecordSink>,
    pub(crate) invalidated: Mutex<Vec<ChangedAction>>,
    /// What each dispatch said of the cache.
    pub(crate) caches: Mutex<Vec<Option<CacheUse>>>,
}

#[async_trait]
impl InvokerClient for FakeInvoker {
    fn id(&self) -> InvokerId {
        INVOKER
    }

    async fn dispatch(&self, dispatch: Dispatch) -> Result<Completion, DispatchError> {
        self.dispatch_if(dispatch, &mut |_| true)?.await
    }

    fn capacity(&self) -> InvokerCapacity {
        InvokerCapacity { memory: MEMORY, busy: MEMORY - *self.free.lock().unwrap(), idle: 0 }
    }

    fn invalidate(&self, changed: &ChangedAction) {
        self.invalidated.lock().unwrap().push(changed.clone());
    }
}

struct Free(u64);

impl Room for Free {
    fn memory(&self) -> u64 {
        self.0
    }

    fn busy_slots(&self, _: &WorkKey) -> u32 {
        0
    }

    fn idle_containers(&self, _: &WorkKey) -> u32 {
        0
    }
}

impl RoomWatch for FakeInvoker {
    fn look(&self, look: &mut dyn FnMut(&dyn Room)) {
        look(&Free(*self.free.lock().unwrap()));
    }

    fn dispatch_if(
        &self,
        dispatch: Dispatch,
        claim: &mut dyn FnMut(&dyn Room) -> bool,
    ) -> Result<Activating, DispatchError> {
        let memory = dispatch.action.limits.memory;
        let mut free = self.free.lock().unwrap();
        if !claim(&Free(*free)) {
            return Err(DispatchError::NoRoom { memory, reason: "it is taken".to_owned() });
        }
        *free = free.checked_sub(memory).expect("nobody is let in where there is no room");
        let this = self.this.upgrade().unwrap();
        Ok(Box::pin(async move {
            let outcome = this.run(dispatch).await;
            *this.free.lock().unwrap() += memory;
            this.signal.get().unwrap().changed();
            outcome
        }))
    }

    fn watch(&self, signal: Arc<RoomSignal>) {
        self.signal.set(signal).unwrap();
    }
}

impl FakeInvoker {
    /// An invoker that `server` serves.
    pub(crate) fn attached_to(server: &InvokerServer) -> Arc<Self> {
        let invoker = Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            free: Mutex::new(MEMORY),
            signal: OnceLock::new(),
            may_run: Semaphore::new(0),
            runs: AtomicUsize::new(0),
            refuses: AtomicUsize::new(0),
            observer: server.observer(),
            records: server.records(),
            invalidated: Mutex::default(),
            caches: Mutex::default(),
        });
        server.attach(Arc::clone(&invoker) as Arc<dyn RoomWatch>);
        invoker
    }

    async fn run(&self, dispatch: Dispatch) -> Result<Completion, DispatchError> {
        let less = |left: usize| left.checked_sub(1);
        if self.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(DispatchError::NoRoom { memory: 256, reason: "the test says so".to_owned() });
        }
        self.observer.started(dispatch.activation_id).await;
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.caches.lock().unwrap().push(dispatch.cache.clone());
        self.may_run.acquire().await.unwrap().forget();
        let activation = Arc::new(record(&dispatch));
        let of = RecordContext { ticket: dispatch.ticket.as_ref(), trace: dispatch.trace };
        let kept = dispatch.store.keep(&*self.records, &activation, of);
        Ok(Completion {
            activation,
            logs_follow: false,
            record_refused: matches!(kept, Kept::Refused(_)),
            cut_off: false,
        })
    }
}

fn record(dispatch: &Dispatch) -> Activation {
    let mut annotations = Parameters::new();
    annotations.set("trace", &dispatch.trace.map(|trace| trace.to_string()));
    Activation {
        namespace: dispatch.caller.namespace.clone(),
        name: dispatch.action.id.name.clone(),
        version: dispatch.action.version,
        subject: Arc::clone(&dispatch.caller.subject),
        activation_id: dispatch.activation_id,
        start: 1,
        end: 2,
        duration: Some(1),
        cause: dispatch.cause,
        response: Response {
            status: Status::Success,
            result: Some(Arc::clone(&dispatch.arguments)),
            size: None,
        },
        logs: Vec::new(),
        annotations,
        publish: false,
    }
}

#[derive(Debug)]
pub(crate) struct Notebook(mpsc::Sender<Heard>);

impl Listener for Notebook {
    fn heard(&self, invoker: InvokerId, heard: Heard) {
        assert_eq!(invoker, INVOKER);
        // A controller that was dropped hears nothing; one that lags behind by that much is a failed test.
        assert!(!matches!(self.0.try_send(heard), Err(mpsc::error::TrySendError::Full(_))));
    }
}

/// A controller's side.
pub(crate) struct Controller {
    pub(crate) conversation: Conversation,
    heard: mpsc::Receiver<Heard>,
    put_back: VecDeque<Heard>,
}

impl Controller {
    pub(crate) fn send(&self, order: Order) {
        self.conversation.send(Outgoing::Order(order));
    }

    pub(crate) fn dispatch(&self, dispatch: &Dispatch, ticket: &Ticket) {
        self.conversation.send(Outgoing::Dispatch(Box::new(dispatch.clone()), ticket.clone(), None));
    }

    /// Dispatches, naming an offer.
    pub(crate) fn dispatch_by(&self, dispatch: &Dispatch, ticket: &Ticket, offer: OfferId) {
        self.conversation.send(Outgoing::Dispatch(Box::new(dispatch.clone()), ticket.clone(), Some(offer)));
    }

    /// Wants so much of what `dispatch` makes; returns when the invoker has read that, and what it said before it did.
    pub(crate) async fn want(&mut self, count: u32) -> Vec<Heard> {
        let (wanted, _) = dispatch("{}");
        let key = Arc::new(WorkKey::of(&wanted.action, &wanted.caller.namespace));
        self.conversation.send(Outgoing::Want { want: WANT, key, count });
        self.read().await
    }

    /// Returns when the invoker has read everything that was sent, with what it said before it did.
    pub(crate) async fn read(&mut self) -> Vec<Heard> {
        self.send(Order::Ask(Round(77)));
        let mut before = Vec::new();
        loop {
            match self.next().await {
                Heard::Said(Said::Holding { round: Round(77), .. }) => return before,
                other => before.push(other),
            }
        }
    }

    /// The next offer; what is heard of activations meanwhile is passed over.
    pub(crate) async fn offer(&mut self) -> Offer {
        loop {
            match self.next().await {
                Heard::Offer(offer) => return offer,
                Heard::Said(Said::Started(_) | Said::RecordDurable(_)) | Heard::Ended { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn any(&mut self) -> Heard {
        match self.put_back.pop_front() {
            Some(heard) => heard,
            None => tokio::time::timeout(LIMIT, self.heard.recv()).await.expect("in time").unwrap(),
        }
    }

    /// The next thing that is no news of room.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            let heard = self.any().await;
            if !matches!(heard, Heard::Room(_)) {
                return heard;
            }
        }
    }

    pub(crate) async fn welcome(&mut self) -> Welcome {
        loop {
            match self.next().await {
                Heard::Welcome(welcome) => return welcome,
                Heard::Broken | Heard::Dead => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// An invoker's side.
pub(crate) struct Rig {
    pub(crate) server: InvokerServer,
    pub(crate) invoker: Arc<FakeInvoker>,
    pub(crate) bus: Arc<MemoryBus>,
    pub(crate) address: Address,
    serving: CancellationToken,
}

pub(crate) fn plain() -> Dialer {
    Dialer::plaintext(false, ChannelOptions::default())
}

pub(crate) fn identity() -> InvokerIdentity {
    InvokerIdentity { id: INVOKER, incarnation: rand::random(), kinds: vec!["nodejs:20".to_owned()] }
}

/// Serves until the token is cancelled.
pub(crate) async fn serve(
    server: &InvokerServer,
    security: Security,
    address: Address,
) -> (Address, CancellationToken) {
    let grpc =
        Server::builder(ServerOptions { grace: Duration::from_millis(50), ..ServerOptions::default() })
            .service(Access::roles(&[Role::Controller]), server.service())
            .build();
    let socket = Socket::bind(&address, security).await.unwrap();
    let address = socket.address().clone();
    let serving = CancellationToken::new();
    tokio::spawn(grpc.serve(socket, serving.clone()));
    (address, serving)
}

impl Rig {
    pub(crate) async fn start(options: InvokerServerOptions) -> Self {
        let bus = Arc::new(MemoryBus::default());
        Self::with(options, bus, Security::Plaintext { insecure: false }, "127.0.0.1:0".parse().unwrap())
            .await
    }

    pub(crate) async fn with(
        options: InvokerServerOptions,
        bus: Arc<MemoryBus>,
        security: Security,
        address: Address,
    ) -> Self {
        let server = InvokerServer::new(identity(), Arc::clone(&bus) as Arc<dyn Bus>, plain(), options);
        let invoker = FakeInvoker::attached_to(&server);
        let (address, serving) = serve(&server, security, address).await;
        Self { server, invoker, bus, address, serving }
    }

    pub(crate) fn stop_serving(&self) {
        self.serving.cancel();
    }

    pub(crate) async fn controller(&self, incarnation: u64) -> (Controller, Welcome) {
        self.controller_with_code(incarnation, NO_CODE).await
    }

    /// One that says that it serves code at an address.
    pub(crate) async fn controller_with_code(
        &self,
        incarnation: u64,
        code_address: &str,
    ) -> (Controller, Welcome) {
        let channel = plain().dial(&self.address.to_string(), Expected::Role(Role::Invoker)).unwrap();
        let mut controller = conversing(channel, incarnation, code_address);
        let welcome = controller.welcome().await;
        (controller, welcome)
    }
}

/// Nobody listens there.
const NO_CODE: &str = "127.0.0.1:1";

pub(crate) fn controller(channel: Channel, incarnation: u64) -> Controller {
    conversing(channel, incarnation, NO_CODE)
}

fn conversing(channel: Channel, incarnation: u64, code_address: &str) -> Controller {
    let (sender, heard) = mpsc::channel(1024);
    let identity = ControllerIdentity {
        name: "controller0".to_owned(),
        incarnation: Incarnation(incarnation),
        code_address: code_address.to_owned(),
    };
    let options = ConversationOptions { hello_timeout: LIMIT, ..ConversationOptions::default() };
    let listener = Arc::new(Notebook(sender));
    let conversation = Conversation::open(INVOKER, identity, channel, options, listener, TaskTracker::new());
    Controller { conversation, heard, put_back: VecDeque::new() }
}

pub(crate) fn issuer() -> TicketIssuer {
    let ring = |fill: &str| KeyRing::parse(&format!("1:{}=", fill.repeat(43)).into()).unwrap();
    TicketIssuer::new(ring("A"), ring("E"))
}

pub(crate) fn dispatch(arguments: &str) -> (Dispatch, Ticket) {
    dispatch_to(INVOKER, arguments)
}

pub(crate) fn dispatch_to(invoker: InvokerId, arguments: &str) -> (Dispatch, Ticket) {
    dispatch_with(invoker, arguments, (None, None))
}

/// A dispatch that says so of the cache, with a ticket for that grant.
pub(crate) fn dispatch_that_uses(used: Option<CacheUse>, granted: Option<CacheGrant>) -> (Dispatch, Ticket) {
    dispatch_with(INVOKER, "{}", (used, granted))
}

fn dispatch_with(
    invoker: InvokerId,
    arguments: &str,
    (used, granted): (Option<CacheUse>, Option<CacheGrant>),
) -> (Dispatch, Ticket) {
    let namespace = EntityName::new("guest").unwrap();
    let action = ActionDescriptor {
        id: FullyQualifiedName::parse("guest/pkg/hello", &namespace).unwrap(),
        version: Version::FIRST,
        revision: Revision("1-a".to_owned()),
        kind: "nodejs:20".to_owned(),
        image: "openwhisk/action-nodejs-v20:nightly".parse().unwrap(),
        user_provided_image: false,
        sentinelled_logs: true,
        main: Some("main".to_owned()),
        binary: false,
        has_code: true,
        limits: ActionLimits { timeout: 60_000, memory: 256, logs: 10, concurrency: 1, instances: None },
    };
    let claims = Claims {
        activation_id: ActivationId::generate(),
        namespace: namespace.clone(),
        namespace_uuid: "uuid".into(),
        subject: "someone".into(),
        action: action.id.clone(),
        revision: action.revision.clone(),
        invoker,
        attempt: 2,
        deadline: i64::MAX,
        cache: granted,
    };
    let ticket = issuer().issue(&claims).unwrap();
    let dispatch = Dispatch {
        transaction: TransactionId::generate(),
        activation_id: claims.activation_id,
        action: Arc::new(action),
        caller: Caller { subject: claims.subject, namespace, namespace_uuid: claims.namespace_uuid },
        api_key: None,
        arguments: RawValue::from_string(arguments.to_owned()).unwrap().into(),
        init_environment: vec![("A".to_owned(), "b".to_owned())],
        cause: Some(ActivationId::generate()),
        binding: Some("guest/bound".to_owned()),
        received: 1_760_000_000_000,
        attempt: 2,
        delivery: Delivery::AtMostOnce,
        response_limits: ResponseLimits { max: 1 << 20, truncation: 1 << 10 },
        store: StorePolicy::ALWAYS,
        cache: used,
        ticket: Some(ticket.clone()),
        trace: TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    };
    (dispatch, ticket)
}
