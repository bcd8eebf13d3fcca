//! A bounded cache whose entries expire after they were written.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::sharing::Sharing;

/// Entries live `ttl` from their writing, or as long as [`Sharing`] believes copies. A value read from a store is only kept if nothing was invalidated while the
/// read went on: a slow read must not put back what a concurrent write has just replaced.
#[derive(Debug)]
pub(crate) struct ExpiringCache<K, V> {
    entries: Cache<K, (Instant, V)>,
    ttl: Duration,
    sharing: Sharing,
    generation: AtomicU64,
}

/// When a read from the store began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadToken(u64);

impl<K: Eq + Hash + Clone, V: Clone> ExpiringCache<K, V> {
    pub(crate) fn new(capacity: usize, ttl: Duration, sharing: Sharing) -> Self {
        Self { entries: Cache::new(capacity), ttl, sharing, generation: AtomicU64::new(0) }
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + quick_cache::Equivalent<K> + ?Sized,
    {
        let (written, value) = self.entries.get(key)?;
        (written.elapsed() < self.sharing.believed(self.ttl)).then_some(value)
    }

    /// What was cached, however old: good for comparing it with the store.
    pub(crate) fn last_known<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + quick_cache::Equivalent<K> + ?Sized,
    {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(crate) fn begin_read(&self) -> ReadToken {
        ReadToken(self.generation.load(Ordering::Acquire))
    }

    pub(crate) fn finish_read(&self, token: ReadToken, key: K, value: V) {
        self.entries.insert(key.clone(), (Instant::now(), value));
        if self.generation.load(Ordering::Acquire) != token.0 {
            self.entries.remove(&key);
        }
    }

    pub(crate) fn invalidate<Q>(&self, key: &Q)
    where
        Q: Hash + quick_cache::Equivalent<K> + ?Sized,
    {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.remove(key);
    }

    /// Drops a copy that has nothing in the store any more. Reads that go on are as good as before.
    pub(crate) fn forget<Q>(&self, key: &Q)
    where
        Q: Hash + quick_cache::Equivalent<K> + ?Sized,
    {
        self.entries.remove(key);
    }

    pub(crate) fn clear(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn entries_expire_after_their_writing() {
        let cache = ExpiringCache::new(10, Duration::from_secs(5), Sharing::alone());
        cache.finish_read(cache.begin_read(), "a", 1);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(cache.get("a"), Some(1));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(cache.get("a"), None);
    }

    #[derive(Debug)]
    struct Nobody;

    impl crate::sharing::Announcer for Nobody {
        fn entity_changed(&self, _id: &oxwhisk_core::name::FullyQualifiedName) {}
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_change_unheard_is_believed_shortly() {
        let sharing = Sharing::among_others(std::sync::Arc::new(Nobody), Duration::from_secs(1));
        let cache = ExpiringCache::new(10, Duration::from_secs(300), sharing.clone());
        cache.finish_read(cache.begin_read(), "a", 1);
        assert_eq!(cache.get("a"), Some(1));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!((cache.get("a"), cache.last_known("a")), (None, Some(1)));
        sharing.set_hearing(true);
        assert_eq!(cache.get("a"), Some(1));
        sharing.set_hearing(false);
        assert_eq!(cache.get("a"), None);
    }

    #[test]
    fn a_read_that_a_write_overtook_is_not_kept() {
        let cache = ExpiringCache::new(10, Duration::from_secs(5), Sharing::alone());
        let token = cache.begin_read();
        cache.invalidate("a");
        cache.finish_read(token, "a", 1);
        assert_eq!(cache.get("a"), None);
    }
}
