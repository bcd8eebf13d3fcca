//! Who is calling.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use oxwhisk_core::limits::{EffectiveLimits, SystemLimits, UserLimits};
use oxwhisk_core::name::EntityName;
use oxwhisk_core::subject::{AuthKey, Identity};
use oxwhisk_store::{StoreError, SubjectStore};

use crate::cache::ExpiringCache;
use crate::config::ControllerConfig;
use crate::http::fault::Fault;

/// An authenticated caller with the limits in force for its namespace.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) limits: EffectiveLimits,
    /// What dispatches of this caller carry.
    pub(crate) dispatched: oxwhisk_invoker_api::Caller,
}

/// Looks callers up; what it found, or did not find, holds for a while.
#[derive(Debug)]
pub(crate) struct Authenticator {
    subjects: Arc<dyn SubjectStore>,
    limits: SystemLimits,
    /// For namespaces that set none themselves.
    defaults: UserLimits,
    /// By the value of the `Authorization` header: a hit costs no decoding.
    by_header: ExpiringCache<Vec<u8>, Option<Arc<Caller>>>,
    by_namespace: ExpiringCache<EntityName, Option<Arc<Caller>>>,
}

const CACHED_IDENTITIES: usize = 100_000;
/// Bytes of the longest header that is remembered: keys are shorter, but anybody may pad them.
const CACHED_HEADER: usize = 256;

impl Authenticator {
    pub(crate) fn new(subjects: Arc<dyn SubjectStore>, config: &ControllerConfig) -> Self {
        let ttl = config.cache_ttl;
        Self {
            subjects,
            limits: config.limits.clone(),
            defaults: config.namespace_defaults.clone(),
            by_header: ExpiringCache::new(CACHED_IDENTITIES, ttl, config.sharing.clone()),
            by_namespace: ExpiringCache::new(CACHED_IDENTITIES, ttl, config.sharing.clone()),
        }
    }

    /// # Errors
    /// 401 without credentials, or with ones that open nothing.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Fault> {
        let header = headers.get(AUTHORIZATION).map(|value| value.as_bytes().trim_ascii());
        let header = header.filter(|value| !value.is_empty()).ok_or_else(Fault::credentials_missing)?;
        if let Some(known) = self.by_header.get(header) {
            return known.ok_or_else(Fault::credentials_wrong);
        }
        let key = basic_key(header).ok_or_else(Fault::credentials_wrong)?;
        let token = self.by_header.begin_read();
        let caller =
            self.subjects.identity_by_key(&key).await.map_err(internal)?.map(|found| self.caller(found));
        if header.len() <= CACHED_HEADER {
            self.by_header.finish_read(token, header.to_vec(), caller.clone());
        }
        caller.ok_or_else(Fault::credentials_wrong)
    }

    /// The identity under which a queued invocation in `namespace` runs: looked up again, so that a namespace whose
    /// subjects were blocked meanwhile is not served.
    pub(crate) async fn of_namespace(
        &self,
        namespace: &EntityName,
    ) -> Result<Option<Arc<Caller>>, StoreError> {
        if let Some(known) = self.by_namespace.get(namespace) {
            return Ok(known);
        }
        let token = self.by_namespace.begin_read();
        let found =
            self.subjects.identity_by_namespace(namespace).await?.map(|identity| self.caller(identity));
        self.by_namespace.finish_read(token, namespace.clone(), found.clone());
        Ok(found)
    }

    /// Forgets all it knows: subjects or limits were changed.
    pub(crate) fn invalidate(&self) {
        self.by_header.clear();
        self.by_namespace.clear();
    }

    fn caller(&self, identity: Identity) -> Arc<Caller> {
        Arc::new(Caller {
            limits: EffectiveLimits::new(&self.limits, &identity.limits.or(&self.defaults)),
            dispatched: oxwhisk_invoker_api::Caller {
                subject: Arc::clone(&identity.subject),
                namespace: identity.namespace.clone(),
                namespace_uuid: identity.auth.uuid.as_str().into(),
            },
            identity,
        })
    }
}

/// The key in a `Basic` header. Other schemes and what cannot be anybody's key open nothing, as a wrong key does.
fn basic_key(header: &[u8]) -> Option<AuthKey> {
    let (scheme, encoded) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    AuthKey::parse(&decoded)
}

fn internal(error: StoreError) -> Fault {
    tracing::error!(%error, "cannot look an identity up");
    Fault::status(http::StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_basic_credentials_of_the_right_form_are_a_key() {
        let uuid = "11111111-1111-4111-8111-111111111111";
        let encoded = STANDARD.encode(format!("{uuid}:{}", "k".repeat(64)));
        for scheme in ["Basic", "basic", "BASIC"] {
            let key = basic_key(format!("{scheme} {encoded}").as_bytes()).expect(scheme);
            assert_eq!(key.uuid, uuid);
        }
        let short = STANDARD.encode(format!("{uuid}:k"));
        for header in [
            "Basic",
            &format!("Bearer {encoded}"),
            &encoded,
            "Basic !",
            &format!("Basic {short}"),
            "Basic 77+9",
        ] {
            assert!(basic_key(header.as_bytes()).is_none(), "{header}");
        }
        assert!(basic_key(b"Basic \xff").is_none());
    }
}
