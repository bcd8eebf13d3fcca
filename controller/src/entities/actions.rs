//! Actions: read through a cache, written with their code beside them.

use std::sync::Arc;

use http::StatusCode;
use oxwhisk_core::cache::CacheAnnotation;
use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::entity::{Action, ActionPut, NewActionDefaults, PutError};
use oxwhisk_core::exec::{Code, Exec};
use oxwhisk_core::id::Revision;
use oxwhisk_core::limits::{EffectiveLimits, SystemLimits};
use oxwhisk_core::manifest::Manifest;
use oxwhisk_core::name::FullyQualifiedName;
use oxwhisk_invoker_api::ActionDescriptor;
use oxwhisk_store::{Collection, EntityDocument, EntityStore, StoreError, Stored};

use crate::cache::ExpiringCache;
use crate::clock;
use crate::config::ControllerConfig;
use crate::entities::code::StoredCode;
use crate::entities::encryption::ParameterCiphers;
use crate::http::fault::Fault;
use crate::sharing::Sharing;

/// One revision of an action, ready to be invoked. Large code stays in its store.
#[derive(Debug)]
pub(crate) struct KnownAction {
    pub(crate) revision: Revision,
    pub(crate) action: Action,
    pub(crate) descriptor: Arc<ActionDescriptor>,
    /// What the deployment promises where the action says nothing.
    pub(crate) delivery: Delivery,
    /// What its author asks for.
    pub(crate) cache: CacheAnnotation,
}

/// An action as it was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// As it was given, code included.
    pub(crate) action: Action,
    pub(crate) revision: Revision,
}

#[derive(Debug)]
pub(crate) struct Actions {
    store: Arc<dyn EntityStore>,
    code: Arc<StoredCode>,
    manifest: Arc<Manifest>,
    limits: SystemLimits,
    ciphers: ParameterCiphers,
    withhold_api_key: bool,
    cache: ExpiringCache<FullyQualifiedName, Arc<KnownAction>>,
    sharing: Sharing,
    delivery: Delivery,
}

/// Actions known at once; each takes some kilobytes, since code up to 16 KiB is with it.
const CACHED_ACTIONS: usize = 10_000;

impl Actions {
    pub(crate) fn new(store: Arc<dyn EntityStore>, code: Arc<StoredCode>, config: &ControllerConfig) -> Self {
        Self {
            store,
            code,
            manifest: Arc::clone(&config.manifest),
            limits: config.limits.clone(),
            ciphers: config.parameters.clone(),
            withhold_api_key: config.features.require_api_key_annotation,
            cache: ExpiringCache::new(CACHED_ACTIONS, config.cache_ttl, config.sharing.clone()),
            sharing: config.sharing.clone(),
            delivery: config.delivery,
        }
    }

    /// Forgets all it knows.
    pub(crate) fn invalidate_all(&self) {
        self.cache.clear();
    }

    /// Forgets one action.
    pub(crate) fn invalidate(&self, id: &FullyQualifiedName) {
        self.cache.invalidate(id);
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// # Errors
    /// 404 when there is none, 409 when the name is another kind of entity's, 500 when it cannot be read.
    pub(crate) async fn get(&self, id: &FullyQualifiedName) -> Result<Arc<KnownAction>, Fault> {
        self.find(id).await?.ok_or_else(Fault::not_found)
    }

    /// As [`Actions::get`], with `None` for one that is not there.
    pub(crate) async fn find(&self, id: &FullyQualifiedName) -> Result<Option<Arc<KnownAction>>, Fault> {
        if let Some(known) = self.cache.get(id) {
            return Ok(Some(known));
        }
        let token = self.cache.begin_read();
        let Some(stored) = self.store.get(id).await.map_err(store_fault)? else {
            self.cache.forget(id);
            return Ok(None);
        };
        let known = match self.cache.last_known(id) {
            Some(known) if known.revision == stored.revision => known,
            _ => Arc::new(self.known(stored)?),
        };
        self.cache.finish_read(token, id.clone(), Arc::clone(&known));
        Ok(Some(known))
    }

    /// The action with its code in it, as clients see it.
    pub(crate) async fn with_code(&self, known: &KnownAction) -> Result<Action, Fault> {
        self.inline(&known.action).await
    }

    /// Creates or updates an action; answers it as it was given, code included. What is stored and what later readings
    /// answer has its parameters encrypted, where the deployment encrypts them.
    pub(crate) async fn put(
        &self,
        id: FullyQualifiedName,
        put: ActionPut,
        overwrite: bool,
    ) -> Result<Written, Fault> {
        let stored = self.store.get(&id).await.map_err(store_fault)?;
        let replaces_code = put.exec.is_some();
        let (mut action, replaced) = match stored {
            None => {
                let defaults = NewActionDefaults {
                    limits: self.limits.default_action_limits(),
                    withhold_api_key: self.withhold_api_key,
                };
                let action = put.create(id.clone(), clock::now_ms(), defaults, &self.manifest);
                (action.map_err(put_fault)?, None)
            }
            Some(stored) => {
                check_collection(&stored)?;
                if !overwrite {
                    return Err(Fault::terminate(StatusCode::CONFLICT, "resource already exists"));
                }
                let known = self.known(stored)?;
                let action = put.update(&known.action, clock::now_ms(), &self.manifest).map_err(put_fault)?;
                (action, Some(known))
            }
        };
        let answer = if replaces_code {
            let answer = action.clone();
            self.code.store(&mut action).await.map_err(store_fault)?;
            answer
        } else {
            self.inline(&action).await?
        };
        action.parameters = self.ciphers.lock(&action.parameters).map_err(|_| {
            tracing::error!(%id, "cannot encrypt the parameters of an action");
            Fault::status(StatusCode::INTERNAL_SERVER_ERROR)
        })?;
        let document = EntityDocument {
            id: id.clone(),
            collection: Collection::Actions,
            updated: action.updated,
            body: action.to_document(),
        };
        let written = self.store.put(document, replaced.as_ref().map(|known| &known.revision)).await;
        self.changed(&id);
        let revision = written.map_err(store_fault)?;
        if replaces_code {
            self.code.prune(&action, replaced.as_ref().map(|known| &known.action)).await;
        }
        Ok(Written { action: answer, revision })
    }

    /// Creates one of the platform's own actions, in JavaScript and with the least memory there is.
    pub(crate) async fn put_system_action(&self, id: &FullyQualifiedName, code: &str) -> Result<(), Fault> {
        let memory = self.limits.memory.min.as_mb();
        let put = serde_json::json!({
            "exec": {"kind": "nodejs:default", "code": code}, "limits": {"memory": memory},
        });
        let put = serde_json::value::to_raw_value(&put).map_err(Fault::malformed_content)?;
        let put = ActionPut::from_json(&put, &self.manifest, &id.path.namespace)
            .map_err(Fault::malformed_content)?;
        match self.put(id.clone(), put, true).await {
            Ok(_) => Ok(()),
            // Another one of this name has just created it.
            Err(fault) if fault.status == StatusCode::CONFLICT => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// Deletes an action; answers it as it was.
    pub(crate) async fn delete(&self, id: &FullyQualifiedName) -> Result<Action, Fault> {
        let stored = self.store.get(id).await.map_err(store_fault)?.ok_or_else(Fault::not_found)?;
        check_collection(&stored)?;
        let known = self.known(stored)?;
        let answer = self.inline(&known.action).await?;
        let deleted = self.store.delete(id, &known.revision).await;
        self.changed(id);
        deleted.map_err(store_fault)?;
        Ok(answer)
    }

    /// Told whether or not the store has said that it was done: it may have been.
    fn changed(&self, id: &FullyQualifiedName) {
        self.cache.invalidate(id);
        self.sharing.announce(id);
    }

    async fn inline(&self, action: &Action) -> Result<Action, Fault> {
        let mut answer = action.clone();
        if let Some(text) = self.code.load(action).await.map_err(store_fault)? {
            answer.exec.set_code(Code::Inline(text));
        }
        Ok(answer)
    }

    fn known(&self, stored: Stored<EntityDocument>) -> Result<KnownAction, Fault> {
        check_collection(&stored)?;
        let body = &stored.document.body;
        let read = Action::from_document(body, &self.manifest, self.limits.default_action_limits());
        let action = read.map_err(|error| {
            tracing::error!(id = %stored.document.id, %error, "cannot read a stored action");
            Fault::corrupted()
        })?;
        let descriptor = Arc::new(self.describe(&action, &stored.revision)?);
        let cache = CacheAnnotation::of(&action.annotations);
        Ok(KnownAction { revision: stored.revision, action, descriptor, delivery: self.delivery, cache })
    }

    fn describe(&self, action: &Action, revision: &Revision) -> Result<ActionDescriptor, Fault> {
        let (image, user_provided_image, sentinelled_logs) = match &action.exec {
            Exec::Managed { kind, .. } => {
                let kind = self.manifest.kind(kind).ok_or_else(Fault::corrupted)?;
                (kind.image.clone(), false, kind.sentinelled_logs)
            }
            Exec::Blackbox { image, .. } => {
                let known = self.manifest.is_known_blackbox(image);
                (image.clone(), !known, known)
            }
            Exec::Sequence { .. } => return Err(Fault::corrupted()),
        };
        Ok(ActionDescriptor {
            id: action.id(),
            version: action.version,
            revision: revision.clone(),
            kind: action.exec.kind().to_owned(),
            image,
            user_provided_image,
            sentinelled_logs,
            main: action.exec.main().map(str::to_owned),
            binary: action.exec.binary(),
            has_code: action.exec.code().is_some(),
            limits: action.limits,
        })
    }
}

/// # Errors
/// What the namespace may not put: limits out of bounds, a kind it may not use, too large a body.
pub(crate) fn check_put(
    put: &ActionPut,
    limits: &EffectiveLimits,
    system: &SystemLimits,
) -> Result<(), Fault> {
    let sizes = [
        ("exec", put.exec.as_ref().map(Exec::size), system.exec),
        (
            "parameters",
            put.parameters.as_ref().map(oxwhisk_core::parameters::Parameters::size),
            limits.parameters,
        ),
        (
            "annotations",
            put.annotations.as_ref().map(oxwhisk_core::parameters::Parameters::size),
            system.annotations,
        ),
    ];
    for (what, size, limit) in sizes {
        if let Some(size) = size.filter(|size| *size > limit.as_bytes()) {
            return Err(Fault::too_large(what, size, limit.as_bytes()));
        }
    }
    if let Some(patch) = &put.limits {
        patch
            .check(limits)
            .map_err(|violation| Fault::terminate(StatusCode::BAD_REQUEST, violation.to_string()))?;
    }
    match put.exec.as_ref().map(Exec::kind) {
        Some(kind)
            if !limits.allowed_kinds.is_empty()
                && !limits.allowed_kinds.iter().any(|allowed| allowed == kind) =>
        {
            let text =
                format!("The supplied authentication is not authorized to access actions of kind '{kind}'.");
            Err(Fault::terminate(StatusCode::FORBIDDEN, text))
        }
        _ => Ok(()),
    }
}

fn check_collection(stored: &Stored<EntityDocument>) -> Result<(), Fault> {
    if stored.document.collection == Collection::Actions { Ok(()) } else { Err(Fault::not_in_collection()) }
}

pub(crate) fn put_fault(error: PutError) -> Fault {
    Fault::terminate(StatusCode::BAD_REQUEST, error.to_string())
}

pub(crate) fn store_fault(error: StoreError) -> Fault {
    match error {
        StoreError::Conflict => {
            Fault::terminate(StatusCode::CONFLICT, "Concurrent modification to resource detected.")
        }
        StoreError::NotFound => Fault::not_found(),
        StoreError::Corrupt(_) => {
            tracing::error!(%error, "cannot read a document");
            Fault::corrupted()
        }
        StoreError::TooLarge(_) => Fault::terminate(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        StoreError::Ambiguous | StoreError::Refused(_) | StoreError::Unavailable(_) => {
            tracing::error!(%error, "the store failed");
            Fault::status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
