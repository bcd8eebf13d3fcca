//! Putting a server together.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use http::{Request, Response};
use oxwhisk_service::Readiness;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic_health::server::HealthReporter;
use tower::Service;

use super::ServerOptions;
use super::access::Access;
use super::routes::Routes;
use super::serve::Server;

/// What every server has beside its own services.
const ALWAYS_SERVED: [&str; 2] = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];

/// A server before it serves.
#[derive(Debug)]
pub struct Builder {
    options: ServerOptions,
    routes: Routes,
    names: Vec<&'static str>,
    health: Option<Health>,
}

/// Tells health what readiness says.
pub(super) struct Health {
    pub(super) reporter: HealthReporter,
    pub(super) readiness: Readiness,
    /// Services beside the server as a whole, whose name is empty.
    pub(super) services: Vec<&'static str>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("services", &self.services).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the descriptor set cannot be served: {0}")]
pub struct ReflectionError(#[from] tonic_reflection::server::Error);

impl Server {
    #[must_use]
    pub fn builder(options: ServerOptions) -> Builder {
        Builder { options, routes: Routes::default(), names: Vec::new(), health: None }
    }
}

impl Builder {
    /// Adds a service and who may call it. Message limits are the service's own: generated servers have
    /// `max_decoding_message_size`.
    #[must_use]
    pub fn service<S>(mut self, access: Access, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes.add(access, service);
        self
    }

    /// Adds `grpc.health.v1.Health`, for every peer: the server and each service are SERVING while `readiness` says so.
    /// Call it after the services.
    #[must_use]
    pub fn health(mut self, readiness: Readiness) -> Self {
        let (reporter, service) = tonic_health::server::health_reporter();
        let services = std::mem::take(&mut self.names);
        self.health = Some(Health { reporter, readiness, services });
        self.service(Access::every_peer(), service)
    }

    /// Adds gRPC reflection, in both versions that tools use, for every peer. `descriptors` is an encoded descriptor set
    /// of the services, and of others, which are not listed. Call it after the services.
    ///
    /// # Errors
    /// When the set cannot be read.
    pub fn reflection(self, descriptors: &'static [u8]) -> Result<Self, ReflectionError> {
        let builder = || {
            let builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(descriptors)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
            let names = self.names.iter().chain(&ALWAYS_SERVED);
            names.fold(builder, |builder, name| builder.with_service_name(*name))
        };
        let (v1, v1alpha) = (builder().build_v1()?, builder().build_v1alpha()?);
        Ok(self.service(Access::every_peer(), v1).service(Access::every_peer(), v1alpha))
    }

    #[must_use]
    pub fn build(self) -> Arc<Server> {
        Arc::new(Server::new(self.options, self.routes, self.health))
    }
}
