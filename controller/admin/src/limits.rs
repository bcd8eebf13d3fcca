//! Limits that namespaces set themselves.

mod convert;

use std::sync::Arc;

use oxwhisk_core::limits::UserLimits;
use oxwhisk_core::name::EntityName;
use oxwhisk_proto::admin::refusal;
use oxwhisk_proto::admin::v1::limits_server::Limits;
use oxwhisk_proto::admin::v1::{self, Reason};
use tonic::{Code, Request, Response, Status};

use crate::parts::Parts;
use crate::status;

#[derive(Clone, Debug)]
pub(crate) struct Service(Arc<Parts>);

impl Service {
    pub(crate) fn new(parts: &Arc<Parts>) -> Self {
        Self(Arc::clone(parts))
    }

    /// Replaces the limits of a namespace by what `decide` makes of them, and answers what it says beside.
    async fn change<T: Send + 'static>(
        &self,
        namespace: &EntityName,
        decide: impl FnOnce(Option<UserLimits>) -> Result<(Option<UserLimits>, T), Status> + Send + 'static,
    ) -> Result<T, Status> {
        let (parts, namespace) = (Arc::clone(&self.0), namespace.clone());
        let edit = async move {
            let of_store = |error| status::of_store(&error);
            let current = parts.subjects.limits(&namespace).await.map_err(of_store)?;
            let (limits, outcome) = decide(current)?;
            parts.subjects.put_limits(&namespace, limits.as_ref()).await.map_err(of_store)?;
            parts.caches.forget_identities().await;
            Ok(outcome)
        };
        self.0.edits.run(edit).await
    }
}

fn missing(namespace: &EntityName) -> Status {
    let text = format!("the namespace '{namespace}' sets no limits itself");
    refusal(Code::NotFound, Reason::LimitsMissing, text)
}

#[tonic::async_trait]
impl Limits for Service {
    async fn get_limits(
        &self,
        request: Request<v1::GetLimitsRequest>,
    ) -> Result<Response<v1::GetLimitsResponse>, Status> {
        let namespace = status::namespace(&request.into_inner().namespace)?;
        let found = self.0.subjects.limits(&namespace).await.map_err(|error| status::of_store(&error))?;
        let limits = found.ok_or_else(|| missing(&namespace))?;
        Ok(Response::new(v1::GetLimitsResponse { limits: Some(convert::to_proto(&limits)) }))
    }

    async fn set_limits(
        &self,
        request: Request<v1::SetLimitsRequest>,
    ) -> Result<Response<v1::SetLimitsResponse>, Status> {
        let v1::SetLimitsRequest { namespace, limits, replace } = request.into_inner();
        let namespace = status::namespace(&namespace)?;
        let wanted = convert::from_proto(limits.unwrap_or_default()).map_err(Status::invalid_argument)?;
        let decide = move |current: Option<UserLimits>| {
            let existed = current.is_some();
            let limits = if replace { wanted } else { wanted.or(&current.unwrap_or_default()) };
            Ok((Some(limits.clone()), (limits, existed)))
        };
        let (limits, existed) = self.change(&namespace, decide).await?;
        tracing::info!(%namespace, ?limits, "the limits of a namespace were set");
        let limits = Some(convert::to_proto(&limits));
        Ok(Response::new(v1::SetLimitsResponse { limits, existed }))
    }

    async fn delete_limits(
        &self,
        request: Request<v1::DeleteLimitsRequest>,
    ) -> Result<Response<v1::DeleteLimitsResponse>, Status> {
        let namespace = status::namespace(&request.into_inner().namespace)?;
        let missing = missing(&namespace);
        let decide = move |current: Option<UserLimits>| current.map(|_| (None, ())).ok_or(missing);
        self.change(&namespace, decide).await?;
        tracing::info!(%namespace, "the limits of a namespace were removed");
        Ok(Response::new(v1::DeleteLimitsResponse {}))
    }
}
