//! A server with one small service, certificates for it, and channels to it.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_grpc::channel::Backoff;
use oxwhisk_grpc::dev_certificates::{Authority, Validity};
use oxwhisk_grpc::{
    Access, Address, Channel, ChannelOptions, Expected, Identity, Listener, Peer, Role, Security, Server,
    ServerOptions, TlsFiles, TlsSource, Trust, channel,
};
use oxwhisk_proto::admin::v1::system_client::SystemClient;
use oxwhisk_proto::admin::v1::system_server::{System, SystemServer};
use oxwhisk_proto::admin::v1::{
    GetConfigRequest, GetConfigResponse, GetQueueDepthsRequest, GetQueueDepthsResponse,
    InvalidateCacheRequest, InvalidateCacheResponse,
};
use oxwhisk_service::Readiness;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// Largest message the service takes, bytes.
pub(crate) const MESSAGE: usize = 64 << 10;

/// Says who calls it.
#[derive(Debug)]
struct WhoCalls(Arc<Notify>);

#[tonic::async_trait]
impl System for WhoCalls {
    async fn get_config(
        &self,
        request: Request<GetConfigRequest>,
    ) -> Result<Response<GetConfigResponse>, Status> {
        let peer = request.extensions().get::<Peer>().map(ToString::to_string);
        Ok(Response::new(GetConfigResponse { toml: peer.unwrap_or_default() }))
    }

    /// Never answers.
    async fn get_queue_depths(
        &self,
        _request: Request<GetQueueDepthsRequest>,
    ) -> Result<Response<GetQueueDepthsResponse>, Status> {
        self.0.notify_one();
        std::future::pending().await
    }

    async fn invalidate_cache(
        &self,
        _request: Request<InvalidateCacheRequest>,
    ) -> Result<Response<InvalidateCacheResponse>, Status> {
        Ok(Response::new(InvalidateCacheResponse {}))
    }
}

pub(crate) fn identity(text: &str) -> Identity {
    text.parse().expect("an identity")
}

/// An authority and a directory for what it issues.
pub(crate) struct Certificates {
    pub(crate) authority: Authority,
    pub(crate) dir: TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let authority = Authority::generate("test").expect("an authority");
        Self { authority, dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn files(&self, peer: &str) -> TlsFiles {
        self.files_with(peer, Validity::a_year())
    }

    pub(crate) fn files_with(&self, peer: &str, validity: Validity) -> TlsFiles {
        let issued = self.authority.issue(&identity(peer), validity).expect("issued");
        self.authority.write(&self.dir.path().join(peer), &issued).expect("written")
    }

    pub(crate) fn source(&self, peer: &str) -> Arc<TlsSource> {
        Arc::new(TlsSource::open(self.files(peer)).expect("usable"))
    }

    /// Trust of `own` in a server `expected`.
    pub(crate) fn trust(&self, own: &str, expected: &str) -> Trust {
        Trust::MutualTls { tls: self.source(own), expected: Expected::Peer(identity(expected)) }
    }
}

/// Short limits, so that tests of them are short.
pub(crate) fn options() -> ServerOptions {
    ServerOptions {
        handshake_timeout: Duration::from_millis(500),
        request_timeout: Duration::from_secs(5),
        keep_alive_interval: Duration::from_millis(200),
        keep_alive_timeout: Duration::from_millis(200),
        grace: Duration::from_millis(300),
        ..ServerOptions::default()
    }
}

/// A running server.
pub(crate) struct Running {
    pub(crate) address: Address,
    pub(crate) readiness: Readiness,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<bool>,
    /// Told when a call has begun that never ends.
    pub(crate) begun: Arc<Notify>,
}

pub(crate) async fn start(security: Security) -> Running {
    start_with(security, &"127.0.0.1:0".parse().expect("an address"), options()).await
}

pub(crate) async fn start_with(security: Security, address: &Address, options: ServerOptions) -> Running {
    let (readiness, begun) = (Readiness::new(), Arc::new(Notify::new()));
    let service = SystemServer::new(WhoCalls(Arc::clone(&begun))).max_decoding_message_size(MESSAGE);
    let server = Server::builder(options)
        .service(Access::roles(&[Role::Admin, Role::Controller]), service)
        .reflection(oxwhisk_proto::DESCRIPTORS)
        .expect("descriptors")
        .health(readiness.clone())
        .build();
    let listener = Listener::bind(address, security).await.expect("bound");
    let (address, stop) = (listener.address().clone(), CancellationToken::new());
    let served = tokio::spawn(server.serve(listener, stop.clone()));
    Running { address, readiness, stop, served, begun }
}

/// A server `controller/c0` with mutual TLS.
pub(crate) async fn start_tls(certificates: &Certificates) -> Running {
    start(Security::MutualTls(certificates.source("controller/c0"))).await
}

pub(crate) fn plaintext() -> Trust {
    Trust::Plaintext { insecure: false }
}

pub(crate) fn channel_options() -> ChannelOptions {
    ChannelOptions {
        connect_timeout: Duration::from_secs(1),
        request_timeout: Some(Duration::from_secs(10)),
        backoff: Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(5) },
        ..ChannelOptions::default()
    }
}

pub(crate) fn open(address: &Address, trust: Trust) -> Channel {
    channel::connect(address.clone(), trust, &channel_options()).expect("a channel")
}

/// Whom the server believes to talk to.
pub(crate) async fn who(channel: Channel) -> Result<String, Status> {
    let answer = SystemClient::new(channel).get_config(GetConfigRequest {}).await?;
    Ok(answer.into_inner().toml)
}

/// The status with everything behind it, as one text.
pub(crate) fn explained(status: &Status) -> String {
    let mut text = status.to_string();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
