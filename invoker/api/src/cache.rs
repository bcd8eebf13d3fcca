//! Where activations get what lets them use the cache.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_core::id::ActivationId;

use crate::Dispatch;

/// A secret of one activation's, which is worth its share of the cache until it ends. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct CacheToken(pub String);

impl CacheToken {
    /// How long it may outlive the action's time limit, counted from its issue.
    pub const SLACK: Duration = Duration::from_secs(1);
}

impl fmt::Debug for CacheToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheToken(***)")
    }
}

/// The container that an activation is about to run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheContainer<'a> {
    /// Unique on this invoker.
    pub name: &'a str,
    /// The one address that its connections come from, where that is known.
    pub address: Option<IpAddr>,
    /// It has one activation at a time: connections go on in the right of the next one.
    pub is_alone: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacheTokenError {
    /// It may be there the next time.
    #[error("the cache is not available: {0}")]
    Away(String),
    /// It does not believe the activation to be what the invoker says.
    #[error("the cache gives no token: {0}")]
    Refused(String),
}

/// Where an invoker gets tokens.
#[async_trait]
pub trait CacheTokens: fmt::Debug + Send + Sync + 'static {
    /// A token for an activation that is about to begin. It is worth something until [`CacheTokens::revoke`], and no longer
    /// than [`CacheToken::SLACK`] past the action's time limit from now on. An activation may have several, one after the
    /// other; it may be revoked and be given one again, in another container. Given up half way, it is revoked too.
    ///
    /// # Errors
    /// When there is none; how long that takes is bounded.
    async fn issue(
        &self,
        dispatch: &Dispatch,
        container: CacheContainer<'_>,
    ) -> Result<CacheToken, CacheTokenError>;

    /// The activation has ended, and its tokens with it. On the warm path of every call that has one: does not wait.
    fn revoke(&self, id: ActivationId);

    /// The container is about to be ended: nothing of it is served from here on. Does not wait.
    fn forget(&self, container: &str);
}
