//! An invoker without containers, behind the real end of the conversation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_core::cache::{CacheGrant, CacheUse};
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::heartbeat::{Heartbeat, InvokerHeartbeat};
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_core::parameters::Parameters;
use oxwhisk_grpc::{
    Access, Address, ChannelOptions, Listener as Socket, Role, Security, Server, ServerOptions,
};
use oxwhisk_invoker_api::offers::{Room, RoomSignal, WorkKey};
use oxwhisk_invoker_api::{
    Activating, ChangedAction, Completion, Dispatch, DispatchError, InvokerCapacity, InvokerClient, Kept,
    RecordContext, RecordSink, RoomWatch, StartedObserver,
};
use oxwhisk_invoker_remote::Dialer;
use oxwhisk_invoker_remote::server::{InvokerIdentity, InvokerServer, InvokerServerOptions};
use oxwhisk_messaging::memory::MemoryLaneBus;
use oxwhisk_messaging::{Bus, Channel};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::fixture::cache_proxies;

/// Megabytes for containers.
pub(crate) const MEMORY: u64 = 1024;

/// Ends every activation with its arguments as the result, those of actions called `held` when the test lets it. Its
/// containers are gone when they have run.
#[derive(Debug)]
pub(crate) struct FakeInvoker {
    this: Weak<Self>,
    id: InvokerId,
    observer: Arc<dyn StartedObserver>,
    records: Arc<dyn RecordSink>,
    /// How often each activation began here, with its highest attempt.
    pub(crate) runs: Mutex<HashMap<ActivationId, (usize, u32)>>,
    pub(crate) caches: Mutex<HashMap<ActivationId, ToldOfCache>>,
    free: Mutex<u64>,
    signal: OnceLock<Arc<RoomSignal>>,
    released: watch::Sender<bool>,
    cut_off: CancellationToken,
}

/// What an activation may have of the cache: as it was dispatched, and as its ticket says to a cache-proxy.
pub(crate) type ToldOfCache = (Option<CacheUse>, Option<CacheGrant>);

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

impl FakeInvoker {
    /// Lets everything that is held go on, and what comes later.
    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    /// And no more from here on.
    pub(crate) fn hold(&self) {
        self.released.send_replace(false);
    }

    async fn run(&self, dispatch: Dispatch) -> Completion {
        self.observer.started(dispatch.activation_id).await;
        // The platform's own test actions are not what tests count.
        if dispatch.caller.namespace.as_str() != "whisk.system" {
            let mut runs = self.runs.lock().unwrap();
            let (count, attempt) = runs.entry(dispatch.activation_id).or_default();
            *count += 1;
            *attempt = (*attempt).max(dispatch.attempt);
            let ticket = dispatch.ticket.as_ref().expect("a ticket");
            let claims = cache_proxies().verify(ticket).expect("a controller's ticket");
            let told = (dispatch.cache.clone(), claims.cache);
            self.caches.lock().unwrap().insert(dispatch.activation_id, told);
        }
        if dispatch.action.id.name.as_str().starts_with("held") {
            let mut released = self.released.subscribe();
            let held = self.cut_off.run_until_cancelled(released.wait_for(|released| *released)).await;
            if held.is_none() {
                let activation = Arc::new(record(&dispatch));
                return Completion { activation, logs_follow: false, record_refused: false, cut_off: true };
            }
        }
        let activation = Arc::new(record(&dispatch));
        let of = RecordContext { ticket: dispatch.ticket.as_ref(), trace: dispatch.trace };
        let kept = dispatch.store.keep(&*self.records, &activation, of);
        Completion {
            activation,
            logs_follow: false,
            record_refused: matches!(kept, Kept::Refused(_)),
            cut_off: false,
        }
    }
}

#[async_trait]
impl InvokerClient for FakeInvoker {
    fn id(&self) -> InvokerId {
        self.id
    }

    async fn dispatch(&self, dispatch: Dispatch) -> Result<Completion, DispatchError> {
        self.dispatch_if(dispatch, &mut |_| true)?.await
    }

    fn capacity(&self) -> InvokerCapacity {
        InvokerCapacity { memory: MEMORY, busy: MEMORY - *self.free.lock().unwrap(), idle: 0 }
    }

    fn invalidate(&self, _changed: &ChangedAction) {}
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
            let completion = this.run(dispatch).await;
            *this.free.lock().unwrap() += memory;
            this.signal.get().unwrap().changed();
            Ok(completion)
        }))
    }

    fn watch(&self, signal: Arc<RoomSignal>) {
        self.signal.set(signal).unwrap();
    }
}

fn record(dispatch: &Dispatch) -> Activation {
    let result = Some(Arc::clone(&dispatch.arguments));
    let mut annotations = Parameters::new();
    annotations.set("trace", &dispatch.trace.map(|trace| trace.to_string()));
    Activation {
        namespace: dispatch.caller.namespace.clone(),
        name: dispatch.action.id.name.clone(),
        version: dispatch.action.version,
        subject: Arc::clone(&dispatch.caller.subject),
        activation_id: dispatch.activation_id,
        start: dispatch.received,
        end: dispatch.received + 1,
        duration: Some(1),
        cause: None,
        response: Response { status: Status::Success, result, size: None },
        logs: Vec::new(),
        annotations,
        publish: false,
    }
}

/// One life of an invoker process.
pub(crate) struct InvokerProcess<B = MemoryLaneBus> {
    pub(crate) invoker: Arc<FakeInvoker>,
    bus: Arc<B>,
    server: InvokerServer,
    serving: CancellationToken,
}

impl<B: Bus> InvokerProcess<B> {
    pub(crate) async fn start(number: u32, bus: Arc<B>) -> Self {
        let id = InvokerId(number);
        let incarnation = rand::random();
        let identity = InvokerIdentity { id, incarnation, kinds: Vec::new() };
        let dialer = Dialer::plaintext(false, ChannelOptions::default());
        let server = InvokerServer::new(
            identity,
            Arc::clone(&bus) as Arc<dyn Bus>,
            dialer,
            InvokerServerOptions::default(),
        );
        let invoker = Arc::new_cyclic(|this| FakeInvoker {
            this: Weak::clone(this),
            id,
            observer: server.observer(),
            records: server.records(),
            runs: Mutex::default(),
            caches: Mutex::default(),
            free: Mutex::new(MEMORY),
            signal: OnceLock::new(),
            released: watch::Sender::new(false),
            cut_off: CancellationToken::new(),
        });
        server.attach(Arc::clone(&invoker) as Arc<dyn RoomWatch>);
        let options = ServerOptions { grace: Duration::ZERO, ..ServerOptions::default() };
        let grpc =
            Server::builder(options).service(Access::roles(&[Role::Controller]), server.service()).build();
        let address: Address = "127.0.0.1:0".parse().unwrap();
        let socket = Socket::bind(&address, Security::Plaintext { insecure: false }).await.unwrap();
        let beat = heartbeat(id, incarnation, &socket.address().to_string());
        let serving = CancellationToken::new();
        tokio::spawn(grpc.serve(socket, serving.clone()));
        let (beats, stop) = (Arc::clone(&bus), serving.clone());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                let _ = beats.publish(Channel::Health, &id.to_string(), beat.clone().into()).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }));
        Self { invoker, bus, server, serving }
    }

    /// It is told to stop: from now on it takes no more.
    pub(crate) fn stop(&self) {
        self.server.drain();
    }

    /// The grace period is over: what is held ends without a result.
    pub(crate) fn cut_off(&self) {
        self.invoker.cut_off.cancel();
    }
}

/// What an invoker says that serves at an address.
pub(crate) fn heartbeat(id: InvokerId, incarnation: u64, address: &str) -> Vec<u8> {
    let heartbeat = Heartbeat::Invoker(InvokerHeartbeat {
        id,
        incarnation,
        name: String::new(),
        address: address.to_owned(),
        version: "1".to_owned(),
        enabled: true,
        kinds: Vec::new(),
        memory: MEMORY,
        free: MEMORY,
    });
    serde_json::to_vec(&heartbeat).unwrap()
}

impl InvokerProcess {
    /// As a `kill -9`: it is not there any more, and nothing that it has not written is.
    pub(crate) fn kill(&self) {
        self.bus.kill();
        self.serving.cancel();
    }

    pub(crate) fn runs_of(&self, id: ActivationId) -> (usize, u32) {
        self.invoker.runs.lock().unwrap().get(&id).copied().unwrap_or_default()
    }
}
