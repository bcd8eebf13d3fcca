//! The controller itself.

use std::sync::Arc;

use oxwhisk_messaging::Topic;
use oxwhisk_proto::admin::v1::system_server::System;
use oxwhisk_proto::admin::v1::{self, CacheScope};
use tonic::{Request, Response, Status};

use crate::parts::Parts;
use crate::status;

#[derive(Clone, Debug)]
pub(crate) struct Service(Arc<Parts>);

impl Service {
    pub(crate) fn new(parts: &Arc<Parts>) -> Self {
        Self(Arc::clone(parts))
    }
}

#[tonic::async_trait]
impl System for Service {
    async fn get_queue_depths(
        &self,
        _request: Request<v1::GetQueueDepthsRequest>,
    ) -> Result<Response<v1::GetQueueDepthsResponse>, Status> {
        let mut queues = Vec::new();
        for topic in Topic::ALL {
            let depth = self.0.bus.depth(topic).await.map_err(|error| status::of_bus(&error))?;
            queues.push(v1::QueueDepth { topic: topic.name().to_owned(), depth });
        }
        Ok(Response::new(v1::GetQueueDepthsResponse { queues }))
    }

    async fn invalidate_cache(
        &self,
        request: Request<v1::InvalidateCacheRequest>,
    ) -> Result<Response<v1::InvalidateCacheResponse>, Status> {
        let scope = request.into_inner().scope;
        let scope = CacheScope::try_from(scope)
            .map_err(|_| Status::invalid_argument(format!("there is no cache {scope}")))?;
        if scope != CacheScope::Entities {
            self.0.caches.forget_identities().await;
        }
        if scope != CacheScope::Identities {
            self.0.caches.forget_entities().await;
        }
        tracing::info!(scope = scope.as_str_name(), "caches were made to forget");
        Ok(Response::new(v1::InvalidateCacheResponse {}))
    }

    async fn get_config(
        &self,
        _request: Request<v1::GetConfigRequest>,
    ) -> Result<Response<v1::GetConfigResponse>, Status> {
        Ok(Response::new(v1::GetConfigResponse { toml: self.0.config.clone() }))
    }
}
