//! A proxy's tokens behind a socket, and invokers.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxwhisk_cache_proxy::{Control, Counts, ProxyConfig};
use oxwhisk_cache_remote::client::RemoteTokens;
use oxwhisk_cache_remote::server::TokensService;
use oxwhisk_core::cache::{CacheGrant, CacheUse};
use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::id::{ActivationId, InvokerId, Revision, TransactionId};
use oxwhisk_core::limits::ActionLimits;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_core::version::Version;
use oxwhisk_grpc::{
    Access, Address, Channel, ChannelOptions, Listener, Role, Security, Server, ServerOptions, Trust, channel,
};
use oxwhisk_invoker_api::{ActionDescriptor, CacheContainer, Caller, Dispatch, ResponseLimits, StorePolicy};
use oxwhisk_proto::cache::v1::cache_tokens_server::CacheTokensServer;
use oxwhisk_ticket::{Audience, Claims, KeyRing, TicketIssuer, TicketVerifier};
use serde_json::value::RawValue;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const WITHIN: Duration = Duration::from_secs(20);

fn ring(fill: char) -> KeyRing {
    // 32 bytes in base 64.
    let key = fill.to_string().repeat(42) + "A=";
    KeyRing::parse(&format!("1:{key}").into()).unwrap()
}

pub(crate) fn issuer() -> TicketIssuer {
    TicketIssuer::new(ring('C'), ring('P'))
}

/// A proxy that serves nobody but invokers.
pub(crate) struct Rig {
    pub(crate) control: Arc<Control>,
    pub(crate) address: Address,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Rig {
    pub(crate) async fn start(security: Security, address: &str) -> Self {
        let config = ProxyConfig::default();
        let control = Arc::new(Control::new(config.budget, config.token_slack));
        let mut rig = Self {
            control,
            address: address.parse().unwrap(),
            stop: CancellationToken::new(),
            serving: None,
        };
        rig.serve(security).await;
        rig
    }

    pub(crate) async fn plain() -> Self {
        Self::start(Security::Plaintext { insecure: false }, "127.0.0.1:0").await
    }

    /// Serves, at the address of before if it served before.
    pub(crate) async fn serve(&mut self, security: Security) {
        let tickets = Arc::new(TicketVerifier::new(Audience::CacheProxies, ring('P')));
        let service = TokensService::new(Arc::clone(&self.control), Arc::<Counts>::default(), tickets);
        let options = ServerOptions { grace: Duration::ZERO, ..ServerOptions::default() };
        let server = Server::builder(options)
            .service(Access::roles(&[Role::Invoker]), CacheTokensServer::new(service))
            .build();
        let listener = Listener::bind(&self.address, security).await.unwrap();
        self.address = listener.address().clone();
        self.stop = CancellationToken::new();
        let serving = server.serve(listener, self.stop.clone());
        self.serving = Some(tokio::spawn(async move {
            serving.await;
        }));
    }

    /// Nobody listens any more; what the proxy knows stays.
    pub(crate) async fn silence(&mut self) {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap();
        }
    }

    pub(crate) fn channel(&self, trust: Trust) -> Channel {
        channel::connect(self.address.clone(), trust, &ChannelOptions::default()).unwrap()
    }

    pub(crate) fn plain_channel(&self) -> Channel {
        self.channel(Trust::Plaintext { insecure: false })
    }

    /// An invoker that tells what has ended.
    pub(crate) fn invoker(&self, number: u32) -> Invoker {
        Invoker::new(self.plain_channel(), number)
    }
}

pub(crate) struct Invoker {
    pub(crate) tokens: Arc<RemoteTokens>,
    pub(crate) id: InvokerId,
    _telling: CancellationToken,
}

impl Drop for Invoker {
    fn drop(&mut self) {
        self._telling.cancel();
    }
}

impl Invoker {
    pub(crate) fn new(channel: Channel, number: u32) -> Self {
        let id = InvokerId(number);
        let tokens = RemoteTokens::new(channel, id, Duration::from_secs(5));
        let telling = CancellationToken::new();
        tokio::spawn(Arc::clone(&tokens).run(telling.clone()));
        Self { tokens, id, _telling: telling }
    }
}

pub(crate) fn container(name: &str) -> CacheContainer<'_> {
    CacheContainer { name, address: None, is_alone: true }
}

pub(crate) fn claims(invoker: InvokerId) -> Claims {
    let guest = EntityName::new("guest").unwrap();
    Claims {
        activation_id: ActivationId::generate(),
        namespace: guest.clone(),
        namespace_uuid: "uuid".into(),
        subject: "someone".into(),
        action: FullyQualifiedName::parse("guest/pkg/hello", &guest).unwrap(),
        revision: Revision("1-a".to_owned()),
        invoker,
        attempt: 1,
        deadline: now() + 600_000,
        cache: Some(CacheGrant::default()),
    }
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// A dispatch with a ticket of these claims.
pub(crate) fn dispatch(claims: &Claims) -> Dispatch {
    let ticket = issuer().issue(claims).unwrap();
    let action = ActionDescriptor {
        id: claims.action.clone(),
        version: Version::FIRST,
        revision: claims.revision.clone(),
        kind: "nodejs:20".to_owned(),
        image: "openwhisk/action-nodejs-v20:nightly".parse().unwrap(),
        user_provided_image: false,
        sentinelled_logs: true,
        main: None,
        binary: false,
        has_code: true,
        limits: ActionLimits { timeout: 60_000, memory: 256, logs: 10, concurrency: 1, instances: None },
    };
    Dispatch {
        transaction: TransactionId::generate(),
        activation_id: claims.activation_id,
        action: Arc::new(action),
        caller: Caller {
            subject: Arc::clone(&claims.subject),
            namespace: claims.namespace.clone(),
            namespace_uuid: Arc::clone(&claims.namespace_uuid),
        },
        api_key: None,
        arguments: RawValue::from_string("{}".to_owned()).unwrap().into(),
        init_environment: Vec::new(),
        cause: None,
        binding: None,
        received: 0,
        attempt: 1,
        delivery: Delivery::AtLeastOnce,
        response_limits: ResponseLimits { max: 1 << 20, truncation: 1 << 10 },
        store: StorePolicy::ALWAYS,
        cache: claims.cache.map(|grant| CacheUse { grant: Ok(grant), required: false }),
        ticket: Some(ticket),
        trace: None,
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(WITHIN, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}
