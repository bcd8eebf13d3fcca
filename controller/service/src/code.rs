//! Serves code to invokers.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use oxwhisk_controller::{StoredCode, WantedCode};
use oxwhisk_core::id::InvokerId;
use oxwhisk_grpc::{Identity, Peer, Role};
use oxwhisk_invoker_api::CodeError;
use oxwhisk_proto::code::v1::code_server::Code;
use oxwhisk_proto::code::v1::{GetCodeRequest, GetCodeResponse};
use oxwhisk_ticket::{Claims, Ticket, TicketError, TicketIssuer};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

/// Bytes of one part.
const PART: usize = 64 << 10;

/// `oxwhisk.code.v1.Code`.
#[derive(Debug)]
pub struct CodeService {
    tickets: Arc<TicketIssuer>,
    code: Arc<StoredCode>,
}

impl CodeService {
    #[must_use]
    pub fn new(tickets: Arc<TicketIssuer>, code: Arc<StoredCode>) -> Self {
        Self { tickets, code }
    }

    fn admit(&self, ticket: Vec<u8>, peer: Option<&Peer>) -> Result<Claims, TicketError> {
        let claims = self.tickets.verify(&Ticket::from_bytes(ticket))?;
        if let Some(bearer) = peer.and_then(Peer::identity) {
            // Someone with a certificate that is no invoker's is nobody's bearer.
            let bearer = invoker_of(bearer).ok_or(TicketError::Stolen(claims.invoker))?;
            claims.check_bearer(bearer)?;
        }
        claims.check_deadline(now())?;
        Ok(claims)
    }
}

/// The number in `invoker/invoker<number>`.
fn invoker_of(identity: &Identity) -> Option<InvokerId> {
    Some(identity)
        .filter(|identity| identity.role() == Role::Invoker)
        .and_then(|identity| InvokerId::of_name(identity.name()))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

type Parts = Pin<Box<dyn Stream<Item = Result<GetCodeResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Code for CodeService {
    type GetCodeStream = Parts;

    async fn get_code(&self, request: Request<GetCodeRequest>) -> Result<Response<Parts>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let GetCodeRequest { ticket, kind, main, binary } = request.into_inner();
        let claims = self.admit(ticket, peer.as_ref()).map_err(|error| {
            tracing::warn!(peer = peer.map(tracing::field::display), %error, "code is refused");
            Status::permission_denied(error.to_string())
        })?;
        let wanted = WantedCode { action: &claims.action, kind: &kind, main: main.as_deref(), binary };
        let code = self.code.serve(&wanted).await.map_err(|error| refusal(&error))?;
        Ok(Response::new(Box::pin(tokio_stream::iter(cut(code.unwrap_or_default())))))
    }
}

fn refusal(error: &CodeError) -> Status {
    match error {
        CodeError::NotFound => Status::not_found(error.to_string()),
        CodeError::Mismatch => Status::failed_precondition(error.to_string()),
        CodeError::Unavailable => Status::unavailable(error.to_string()),
    }
}

fn cut(mut code: Bytes) -> impl Iterator<Item = Result<GetCodeResponse, Status>> + Send {
    let mut size = Some(code.len() as u64);
    std::iter::from_fn(move || {
        // The first part says the size, of nothing too.
        (size.is_some() || !code.is_empty()).then(|| {
            let part = code.split_to(code.len().min(PART)).to_vec();
            Ok(GetCodeResponse { size: size.take().unwrap_or_default(), part })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invokers_are_known_by_their_certificates_in_one_spelling() {
        let of = |text: &str| invoker_of(&text.parse().unwrap());
        assert_eq!(of("invoker/invoker12"), Some(InvokerId(12)));
        for other in ["controller/invoker12", "invoker/invoker012", "invoker/12", "invoker/invoker"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
