//! What administrators see of a proxy, and do.

use oxwhisk_cache_proxy::{Administration, NotFlushed, Session};
use oxwhisk_cache_tokens::{Account, Usage};
use oxwhisk_core::cache::CacheTier;
use oxwhisk_proto::cache::v1::cache_admin_server::CacheAdmin;
use oxwhisk_proto::cache::v1::{
    self as proto, FlushRequest, FlushResponse, ListSessionsRequest, ListSessionsResponse, NamespaceUsage,
    TierUsage, UsageRequest, UsageResponse,
};
use tonic::{Request, Response, Status};

/// `oxwhisk.cache.v1.CacheAdmin`.
#[derive(Clone, Debug)]
pub struct AdminService(Administration);

impl AdminService {
    #[must_use]
    pub const fn new(administration: Administration) -> Self {
        Self(administration)
    }
}

#[tonic::async_trait]
impl CacheAdmin for AdminService {
    async fn usage(&self, request: Request<UsageRequest>) -> Result<Response<UsageResponse>, Status> {
        let wanted = request.into_inner().namespace_uuid;
        let accounts = self.0.accounts();
        let mut namespaces: Vec<NamespaceUsage> = accounts
            .iter()
            .filter(|account| wanted.is_empty() || **account.namespace_uuid() == *wanted)
            .map(|account| used(account))
            .collect();
        namespaces.sort_by(|one, other| one.namespace_uuid.cmp(&other.namespace_uuid));
        Ok(Response::new(UsageResponse { namespaces }))
    }

    async fn flush(&self, request: Request<FlushRequest>) -> Result<Response<FlushResponse>, Status> {
        let FlushRequest { namespace_uuid, tier } = request.into_inner();
        let tier = match &*tier {
            "local" => CacheTier::Local,
            "global" => CacheTier::Global,
            other => {
                let shown: String = other.chars().take(64).collect();
                return Err(Status::invalid_argument(format!("'{shown}' is neither 'local' nor 'global'")));
            }
        };
        if namespace_uuid.is_empty() {
            return Err(Status::invalid_argument("there is no namespace_uuid"));
        }
        let flushed = self.0.flush(&namespace_uuid, tier).await;
        let keys = flushed.map_err(|error| match error {
            NotFlushed::NoTier => Status::invalid_argument(error.to_string()),
            NotFlushed::Upstream(_) => Status::unavailable(error.to_string()),
        })?;
        tracing::info!(namespace_uuid, ?tier, keys, "a namespace's share of the cache was emptied");
        Ok(Response::new(FlushResponse { keys }))
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let wanted = request.into_inner().namespace_uuid;
        let of_namespace = |session: &Session| {
            wanted.is_empty() || session.login.as_ref().is_some_and(|login| *login.namespace_uuid == *wanted)
        };
        let sessions = self.0.sessions().into_iter().filter(of_namespace).map(session).collect();
        Ok(Response::new(ListSessionsResponse { sessions }))
    }
}

fn used(account: &Account) -> NamespaceUsage {
    let of = |tier| {
        let Usage { bytes, keys } = account.usage(tier);
        Some(TierUsage { bytes, keys })
    };
    let budget = account.budget();
    NamespaceUsage {
        namespace_uuid: account.namespace_uuid().to_string(),
        local: of(CacheTier::Local),
        global: of(CacheTier::Global),
        max_bytes: budget.bytes,
        max_keys: budget.keys,
        connections: account.connections(),
        commands: account.commands(),
    }
}

fn session(session: Session) -> proto::Session {
    let login = session.login;
    let of_login =
        |text: fn(&oxwhisk_cache_proxy::SessionLogin) -> String| login.as_ref().map(text).unwrap_or_default();
    proto::Session {
        id: session.id,
        address: session.address.map(|address| address.to_string()).unwrap_or_default(),
        age: u64::try_from(session.age.as_millis()).unwrap_or(u64::MAX),
        commands: session.commands,
        namespace_uuid: of_login(|login| login.namespace_uuid.to_string()),
        container: of_login(|login| login.container.clone()),
        activation_id: of_login(|login| login.activation_id.map(|id| id.to_string()).unwrap_or_default()),
    }
}
