//! A controller that serves code against tickets and writes down what the invoker says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::{ActivationId, InvokerId, Revision, TransactionId};
use oxwhisk_core::limits::ActionLimits;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_core::version::Version;
use oxwhisk_dispatch::{Ended, Incarnation, Order};
use oxwhisk_grpc::dev_certificates::{Authority, Validity};
use oxwhisk_grpc::{
    Access, ChannelOptions, Expected, Identity, Listener as Socket, Role, Security, Server, ServerOptions,
    TlsFiles, TlsSource,
};
use oxwhisk_invoker_api::{ActionDescriptor, Caller, Dispatch, ResponseLimits, StorePolicy};
use oxwhisk_invoker_remote::Dialer;
use oxwhisk_invoker_remote::client::{
    ControllerIdentity, Conversation, ConversationOptions, Heard, Listener, Outgoing,
};
use oxwhisk_proto::code::v1::code_server::{Code, CodeServer};
use oxwhisk_proto::code::v1::{GetCodeRequest, GetCodeResponse};
use oxwhisk_ticket::{Claims, KeyRing, Ticket, TicketIssuer};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use crate::binary::LIMIT;

pub(crate) const INVOKER: InvokerId = InvokerId(3);

pub(crate) fn issuer() -> TicketIssuer {
    let ring = |fill: &str| KeyRing::parse(&format!("1:{}=", fill.repeat(43)).into()).unwrap();
    TicketIssuer::new(ring("A"), ring("E"))
}

/// Certificates of one deployment.
pub(crate) struct Certificates {
    authority: Authority,
    dir: tempfile::TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        Self { authority: Authority::generate("test").unwrap(), dir: tempfile::tempdir().unwrap() }
    }

    /// Files of a peer, `role/name`.
    pub(crate) fn of(&self, peer: &str) -> TlsFiles {
        let identity: Identity = peer.parse().unwrap();
        let dir = self.dir.path().join(peer.replace('/', "-"));
        let issued = self.authority.issue(&identity, Validity::a_year()).unwrap();
        self.authority.write(&dir, &issued).unwrap()
    }
}

/// The variables that give an invoker these files.
pub(crate) fn variables(files: &TlsFiles) -> Vec<(&'static str, String)> {
    let text = |path: &Path| path.display().to_string();
    let TlsFiles { authority, certificate, key }: &TlsFiles = files;
    vec![
        ("CONFIG_oxwhisk_grpc_tls_authority", text(authority)),
        ("CONFIG_oxwhisk_grpc_tls_certificate", text(certificate)),
        ("CONFIG_oxwhisk_grpc_tls_key", text(key)),
    ]
}

/// Serves what the test stored, by the ticket's action.
#[derive(Debug, Clone, Default)]
struct Codes {
    stored: Arc<Mutex<HashMap<String, String>>>,
    /// Whether the store is away, and how often somebody heard that.
    away: Arc<AtomicBool>,
    refusals: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl Code for Codes {
    type GetCodeStream = Pin<Box<dyn Stream<Item = Result<GetCodeResponse, Status>> + Send>>;

    async fn get_code(
        &self,
        request: Request<GetCodeRequest>,
    ) -> Result<Response<Self::GetCodeStream>, Status> {
        if self.away.load(SeqCst) {
            self.refusals.fetch_add(1, SeqCst);
            return Err(Status::unavailable("the store is away"));
        }
        let ticket = Ticket::from_bytes(request.into_inner().ticket);
        let denied = |error: oxwhisk_ticket::TicketError| Status::permission_denied(error.to_string());
        let claims = issuer().verify(&ticket).map_err(denied)?;
        claims.check_bearer(INVOKER).map_err(denied)?;
        let code = self.stored.lock().unwrap().get(&claims.action.to_string()).cloned();
        let part = code.ok_or_else(|| Status::not_found("no such action"))?.into_bytes();
        let response = GetCodeResponse { size: part.len() as u64, part };
        Ok(Response::new(Box::pin(tokio_stream::iter([Ok(response)]))))
    }
}

#[derive(Debug)]
struct Notebook(mpsc::Sender<Heard>);

impl Listener for Notebook {
    fn heard(&self, invoker: InvokerId, heard: Heard) {
        assert_eq!(invoker, INVOKER);
        // A controller that was dropped hears nothing; one that lags behind by that much is a failed test.
        assert!(!matches!(self.0.try_send(heard), Err(mpsc::error::TrySendError::Full(_))));
    }
}

pub(crate) struct Controller {
    conversation: Conversation,
    heard: mpsc::Receiver<Heard>,
    codes: Codes,
    serving: CancellationToken,
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.serving.cancel();
    }
}

/// An action of the test's.
pub(crate) struct Action {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) image: &'static str,
    pub(crate) code: String,
    pub(crate) binary: bool,
}

impl Controller {
    /// `controller0`, in conversation with invoker 3 at `address` over mutual TLS.
    pub(crate) async fn connect(certificates: &Certificates, address: SocketAddr) -> Self {
        let tls = Arc::new(TlsSource::open(certificates.of("controller/controller0")).unwrap());
        let codes = Codes::default();
        let server = Server::builder(ServerOptions::default())
            .service(Access::roles(&[Role::Invoker]), CodeServer::new(codes.clone()))
            .build();
        let security = Security::MutualTls(Arc::clone(&tls));
        let socket = Socket::bind(&"127.0.0.1:0".parse().unwrap(), security).await.unwrap();
        let code_address = socket.address().to_string();
        let serving = CancellationToken::new();
        tokio::spawn(server.serve(socket, serving.clone()));
        let expected = Expected::Peer(format!("invoker/{INVOKER}").parse().unwrap());
        let dialer = Dialer::secure(tls, ChannelOptions::default());
        let channel = dialer.dial(&address.to_string(), expected).unwrap();
        let (sender, heard) = mpsc::channel(1024);
        let identity =
            ControllerIdentity { name: "controller0".to_owned(), incarnation: Incarnation(7), code_address };
        let listener = Arc::new(Notebook(sender));
        let options = ConversationOptions::default();
        let tasks = TaskTracker::new();
        let conversation = Conversation::open(INVOKER, identity, channel, options, listener, tasks);
        Self { conversation, heard, codes, serving }
    }

    /// The next thing heard that `wanted` takes.
    pub(crate) async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(Heard) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let heard = self.heard.recv().await.expect("the conversation goes on");
                if let Some(found) = wanted(heard) {
                    return found;
                }
            }
        };
        tokio::time::timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"))
    }

    pub(crate) fn order(&self, order: Order) {
        self.conversation.send(Outgoing::Order(order));
    }

    /// Lets its store go away, or come back.
    pub(crate) fn store_is_away(&self, away: bool) {
        self.codes.away.store(away, SeqCst);
    }

    /// Waits until the invoker was told so many times that the store is away.
    pub(crate) async fn refused_code(&self, times: usize) {
        let refused = async {
            while self.codes.refusals.load(SeqCst) < times {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LIMIT, refused).await.expect("the invoker asks for code");
    }

    /// Has an action run, and gives the activation's id.
    pub(crate) fn dispatch(&self, action: &Action, arguments: &str) -> ActivationId {
        let dispatch = dispatch(action, arguments);
        self.codes.stored.lock().unwrap().insert(dispatch.action.id.to_string(), action.code.clone());
        self.send(dispatch)
    }

    fn send(&self, dispatch: Dispatch) -> ActivationId {
        let (id, ticket) = (dispatch.activation_id, dispatch.ticket.clone().unwrap());
        self.conversation.send(Outgoing::Dispatch(Box::new(dispatch), ticket, None));
        id
    }

    /// As [`Controller::dispatch`], of an action that was deleted meanwhile.
    pub(crate) fn dispatch_without_code(&self, action: &Action) -> ActivationId {
        self.send(dispatch(action, "{}"))
    }

    /// How an activation ended.
    pub(crate) async fn ended(&mut self, id: ActivationId) -> (Ended, Arc<Activation>) {
        self.until("the activation ends", |heard| match heard {
            Heard::Ended { id: of, ended, record, .. } if of == id => Some((ended, record)),
            Heard::NotRun { text, .. } => panic!("it is not run: {text}"),
            _ => None,
        })
        .await
    }
}

fn dispatch(action: &Action, arguments: &str) -> Dispatch {
    let namespace = EntityName::new("guest").unwrap();
    let id = FullyQualifiedName::parse(&format!("guest/{}", action.name), &namespace).unwrap();
    let descriptor = ActionDescriptor {
        id,
        version: Version::FIRST,
        revision: Revision("1-a".to_owned()),
        kind: action.kind.to_owned(),
        image: action.image.parse().unwrap(),
        user_provided_image: false,
        sentinelled_logs: true,
        main: None,
        binary: action.binary,
        has_code: true,
        limits: ActionLimits { timeout: 60_000, memory: 256, logs: 10, concurrency: 1, instances: None },
    };
    let claims = Claims {
        activation_id: ActivationId::generate(),
        namespace: namespace.clone(),
        namespace_uuid: "uuid".into(),
        subject: "someone".into(),
        action: descriptor.id.clone(),
        revision: descriptor.revision.clone(),
        invoker: INVOKER,
        attempt: 1,
        deadline: i64::MAX,
        cache: None,
    };
    let ticket = issuer().issue(&claims).unwrap();
    Dispatch {
        trace: None,
        transaction: TransactionId::generate(),
        activation_id: claims.activation_id,
        action: Arc::new(descriptor),
        caller: Caller { subject: claims.subject, namespace, namespace_uuid: claims.namespace_uuid },
        api_key: None,
        arguments: RawValue::from_string(arguments.to_owned()).unwrap().into(),
        init_environment: Vec::new(),
        cause: None,
        binding: None,
        received: 1_760_000_000_000,
        attempt: 1,
        delivery: Delivery::AtLeastOnce,
        response_limits: ResponseLimits { max: 1 << 20, truncation: 1 << 10 },
        store: StorePolicy::ALWAYS,
        cache: None,
        ticket: Some(ticket),
    }
}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder: PathBuf| folder.join(program)).any(|path| path.is_file())
}
