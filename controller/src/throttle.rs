//! How much a namespace may do: invocations a minute and invocations at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oxwhisk_throttle::{Limits, Usage};

use crate::auth::Caller;
use crate::http::fault::Fault;

/// Counts by namespace uuid. Limits are exact: one process holds all counts.
#[derive(Debug, Default)]
pub(crate) struct Throttles(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    namespaces: HashMap<Arc<str>, Usage>,
    /// The minute in which idle namespaces were last forgotten.
    swept: i64,
}

impl Counts {
    /// Once in a minute is enough, since a namespace seen in this minute stays; and it takes as long as there are many.
    fn sweep(&mut self, minute: i64) {
        if self.namespaces.len() > SWEEP_ABOVE && self.swept != minute {
            self.swept = minute;
            self.namespaces.retain(|_, usage| !usage.is_idle(minute));
        }
    }
}

/// Above this many namespaces, those without a running invocation or a request in this minute are forgotten.
const SWEEP_ABOVE: usize = 10_000;

/// One invocation in flight; ends when dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    throttles: Arc<Throttles>,
    namespace: Arc<str>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(usage) = self.throttles.lock().namespaces.get_mut(&self.namespace) {
            usage.release();
        }
    }
}

impl Throttles {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits one invocation at `now` (milliseconds since the epoch), or says which limit it breaks.
    pub(crate) fn admit(self: &Arc<Self>, caller: &Caller, now: i64) -> Result<InFlight, Fault> {
        let namespace = &caller.dispatched.namespace_uuid;
        let limits = Limits {
            per_minute: caller.limits.invocations_per_minute,
            concurrent: Some(caller.limits.concurrent_invocations),
        };
        let mut counts = self.lock();
        counts.sweep(Usage::minute_of(now));
        let usage = counts.namespaces.entry(Arc::clone(namespace)).or_default();
        usage.admit(limits, now).map_err(|violation| Fault::throttled(&violation))?;
        Ok(InFlight { throttles: Arc::clone(self), namespace: Arc::clone(namespace) })
    }

    /// Counts an invocation that was admitted before a restart, whatever the limits are now.
    pub(crate) fn readmit(self: &Arc<Self>, caller: &Caller) -> InFlight {
        let namespace = &caller.dispatched.namespace_uuid;
        self.lock().namespaces.entry(Arc::clone(namespace)).or_default().take();
        InFlight { throttles: Arc::clone(self), namespace: Arc::clone(namespace) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxwhisk_core::limits::{EffectiveLimits, SystemLimits, UserLimits};
    use oxwhisk_core::name::EntityName;
    use oxwhisk_core::subject::{AuthKey, Identity};

    fn caller(per_minute: u64, concurrent: u64) -> Caller {
        let user = UserLimits {
            invocations_per_minute: Some(per_minute),
            concurrent_invocations: Some(concurrent),
            ..UserLimits::default()
        };
        let namespace = EntityName::new("me").unwrap();
        Caller {
            limits: EffectiveLimits::new(&SystemLimits::default(), &user),
            dispatched: oxwhisk_invoker_api::Caller {
                subject: "me".into(),
                namespace: namespace.clone(),
                namespace_uuid: "u".into(),
            },
            identity: Identity {
                subject: "me".into(),
                namespace,
                auth: AuthKey { uuid: "u".into(), key: String::new() },
                limits: user,
            },
        }
    }

    #[test]
    fn refused_requests_count_and_the_minute_resets() {
        let throttles = Arc::new(Throttles::default());
        let caller = caller(1, 9);
        drop(throttles.admit(&caller, 0).unwrap());
        let refused = |now| throttles.admit(&caller, now).unwrap_err().message;
        assert_eq!(refused(1), "Too many requests in the last minute (count: 2, allowed: 1).");
        assert_eq!(refused(59_999), "Too many requests in the last minute (count: 3, allowed: 1).");
        assert!(throttles.admit(&caller, 60_000).is_ok());
    }

    #[test]
    fn idle_namespaces_are_forgotten_once_in_a_minute() {
        let mut counts = Counts::default();
        let usage = |minute: i64, in_flight| {
            let mut usage = Usage::default();
            usage.admit(Limits { per_minute: 1, concurrent: None }, minute * 60_000).unwrap();
            (0..in_flight).for_each(|_| usage.take());
            usage
        };
        let name = |n: usize| Arc::from(n.to_string());
        counts.namespaces = (0..=SWEEP_ABOVE).map(|n| (name(n), usage(1, 0))).collect();
        counts.namespaces.insert(name(0), usage(1, 2));
        counts.namespaces.insert(name(1), usage(2, 0));
        counts.sweep(2);
        let mut left: Vec<&str> = counts.namespaces.keys().map(|name| &**name).collect();
        left.sort_unstable();
        assert_eq!(left, ["0", "1"]);
        counts.namespaces.extend((0..=SWEEP_ABOVE).map(|n| (name(n), usage(1, 0))));
        counts.sweep(2);
        assert_eq!(counts.namespaces.len(), SWEEP_ABOVE + 1);
    }

    #[test]
    fn a_slot_comes_back_when_the_invocation_ends() {
        let throttles = Arc::new(Throttles::default());
        let caller = caller(9, 1);
        let first = throttles.admit(&caller, 0).unwrap();
        assert_eq!(
            throttles.admit(&caller, 0).unwrap_err().message,
            "Too many concurrent requests in flight (count: 1, allowed: 1)."
        );
        drop(first);
        assert!(throttles.admit(&caller, 0).is_ok());
    }
}
