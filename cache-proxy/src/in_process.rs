//! Tokens for an invoker in the same process, which is believed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_cache_tokens::{ContainerId, Issue};
use oxwhisk_core::id::ActivationId;
use oxwhisk_invoker_api::{CacheContainer, CacheToken, CacheTokenError, CacheTokens, Dispatch};

use crate::{Control, Counts, Order, Proxy};

/// Of a proxy of this process.
#[derive(Clone, Debug)]
pub struct InProcess {
    control: Arc<Control>,
    counts: Arc<Counts>,
}

impl InProcess {
    #[must_use]
    pub fn new(proxy: &Proxy) -> Self {
        Self { control: Arc::clone(proxy.control()), counts: Arc::clone(proxy.counts()) }
    }
}

#[async_trait]
impl CacheTokens for InProcess {
    async fn issue(
        &self,
        dispatch: &Dispatch,
        container: CacheContainer<'_>,
    ) -> Result<CacheToken, CacheTokenError> {
        let refused = |why: String| Err(CacheTokenError::Refused(why));
        let grant = match dispatch.cache.as_ref().map(|cache| &cache.grant) {
            Some(Ok(grant)) => *grant,
            Some(Err(why)) => return refused(why.clone()),
            None => return refused("the activation has no right to the cache".to_owned()),
        };
        let order = Order {
            issue: Issue::default(),
            activation_id: dispatch.activation_id,
            namespace_uuid: Arc::clone(&dispatch.caller.namespace_uuid),
            action: dispatch.action.id.clone(),
            grant,
            container: ContainerId(container.name.to_owned()),
            address: container.address,
            is_alone: container.is_alone,
            lasts: Duration::from_millis(dispatch.action.limits.timeout),
        };
        let issued = self.control.issue(order).map_err(|error| CacheTokenError::Away(error.to_string()))?;
        self.counts.tokens_issued.fetch_add(1, Ordering::Relaxed);
        Ok(CacheToken(issued.reveal()))
    }

    fn revoke(&self, id: ActivationId) {
        if self.control.revoke(id) {
            self.counts.tokens_revoked.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn forget(&self, container: &str) {
        self.control.forget_container(&ContainerId(container.to_owned()));
    }
}
