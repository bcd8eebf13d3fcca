//! Resources of the REST API, one module each.

mod actions;
mod activations;
pub(crate) mod info;
mod lists;
mod namespaces;

use std::sync::Arc;

use http::Method;
use oxwhisk_core::name::EntityName;

use crate::Controller;
use crate::auth::Caller;
use crate::controller::Call;
use crate::http::fault::Fault;
use crate::http::path::{CollectionName, Resource};
use crate::http::reply::Reply;

/// Answers a request of an authenticated caller.
pub(crate) async fn resource(
    controller: &Controller,
    call: Call,
    caller: Arc<Caller>,
    resource: Resource,
) -> Result<Reply, Fault> {
    match resource {
        Resource::Namespaces => namespaces::list(&call, &caller),
        Resource::Limits { namespace } => {
            namespaces::limits(&call, &caller, &namespace_of(&caller, &namespace)?)
        }
        Resource::LimitsInner { namespace } => {
            namespace_of(&caller, &namespace)?;
            Err(Fault::validation("Inner entity level routes for limits are not yet implemented."))
        }
        Resource::Collection { namespace, collection } => {
            let namespace = namespace_of(&caller, &namespace)?;
            require(&call, &Method::GET)?;
            match collection {
                CollectionName::Activations => {
                    activations::list(controller, &call, &caller, &namespace).await
                }
                _ => lists::list(controller, &call, &caller, &namespace, collection).await,
            }
        }
        Resource::Entity { namespace, collection, name } => {
            let namespace = namespace_of(&caller, &namespace)?;
            match collection {
                CollectionName::Actions => actions::entity(controller, call, caller, namespace, &name).await,
                CollectionName::Activations => {
                    activations::record(controller, &call, &caller, &namespace, &name).await
                }
                _ => lists::entity(controller, &call, &caller, &namespace, collection, &name).await,
            }
        }
        Resource::PackageActions { namespace, package } => {
            let namespace = namespace_of(&caller, &namespace)?;
            actions::in_package(controller, &call, &caller, &namespace, &package).await
        }
        Resource::PackagedAction { namespace, package, name } => {
            let namespace = namespace_of(&caller, &namespace)?;
            actions::packaged(controller, &call, &caller, &namespace, &package, &name).await
        }
        Resource::ActivationPart { namespace, id, part } => {
            let namespace = namespace_of(&caller, &namespace)?;
            activations::part(controller, &call, &caller, &namespace, &id, part).await
        }
    }
}

/// The namespace a path segment names; `_` is the caller's own.
fn namespace_of(caller: &Caller, segment: &str) -> Result<EntityName, Fault> {
    if segment == "_" {
        return Ok(caller.identity.namespace.clone());
    }
    EntityName::namespace(segment).map_err(|error| Fault::validation(error.to_string()))
}

/// # Errors
/// 404 for any other method, as if nothing were there.
fn require(call: &Call, method: &Method) -> Result<(), Fault> {
    if call.method == *method { Ok(()) } else { Err(Fault::no_route()) }
}

/// # Errors
/// 403 naming `resource` unless the namespace is the caller's own.
fn require_owner(
    caller: &Caller,
    namespace: &EntityName,
    resource: impl FnOnce() -> String,
) -> Result<(), Fault> {
    if caller.identity.namespace == *namespace { Ok(()) } else { Err(Fault::forbidden(vec![resource()])) }
}

fn entity_name(text: &str) -> Result<EntityName, Fault> {
    EntityName::new(text).map_err(|error| Fault::validation(error.to_string()))
}
