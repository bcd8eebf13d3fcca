//! Which service a request is for, and whether its sender may call it.

use std::collections::HashMap;
use std::convert::Infallible;

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;
use tower::util::BoxCloneSyncService;

use super::access::Access;
use crate::peer::Peer;

/// A service, ready to be called.
pub(super) type Callee = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Services by their full names: `oxwhisk.admin.v1.Subjects`.
#[derive(Debug, Default)]
pub(super) struct Routes(HashMap<&'static str, (Access, Callee)>);

impl Routes {
    pub(super) fn add<S>(&mut self, access: Access, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.0.insert(S::NAME, (access, BoxCloneSyncService::new(service)));
    }

    /// What is at `path`, `/<service>/<method>`, for `peer`.
    ///
    /// # Errors
    /// PERMISSION_DENIED or UNIMPLEMENTED.
    pub(super) fn find(&self, path: &str, peer: &Peer) -> Result<Callee, Status> {
        let service = path.strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default();
        let (access, callee) = self
            .0
            .get(service)
            .ok_or_else(|| Status::unimplemented(format!("there is no service '{}'", shown(service))))?;
        if access.admits(peer) {
            Ok(callee.clone())
        } else {
            tracing::warn!(%peer, service, "a caller was refused");
            Err(Status::permission_denied(format!("{peer} may not call {service}")))
        }
    }
}

/// The beginning of a text that a stranger has chosen.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}
