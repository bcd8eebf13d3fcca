//! The whole controller: built from its parts, and the way of one request through it.

use std::sync::Arc;
use std::time::Duration;

use ::http::header::CONNECTION;
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use oxwhisk_core::id::TransactionId;
use oxwhisk_core::name::FullyQualifiedName;
use oxwhisk_core::trace::TraceContext;
use oxwhisk_invoker_api::DetachOnDrop;
use oxwhisk_messaging::{Bus, BusError, Topic};
use oxwhisk_store::{ActivationStore, EntityStore, SubjectStore};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::api;
use crate::auth::Authenticator;
use crate::config::ControllerConfig;
use crate::entities::{Actions, StoredCode};
use crate::http::accept;
use crate::http::fault::Fault;
use crate::http::head;
use crate::http::path::{self, Target};
use crate::http::reply::{Cors, Reply};
use crate::http::upload::{BodyLeft, RequestBody};
use crate::invoke::{Admissions, Engine, Invocations, Records, RecordsElsewhere};
use crate::telemetry::Watch;
use crate::throttle::Throttles;

/// What a controller works with.
#[derive(Clone, Debug)]
pub struct Backends {
    pub entities: Arc<dyn EntityStore>,
    pub subjects: Arc<dyn SubjectStore>,
    pub activations: Arc<dyn ActivationStore>,
    pub code: Arc<StoredCode>,
    pub records: Arc<Records>,
    pub bus: Arc<dyn Bus>,
    pub engine: Arc<dyn Engine>,
    /// Decides what is admitted.
    pub throttles: Arc<dyn Throttles>,
    /// Where else to look for a record that the store has not; absent where there is no other controller.
    pub elsewhere: Option<Arc<dyn RecordsElsewhere>>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot take up the work of an earlier process: {0}")]
    Bus(#[from] BusError),
}

/// A running controller.
#[derive(Debug)]
pub struct Controller {
    pub(crate) config: ControllerConfig,
    pub(crate) backends: Backends,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) actions: Arc<Actions>,
    pub(crate) invocations: Invocations,
    pub(crate) watch: Arc<Watch>,
    /// Activations that nobody waits for.
    detached: TaskTracker,
    writers: TaskTracker,
    watching: TaskTracker,
    /// Nothing is watched any more.
    closing: CancellationToken,
}

/// One request after its path is known.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Option<String>,
    pub(crate) body: RequestBody,
    pub(crate) transaction: TransactionId,
    pub(crate) trace: Option<TraceContext>,
}

impl Controller {
    /// Takes up what an earlier process left (records first, then what was running), then begins to work.
    ///
    /// # Errors
    /// When the bus cannot be read.
    pub async fn start(config: ControllerConfig, backends: Backends) -> Result<Arc<Self>, StartError> {
        let authenticator = Arc::new(Authenticator::new(Arc::clone(&backends.subjects), &config));
        let actions =
            Arc::new(Actions::new(Arc::clone(&backends.entities), Arc::clone(&backends.code), &config));
        let (watch, depths) = Watch::new(&config.telemetry, &backends.bus, &backends.records);
        let admissions = Arc::new(Admissions {
            actions: Arc::clone(&actions),
            authenticator: Arc::clone(&authenticator),
            ciphers: config.parameters.clone(),
            storing: config.storing,
            throttles: Arc::clone(&backends.throttles),
            watch: Arc::clone(&watch),
        });
        let engine = Arc::clone(&backends.engine);
        let controller = Arc::new(Self {
            config,
            authenticator,
            actions,
            invocations: Invocations { admissions: Arc::clone(&admissions), engine: Arc::clone(&engine) },
            watch,
            backends,
            detached: TaskTracker::new(),
            writers: TaskTracker::new(),
            watching: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        controller.watching.spawn(depths.run(controller.closing.clone()));
        controller.start_writer().await?;
        engine.start(admissions).await?;
        Ok(controller)
    }

    async fn start_writer(&self) -> Result<(), BusError> {
        let subscription = self.backends.bus.subscribe(Topic::Completed).await?;
        let (caught_up, written) = tokio::sync::oneshot::channel();
        let records = Arc::clone(&self.backends.records);
        self.writers.spawn(async move { records.write(subscription, caught_up).await });
        written.await.map_err(|_| BusError::Closed)
    }

    /// Stops taking from the queue and waits, at most for `grace`, for what runs. What is still queued stays durable.
    /// Says whether everything ended in time.
    pub async fn drain(&self, grace: Duration) -> bool {
        self.closing.cancel();
        self.detached.close();
        let changes = tokio::time::timeout(grace, self.detached.wait());
        let (drained, changed) = tokio::join!(self.backends.engine.drain(grace), changes);
        drained && changed.is_ok()
    }

    /// Waits, at most for `grace`, until the record writer has ended, which it does when the bus is closed.
    pub async fn written(&self, grace: Duration) -> bool {
        self.closing.cancel();
        self.watching.close();
        self.writers.close();
        let in_time = tokio::time::timeout(grace, self.writers.wait()).await.is_ok();
        // A store that is away does not keep the process: what is not stored stays on the bus.
        self.backends.records.stop();
        self.writers.wait().await;
        self.watching.wait().await;
        in_time
    }

    /// Answers one request, after `limit` with 503. The body has its own time.
    pub async fn handle(&self, request: Request<Incoming>, limit: Duration) -> Response<Full<Bytes>> {
        let header = &self.config.transaction_header;
        let id = request.headers().get(header.name()).and_then(|value| value.to_str().ok());
        let transaction = TransactionId::from_client(id);
        let watched = self.watch.begin(&request, &transaction);
        let mut closes = head::ends_connection(request.headers());
        let (head, body) = request.into_parts();
        let (body, upload) = RequestBody::new(body, &head.headers);
        let span = tracing::info_span!("request", tid = %transaction);
        let answering = self.answer(head, body, &transaction, watched.context());
        let answered = upload.bound(limit, answering.instrument(span)).await;
        let in_time = answered.is_some();
        let mut response = answered.unwrap_or_else(Reply::timed_out).into_response(&transaction, header);
        watched.end(response.status());
        // A client that had its time already is not listened to any longer.
        if in_time && upload.still_comes().await {
            closes = true;
            response.extensions_mut().insert(BodyLeft);
        }
        if closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn answer(
        &self,
        head: Parts,
        body: RequestBody,
        transaction: &TransactionId,
        trace: Option<TraceContext>,
    ) -> Reply {
        if let Err(fault) = head::check(&head) {
            return Reply::fault(&fault, transaction);
        }
        let target = path::parse(head.uri.path());
        if head.method == Method::OPTIONS && path::is_api(head.uri.path()) {
            return Reply::text("OK");
        }
        let accept = head.headers.get(::http::header::ACCEPT).and_then(|value| value.to_str().ok());
        let admits_json = accept::admits_json(accept);
        let call = Call {
            method: head.method,
            query: head.uri.query().map(str::to_owned),
            headers: head.headers,
            body,
            transaction: transaction.clone(),
            trace,
        };
        let reply = match self.route(target, call).await {
            Ok(reply) => reply,
            Err(fault) => Reply::fault(&fault, transaction),
        };
        // What the application answers is negotiated, its errors included; rejections of routing are not.
        if reply.is_json() && reply.cors != Cors::None && !admits_json {
            Reply::fault(&Fault::not_acceptable(), transaction)
        } else {
            reply
        }
    }

    async fn route(&self, target: Target, call: Call) -> Result<Reply, Fault> {
        if !matches!(
            call.method,
            Method::GET
                | Method::PUT
                | Method::POST
                | Method::DELETE
                | Method::HEAD
                | Method::OPTIONS
                | Method::PATCH
        ) {
            let text =
                "HTTP method not allowed, supported methods: GET, PUT, POST, DELETE, HEAD, OPTIONS, PATCH";
            return Err(Fault::reject(StatusCode::METHOD_NOT_ALLOWED, text));
        }
        match target {
            Target::Nothing => Err(Fault::no_route()),
            Target::Open(open) if call.method == Method::GET => api::info::open(self, open),
            Target::Open(_) => Err(Fault::no_route()),
            Target::Api(resource) => {
                let caller = self.authenticator.authenticate(&call.headers).await?;
                match resource {
                    Some(resource) => api::resource(self, call, caller, resource).await,
                    None => Err(Fault::no_route()),
                }
            }
        }
    }

    /// Carries a change out even if its client goes: given up half-way, what was changed would stay cached as it was.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        change: impl Future<Output = T> + Send + 'static,
    ) -> T {
        DetachOnDrop::new(Box::pin(change), self.detached.clone(), Handle::current()).await
    }

    /// Forgets cached identities: subjects, keys or limits were changed.
    pub fn invalidate_identities(&self) {
        self.authenticator.invalidate();
    }

    /// Forgets one cached entity.
    pub fn invalidate_entity(&self, id: &FullyQualifiedName) {
        self.actions.invalidate(id);
    }

    /// Forgets cached entities.
    pub fn invalidate_entities(&self) {
        self.actions.invalidate_all();
    }
}
