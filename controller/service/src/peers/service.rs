//! The gRPC service: the end that is called.

use std::pin::Pin;
use std::sync::Arc;

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_grpc::Peer as Caller;
use oxwhisk_proto::peer::v1::peer_server::Peer;
use oxwhisk_proto::peer::v1::{
    GetRecentRequest, GetRecentResponse, GreetRequest, GreetResponse, PeerMessage,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use super::directory::{Input, Shared};
use super::identity::Introduced;
use super::session::{Session, introduced, introduction};

/// Bytes of one part of a record.
const PART: usize = 64 << 10;

/// Serves `oxwhisk.peer.v1.Peer`.
#[derive(Debug)]
pub struct PeerService(Arc<Shared>);

type Messages = Pin<Box<dyn Stream<Item = Result<PeerMessage, Status>> + Send>>;
type Parts = Pin<Box<dyn Stream<Item = Result<GetRecentResponse, Status>> + Send>>;

impl PeerService {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Whoever introduces itself is who its certificate says, and not this controller.
    fn check(&self, caller: Option<&Caller>, introduced: &Introduced) -> Result<(), Status> {
        let said = &introduced.peer.name;
        if let Some(identity) = caller.and_then(Caller::identity)
            && identity.name() != said
        {
            return Err(Status::permission_denied(format!("'{}' says that it is '{said}'", identity.name())));
        }
        if *said == self.0.own.name {
            tracing::error!(controller = said, "another process has this controller's name");
            return Err(Status::already_exists(format!("there is a '{said}' already")));
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    type ConverseStream = Messages;
    type GetRecentStream = Parts;

    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetResponse>, Status> {
        let caller = request.extensions().get::<Caller>().cloned();
        let introduced = Introduced::try_from(request.into_inner().from)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        self.check(caller.as_ref(), &introduced)?;
        self.0.input(Input::Met(introduced)).await;
        Ok(Response::new(GreetResponse { from: Some(self.0.own.introduce(self.0.is_leaving())) }))
    }

    async fn converse(&self, request: Request<Streaming<PeerMessage>>) -> Result<Response<Messages>, Status> {
        let shared = &self.0;
        let caller = request.extensions().get::<Caller>().cloned();
        let mut messages = request.into_inner();
        let introduced = introduced(shared, &mut messages).await?;
        self.check(caller.as_ref(), &introduced)?;
        if shared.is_leaving() || introduced.leaving {
            return Err(Status::unavailable("one of the two is about to end"));
        }
        let (unsent, outgoing) = mpsc::channel(shared.options.max_unsent);
        let first = unsent.try_send(introduction(shared));
        first.map_err(|_| Status::internal("there is no room for an introduction"))?;
        let peer = introduced.peer.clone();
        shared.input(Input::Met(introduced)).await;
        let session = Session::begin(Arc::clone(shared), peer, unsent, messages);
        shared.spawn(session.carry_on());
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing).map(Ok))))
    }

    async fn get_recent(&self, request: Request<GetRecentRequest>) -> Result<Response<Parts>, Status> {
        let GetRecentRequest { namespace, activation_id } = request.into_inner();
        let wrong = |error: &dyn std::fmt::Display| Status::invalid_argument(error.to_string());
        let namespace = EntityName::new(&namespace).map_err(|error| wrong(&error))?;
        let id: ActivationId = activation_id.parse().map_err(|error| wrong(&error))?;
        let record = self.0.records.held(&namespace, id);
        let record = record.ok_or_else(|| Status::not_found("there is no such record here"))?;
        let parts = cut(record.to_document(record.end).into_bytes());
        Ok(Response::new(Box::pin(tokio_stream::iter(parts))))
    }
}

fn cut(document: Vec<u8>) -> impl Iterator<Item = Result<GetRecentResponse, Status>> + Send {
    let mut at = 0;
    std::iter::from_fn(move || {
        let end = document.len().min(at + PART);
        let part = document.get(at..end).filter(|part| !part.is_empty())?.to_vec();
        at = end;
        Some(Ok(GetRecentResponse { part }))
    })
}
