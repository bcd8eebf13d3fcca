//! The proxy's end.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use oxwhisk_cache_proxy::{Control, Counts, Order};
use oxwhisk_cache_tokens::{ContainerId, Grant, Issue, Token};
use oxwhisk_core::cache::{CacheRights, CacheTier};
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_grpc::{Peer, Role};
use oxwhisk_proto::cache::v1::cache_tokens_server::CacheTokens;
use oxwhisk_proto::cache::v1::{
    Ended, IntrospectRequest, IntrospectResponse, IssueBatchRequest, IssueBatchResponse, IssueRequest,
    IssueResponse, Issued, Issuer, KeepOnlyRequest, KeepOnlyResponse, RevokeRequest, RevokeResponse, issued,
};
use oxwhisk_ticket::{Ticket, TicketError, TicketVerifier};
use tonic::{Request, Response, Status};

/// Requests in one.
const LARGEST_BATCH: usize = 1000;
/// Longest that a token may last: no action runs for longer.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `oxwhisk.cache.v1.CacheTokens`.
#[derive(Debug)]
pub struct TokensService {
    control: Arc<Control>,
    counts: Arc<Counts>,
    tickets: Arc<TicketVerifier>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    Ticket(#[from] TicketError),
    #[error("a certificate of {0} gives no tokens")]
    Role(Role),
    #[error("the ticket gives no right to the cache")]
    NoCache,
    #[error("'{0}' is no address")]
    Address(String),
    #[error("'{0}' is no activation's id")]
    Id(String),
    #[error("'{0}' is no container's name")]
    Container(String),
    #[error("{0}")]
    NoRandom(#[from] oxwhisk_cache_proxy::NoRandom),
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let text = refused.to_string();
        match refused {
            Refused::Ticket(_) | Refused::Role(_) | Refused::NoCache => Self::permission_denied(text),
            Refused::Address(_) | Refused::Id(_) | Refused::Container(_) => Self::invalid_argument(text),
            Refused::NoRandom(_) => Self::internal(text),
        }
    }
}

impl TokensService {
    #[must_use]
    pub fn new(control: Arc<Control>, counts: Arc<Counts>, tickets: Arc<TicketVerifier>) -> Self {
        Self { control, counts, tickets }
    }

    fn issue_one(&self, peer: Option<&Peer>, request: IssueRequest) -> Result<IssueResponse, Refused> {
        let claims = self.tickets.verify(&Ticket::from_bytes(request.ticket))?;
        let invoker = bearer(peer)?.unwrap_or(claims.invoker);
        claims.check_bearer(invoker)?;
        let now = now();
        claims.check_deadline(now)?;
        let grant = claims.cache.ok_or(Refused::NoCache)?;
        let address = match &*request.address {
            "" => None,
            text => Some(text.parse::<IpAddr>().map_err(|_| Refused::Address(text.to_owned()))?),
        };
        let issuer = request.issuer.unwrap_or_default();
        let asked = Duration::from_millis(request.lasts).min(LONGEST);
        let order = Order {
            issue: Issue { by: issuer.incarnation, number: request.number },
            activation_id: claims.activation_id,
            container: container(invoker, &request.container)?,
            namespace_uuid: claims.namespace_uuid,
            action: claims.action,
            grant,
            address,
            is_alone: request.is_alone,
            lasts: asked.min(left(claims.deadline, now)),
        };
        let token = self.control.issue(order)?;
        self.counts.tokens_issued.fetch_add(1, Ordering::Relaxed);
        Ok(IssueResponse { token: token.reveal() })
    }
}

/// Until the ticket's deadline.
fn left(deadline: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(deadline.saturating_sub(now)).unwrap_or_default())
}

/// The invoker that a certificate names; `None`: whoever reaches the socket is believed.
fn bearer(peer: Option<&Peer>) -> Result<Option<InvokerId>, Refused> {
    let Some(identity) = peer.and_then(Peer::identity) else { return Ok(None) };
    let invoker = InvokerId::of_name(identity.name()).filter(|_| identity.role() == Role::Invoker);
    invoker.map(Some).ok_or_else(|| Refused::Role(identity.role()))
}

/// Unique among all invokers.
fn container(invoker: InvokerId, name: &str) -> Result<ContainerId, Refused> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_plain) {
        return Err(Refused::Container(name.chars().take(128).collect()));
    }
    Ok(ContainerId(format!("{invoker}/{name}")))
}

fn is_of(invoker: InvokerId, container: &ContainerId) -> bool {
    container.0.split_once('/').is_some_and(|(of, _)| of == invoker.to_string())
}

/// Who says it: as its certificate names it, or as it says where there is none.
fn teller(peer: Option<&Peer>, issuer: Option<&Issuer>) -> Result<InvokerId, Refused> {
    let said = InvokerId(issuer.map(|issuer| issuer.invoker).unwrap_or_default());
    Ok(bearer(peer)?.unwrap_or(said))
}

fn ids(texts: &[String]) -> Result<Vec<ActivationId>, Refused> {
    texts.iter().map(|text| id(text)).collect()
}

fn id(text: &str) -> Result<ActivationId, Refused> {
    text.parse().map_err(|_| Refused::Id(text.chars().take(64).collect()))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn peer_of<T>(request: &Request<T>) -> Option<Peer> {
    request.extensions().get::<Peer>().cloned()
}

#[tonic::async_trait]
impl CacheTokens for TokensService {
    async fn issue(&self, request: Request<IssueRequest>) -> Result<Response<IssueResponse>, Status> {
        let peer = peer_of(&request);
        let issued = self.issue_one(peer.as_ref(), request.into_inner()).inspect_err(|error| {
            tracing::warn!(peer = peer.as_ref().map(tracing::field::display), %error, "a token is refused");
        });
        Ok(Response::new(issued?))
    }

    async fn issue_batch(
        &self,
        request: Request<IssueBatchRequest>,
    ) -> Result<Response<IssueBatchResponse>, Status> {
        let peer = peer_of(&request);
        let requests = request.into_inner().requests;
        if requests.len() > LARGEST_BATCH {
            return Err(Status::invalid_argument(format!("more than {LARGEST_BATCH} requests in one")));
        }
        let issue = |request| {
            let outcome = match self.issue_one(peer.as_ref(), request) {
                Ok(token) => issued::Outcome::Token(token),
                Err(refused) => issued::Outcome::Refusal(refused.to_string()),
            };
            Issued { outcome: Some(outcome) }
        };
        Ok(Response::new(IssueBatchResponse { issued: requests.into_iter().map(issue).collect() }))
    }

    async fn revoke(&self, request: Request<RevokeRequest>) -> Result<Response<RevokeResponse>, Status> {
        let peer = peer_of(&request);
        let request = request.into_inner();
        let invoker = teller(peer.as_ref(), request.issuer.as_ref())?;
        let incarnation = request.issuer.unwrap_or_default().incarnation;
        for Ended { activation_id, up_to } in &request.ended {
            let id = id(activation_id)?;
            let is_meant = |grant: &Grant| {
                // What another process of the invoker's was issued is over, too.
                is_of(invoker, &grant.container)
                    && (grant.issue.by != incarnation || grant.issue.number <= *up_to)
            };
            if self.control.revoke_of(id, is_meant) {
                self.counts.tokens_revoked.fetch_add(1, Ordering::Relaxed);
            }
        }
        for name in &request.containers {
            self.control.forget_container(&container(invoker, name)?);
        }
        Ok(Response::new(RevokeResponse {}))
    }

    async fn keep_only(
        &self,
        request: Request<KeepOnlyRequest>,
    ) -> Result<Response<KeepOnlyResponse>, Status> {
        let peer = peer_of(&request);
        let request = request.into_inner();
        let invoker = teller(peer.as_ref(), request.issuer.as_ref())?;
        let incarnation = request.issuer.unwrap_or_default().incarnation;
        let living = ids(&request.activation_ids)?;
        self.control.keep_only(&living, |grant: &Grant| {
            // What another process of it has left behind is over, too.
            is_of(invoker, &grant.container)
                && (grant.issue.by != incarnation || grant.issue.number <= request.up_to)
        });
        Ok(Response::new(KeepOnlyResponse {}))
    }

    async fn introspect(
        &self,
        request: Request<IntrospectRequest>,
    ) -> Result<Response<IntrospectResponse>, Status> {
        let peer = peer_of(&request);
        let request = request.into_inner();
        let invoker = teller(peer.as_ref(), request.issuer.as_ref())?;
        let token: Option<Token> = request.token.parse().ok();
        let grant = token.and_then(|token| self.control.introspect(&token));
        let grant = grant.filter(|grant| is_of(invoker, &grant.container));
        let grant = grant.ok_or_else(|| Status::not_found("the token is worth nothing"))?;
        Ok(Response::new(described(&grant)))
    }
}

fn described(grant: &Grant) -> IntrospectResponse {
    let left = grant.deadline.saturating_duration_since(Instant::now());
    IntrospectResponse {
        activation_id: grant.activation_id.to_string(),
        container: grant.container.0.split_once('/').map(|(_, name)| name.to_owned()).unwrap_or_default(),
        scope: grant.scope.scope().share.kind().as_str().to_owned(),
        rights: match grant.rights {
            CacheRights::Read => "read",
            CacheRights::Write => "write",
        }
        .to_owned(),
        tier: match grant.tier {
            CacheTier::Local => "local",
            CacheTier::Global => "global",
        }
        .to_owned(),
        left: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
    }
}
