//! Who may use the cache: tokens are issued and revoked here, and shown by clients.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oxwhisk_cache_tokens::{
    Account, Accounts, Budget, ContainerId, Grant, Hold, Issue, LiveScope, LiveScopes, LiveSet, Scope, Token,
};
use oxwhisk_core::cache::{CacheGrant, CacheTier};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::FullyQualifiedName;

/// For whom a token is wanted, as somebody vouches for who is to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub issue: Issue,
    pub activation_id: ActivationId,
    pub namespace_uuid: Arc<str>,
    /// Whose code runs.
    pub action: FullyQualifiedName,
    pub grant: CacheGrant,
    pub container: ContainerId,
    /// The only address that may show it, where that is known.
    pub address: Option<IpAddr>,
    /// The container has one activation at a time.
    pub is_alone: bool,
    /// From now to the end of the activation, at most.
    pub lasts: Duration,
}

/// The system has no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random numbers")]
pub struct NoRandom;

/// The tokens of one proxy, and what they are worth. Nothing of it is kept anywhere else: a proxy that starts knows none.
#[derive(Debug)]
pub struct Control {
    live: Mutex<LiveSet>,
    scopes: Mutex<LiveScopes>,
    accounts: Mutex<Accounts>,
    budget: Budget,
    token_slack: Duration,
}

impl Control {
    #[must_use]
    pub fn new(budget: Budget, token_slack: Duration) -> Self {
        Self {
            live: Mutex::default(),
            scopes: Mutex::default(),
            accounts: Mutex::default(),
            budget,
            token_slack,
        }
    }

    /// # Errors
    /// [`NoRandom`].
    pub fn issue(&self, order: Order) -> Result<Token, NoRandom> {
        let token = Token::generate().map_err(|_| NoRandom)?;
        let now = Instant::now();
        let Order {
            issue,
            activation_id,
            namespace_uuid,
            action,
            grant,
            container,
            address,
            is_alone,
            lasts,
        } = order;
        let budget = self.budget.with(&grant.budget);
        let account = locked(&self.accounts).account(&namespace_uuid, budget, now);
        let scope = locked(&self.scopes).live(Scope::of(grant.scope, namespace_uuid, &action), now);
        let grant = Grant {
            issue,
            activation_id,
            scope,
            account,
            rights: grant.rights,
            tier: grant.tier,
            container,
            address,
            is_alone,
            deadline: now + lasts + self.token_slack,
        };
        locked(&self.live).issue(token, grant);
        Ok(token)
    }

    /// The activation has ended. Says whether it had a token.
    pub fn revoke(&self, id: ActivationId) -> bool {
        locked(&self.live).revoke(id)
    }

    /// The same, of those of its tokens that are meant.
    pub fn revoke_of(&self, id: ActivationId, is_meant: impl Fn(&Grant) -> bool) -> bool {
        locked(&self.live).revoke_of(id, is_meant)
    }

    /// The container is gone, and its connections with it.
    pub fn forget_container(&self, container: &ContainerId) {
        locked(&self.live).forget_container(container);
    }

    /// Of what is meant only these live on, as an invoker says that is back.
    pub fn keep_only(&self, living: &[ActivationId], is_meant: impl Fn(&Grant) -> bool) {
        locked(&self.live).keep_only(living, is_meant);
    }

    /// What a connection holds on to that shows this from there; `None`: it is worth nothing.
    #[must_use]
    pub fn authenticate(&self, token: &[u8], address: Option<IpAddr>, now: Instant) -> Option<Hold> {
        let token: Token = std::str::from_utf8(token).ok()?.parse().ok()?;
        let shown = locked(&self.live).authenticate(&token, address, now);
        shown.inspect_err(|error| tracing::debug!(%error, "a token is not taken")).ok()
    }

    /// Tokens that have not been revoked.
    #[must_use]
    pub fn tokens(&self) -> usize {
        locked(&self.live).len()
    }

    /// What a token is worth; `None`: nothing.
    #[must_use]
    pub fn introspect(&self, token: &Token) -> Option<Grant> {
        locked(&self.live).look_up(token, Instant::now()).map(|entry| entry.grant().clone())
    }

    /// Of every namespace that has something here, or has used it lately.
    #[must_use]
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        locked(&self.accounts).all().cloned().collect()
    }

    /// What is known of the scope whose generation has this key, if anybody here has a token for it.
    pub(crate) fn scope_of_generation(&self, key: &[u8]) -> Option<Arc<LiveScope>> {
        locked(&self.scopes).by_generation_key(key)
    }

    /// All that somebody has a token for, or had lately.
    pub(crate) fn scopes(&self) -> Vec<Arc<LiveScope>> {
        locked(&self.scopes).all().cloned().collect()
    }

    /// A tier's server may have lost what was in it, its scopes' generations too.
    pub fn forget_generations(&self, tier: CacheTier) {
        locked(&self.scopes).forget_generations(tier);
    }

    /// Forgets what is over, and what nobody has used since `idle` ago.
    pub fn sweep(&self, idle: Duration) {
        let now = Instant::now();
        locked(&self.live).sweep(now);
        locked(&self.scopes).sweep(now, idle);
        locked(&self.accounts).sweep(now, idle);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
