//! The gRPC service.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use oxwhisk_grpc::Peer;
use oxwhisk_proto::dispatch::v1 as wire;
use oxwhisk_proto::dispatch::v1::dispatch_server::Dispatch;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::conversation;
use super::shell::Shell;
use crate::INLINE_MAX;
use crate::convert::activation_id;

/// Serves `oxwhisk.dispatch.v1.Dispatch`.
#[derive(Debug)]
pub struct DispatchService(pub(super) Arc<Shell>);

type Parts<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Dispatch for DispatchService {
    type ConverseStream = ReceiverStream<Result<wire::ConverseResponse, Status>>;
    type GetRecordStream = Parts<wire::GetRecordResponse>;

    async fn converse(
        &self,
        request: Request<Streaming<wire::ConverseRequest>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        let shell = Arc::clone(&self.0);
        let peer = request.extensions().get::<Peer>().cloned();
        let mut messages = request.into_inner();
        let hello = conversation::hello(&shell, peer.as_ref(), &mut messages).await?;
        if shell.stop.is_cancelled() {
            // A conversation would end as it begins, and be begun again at once.
            return Err(Status::unavailable("the invoker has shut down"));
        }
        if shell.invoker().is_none() {
            // Refused dispatches would be worse: a test action that is not answered keeps an invoker from work for a minute.
            return Err(Status::unavailable("the container pool is not up yet"));
        }
        let (outbound, unsent) = mpsc::channel(shell.options.max_unsent);
        let conversing = conversation::begin(&shell, peer.as_ref(), hello, outbound);
        self.0.tasks.spawn(conversation::carry_on(shell, conversing, messages));
        Ok(Response::new(ReceiverStream::new(unsent)))
    }

    async fn put_arguments(
        &self,
        request: Request<Streaming<wire::PutArgumentsRequest>>,
    ) -> Result<Response<wire::PutArgumentsResponse>, Status> {
        let mut parts = request.into_inner();
        let first =
            parts.message().await?.ok_or_else(|| Status::invalid_argument("there is no first part"))?;
        let id = activation_id(&first.activation_id)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let size = usize::try_from(first.size).unwrap_or(usize::MAX);
        if size > self.0.put.max() {
            return Err(Status::resource_exhausted(format!("{size} bytes are more than this invoker takes")));
        }
        let mut arguments = BytesMut::from(&*first.part);
        while let Some(part) = parts.message().await? {
            if arguments.len() + part.part.len() > size {
                return Err(Status::invalid_argument(format!(
                    "they are longer than the {size} bytes announced"
                )));
            }
            arguments.extend_from_slice(&part.part);
        }
        if arguments.len() != size {
            return Err(Status::invalid_argument(format!("they are not the {size} bytes announced")));
        }
        if !self.0.put.put(id, arguments.freeze(), Instant::now()) {
            return Err(Status::resource_exhausted("too many arguments wait for their dispatch"));
        }
        Ok(Response::new(wire::PutArgumentsResponse {}))
    }

    async fn get_record(
        &self,
        request: Request<wire::GetRecordRequest>,
    ) -> Result<Response<Self::GetRecordStream>, Status> {
        let id = activation_id(&request.into_inner().activation_id)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let document = self.0.state().work.get(&id).map(|work| work.document.clone());
        match document {
            Some(document) if !document.is_empty() => {
                Ok(Response::new(Box::pin(tokio_stream::iter(cut(document)))))
            }
            _ => Err(Status::not_found("there is no such record here")),
        }
    }
}

fn cut(mut document: Bytes) -> impl Iterator<Item = Result<wire::GetRecordResponse, Status>> + Send {
    std::iter::from_fn(move || {
        let length = document.len().min(INLINE_MAX);
        (length > 0).then(|| Ok(wire::GetRecordResponse { part: document.split_to(length) }))
    })
}
