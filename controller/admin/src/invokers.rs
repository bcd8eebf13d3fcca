//! The invokers this controller knows.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::id::InvokerId;
use oxwhisk_proto::admin::refusal;
use oxwhisk_proto::admin::v1::invokers_server::Invokers;
use oxwhisk_proto::admin::v1::{self, InvokerHealth, InvokerMode, Reason};
use tonic::{Code, Request, Response, Status};

use crate::parts::{Health, InvokerStatus, Parts};

/// Longest wait of one request for an invoker to get empty.
const DRAIN_MAX: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub(crate) struct Service(Arc<Parts>);

impl Service {
    pub(crate) fn new(parts: &Arc<Parts>) -> Self {
        Self(Arc::clone(parts))
    }

    /// Whether that changed anything.
    async fn set_enabled(&self, id: u32, enabled: bool) -> Result<bool, Status> {
        let before = self.0.invokers.set_enabled(InvokerId(id), enabled).await;
        let changed = before.ok_or_else(|| missing(id))? != enabled;
        tracing::info!(invoker = id, enabled, changed, "an invoker was enabled or disabled");
        Ok(changed)
    }
}

fn missing(id: u32) -> Status {
    refusal(Code::NotFound, Reason::InvokerMissing, format!("there is no invoker {id}"))
}

#[tonic::async_trait]
impl Invokers for Service {
    async fn list_invokers(
        &self,
        _request: Request<v1::ListInvokersRequest>,
    ) -> Result<Response<v1::ListInvokersResponse>, Status> {
        let invokers = self.0.invokers.invokers().into_iter().map(proto_invoker).collect();
        Ok(Response::new(v1::ListInvokersResponse { invokers }))
    }

    async fn drain_invoker(
        &self,
        request: Request<v1::DrainInvokerRequest>,
    ) -> Result<Response<v1::DrainInvokerResponse>, Status> {
        let v1::DrainInvokerRequest { id, wait_ms } = request.into_inner();
        let wait = Duration::from_millis(wait_ms);
        if wait > DRAIN_MAX {
            let text = format!("wait_ms is at most {}: ask again to wait longer", DRAIN_MAX.as_millis());
            return Err(Status::invalid_argument(text));
        }
        self.set_enabled(id, false).await?;
        let running = self.0.invokers.drained(InvokerId(id), wait).await.ok_or_else(|| missing(id))?;
        Ok(Response::new(v1::DrainInvokerResponse { running }))
    }

    async fn enable_invoker(
        &self,
        request: Request<v1::EnableInvokerRequest>,
    ) -> Result<Response<v1::EnableInvokerResponse>, Status> {
        let changed = self.set_enabled(request.into_inner().id, true).await?;
        Ok(Response::new(v1::EnableInvokerResponse { changed }))
    }

    async fn disable_invoker(
        &self,
        request: Request<v1::DisableInvokerRequest>,
    ) -> Result<Response<v1::DisableInvokerResponse>, Status> {
        let changed = self.set_enabled(request.into_inner().id, false).await?;
        Ok(Response::new(v1::DisableInvokerResponse { changed }))
    }
}

fn proto_invoker(invoker: InvokerStatus) -> v1::Invoker {
    let health = match invoker.health {
        Health::Up => InvokerHealth::Up,
        Health::Down => InvokerHealth::Down,
        Health::Unhealthy => InvokerHealth::Unhealthy,
        Health::Unresponsive => InvokerHealth::Unresponsive,
    };
    let mode = if invoker.enabled { InvokerMode::Enabled } else { InvokerMode::Disabled };
    v1::Invoker {
        id: invoker.id.0,
        name: invoker.id.to_string(),
        health: health.into(),
        mode: mode.into(),
        memory_mb: invoker.memory,
        busy_memory_mb: invoker.busy,
        idle_memory_mb: invoker.idle,
        running: invoker.running,
        address: invoker.address,
        version: invoker.version,
    }
}
