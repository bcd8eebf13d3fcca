//! A controller that serves code, and peers with certificates.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_controller::StoredCode;
use oxwhisk_controller_service::CodeService;
use oxwhisk_core::id::{ActivationId, InvokerId, Revision};
use oxwhisk_core::limits::SystemLimits;
use oxwhisk_core::manifest::Manifest;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_grpc::channel::connect;
use oxwhisk_grpc::dev_certificates::{Authority, Validity};
use oxwhisk_grpc::{
    Access, Address, ChannelOptions, Expected, Identity, Listener, Role, Security, Server, ServerOptions,
    TlsSource, Trust,
};
use oxwhisk_proto::code::v1::GetCodeRequest;
use oxwhisk_proto::code::v1::code_client::CodeClient;
use oxwhisk_proto::code::v1::code_server::CodeServer;
use oxwhisk_store::memory::{MemoryAttachmentStore, MemoryEntityStore};
use oxwhisk_store::{Collection, EntityDocument, EntityStore};
use oxwhisk_ticket::{Audience, Claims, KeyRing, Ticket, TicketIssuer, TicketVerifier};
use tokio_util::sync::CancellationToken;
use tonic::Status;

const MANIFEST: &str = r#"{"runtimes": {"go": [{"kind": "go:1", "image": {"name": "g"}}]}}"#;

pub(crate) fn issuer(fill: char) -> TicketIssuer {
    TicketIssuer::new(ring(fill), ring('E'))
}

/// Checks any issuer's tickets as a cache-proxy does.
pub(crate) fn cache_proxies() -> TicketVerifier {
    TicketVerifier::new(Audience::CacheProxies, ring('E'))
}

fn ring(fill: char) -> KeyRing {
    KeyRing::parse(&format!("1:{}=", fill.to_string().repeat(43)).into()).unwrap()
}

pub(crate) fn action(name: &str) -> FullyQualifiedName {
    FullyQualifiedName::parse(name, &EntityName::new("guest").unwrap()).unwrap()
}

pub(crate) fn claims(action_name: &str) -> Claims {
    Claims {
        activation_id: ActivationId::generate(),
        namespace: EntityName::new("caller").unwrap(),
        namespace_uuid: "uuid".into(),
        subject: "someone".into(),
        action: action(action_name),
        revision: Revision("1-a".to_owned()),
        invoker: InvokerId(3),
        attempt: 1,
        deadline: i64::MAX,
        cache: None,
    }
}

pub(crate) fn request(ticket: &Ticket) -> GetCodeRequest {
    GetCodeRequest { ticket: ticket.as_bytes().to_vec(), kind: "go:1".to_owned(), main: None, binary: false }
}

pub(crate) struct Rig {
    pub(crate) entities: Arc<MemoryEntityStore>,
    authority: Authority,
    directory: tempfile::TempDir,
    address: Address,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let entities = Arc::new(MemoryEntityStore::default());
        let code = StoredCode::new(
            Arc::new(MemoryAttachmentStore::default()),
            Arc::clone(&entities) as Arc<dyn EntityStore>,
            Arc::new(Manifest::parse(MANIFEST).unwrap()),
            SystemLimits::default(),
        );
        let service = CodeService::new(Arc::new(issuer('A')), Arc::new(code));
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::generate("test").unwrap();
        let security = Security::MutualTls(source(&authority, directory.path(), "controller/controller0"));
        let server = Server::builder(ServerOptions::default())
            .service(Access::roles(&[Role::Invoker]), CodeServer::new(service))
            .build();
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), security).await.unwrap();
        let address = listener.address().clone();
        tokio::spawn(server.serve(listener, CancellationToken::new()));
        Self { entities, authority, directory, address }
    }

    pub(crate) async fn put(&self, name: &str, code: &str) {
        let id = action(name);
        let body = serde_json::json!({
            "entityType": "action", "namespace": id.path.to_string(), "name": id.name.as_str(), "version": "0.0.1",
            "publish": false, "annotations": [], "parameters": [], "updated": 1,
            "limits": {"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1},
            "exec": {"kind": "go:1", "code": code, "binary": false},
        });
        let body = serde_json::value::to_raw_value(&body).unwrap();
        let document = EntityDocument { id, collection: Collection::Actions, updated: 1, body };
        self.entities.put(document, None).await.unwrap();
    }

    /// Asks for code as the peer of that identity, and joins the parts.
    pub(crate) async fn ask(&self, peer: &str, request: GetCodeRequest) -> Result<String, Status> {
        let tls = source(&self.authority, self.directory.path(), peer);
        let trust = Trust::MutualTls { tls, expected: Expected::Role(Role::Controller) };
        let channel = connect(self.address.clone(), trust, &ChannelOptions::default()).unwrap();
        let limit = Duration::from_secs(20);
        let asked = async {
            let mut parts = CodeClient::new(channel).get_code(request).await?.into_inner();
            let (mut code, mut size) = (Vec::new(), 0);
            while let Some(part) = parts.message().await? {
                size += part.size;
                code.extend(part.part);
            }
            assert_eq!(size, code.len() as u64);
            Ok(String::from_utf8(code).unwrap())
        };
        tokio::time::timeout(limit, asked).await.expect("in time")
    }
}

pub(crate) fn source(authority: &Authority, directory: &Path, name: &str) -> Arc<TlsSource> {
    let identity: Identity = name.parse().unwrap();
    let path = directory.join(name.replace('/', "-"));
    std::fs::create_dir_all(&path).unwrap();
    let issued = authority.issue(&identity, Validity::a_year()).unwrap();
    Arc::new(TlsSource::open(authority.write(&path, &issued).unwrap()).unwrap())
}
