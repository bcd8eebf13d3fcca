//! Limits where one process holds all counts: exact, and decided at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oxwhisk_throttle::{Account, Limits, Slot, Usage};

use super::{Admission, InFlight, Throttles};

/// Counts by account.
#[derive(Debug, Default)]
pub struct LocalThrottles(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    accounts: HashMap<Account, Usage>,
    /// The minute in which idle accounts were last forgotten.
    swept: i64,
}

impl Counts {
    /// Once in a minute is enough, since an account seen in this minute stays; and it takes as long as there are many.
    fn sweep(&mut self, minute: i64) {
        if self.accounts.len() > SWEEP_ABOVE && self.swept != minute {
            self.swept = minute;
            self.accounts.retain(|_, usage| !usage.is_idle(minute));
        }
    }
}

/// Above this many accounts, those with nothing in flight and no request in this minute are forgotten.
const SWEEP_ABOVE: usize = 10_000;

impl LocalThrottles {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Throttles for LocalThrottles {
    fn admit(self: Arc<Self>, account: Account, limits: Limits, now: i64) -> Admission {
        let mut counts = self.lock();
        let minute = Usage::minute_of(now);
        counts.sweep(minute);
        let decided = match counts.accounts.get_mut(&account) {
            Some(usage) => usage.admit(limits, now),
            None => counts.accounts.entry(account.clone()).or_default().admit(limits, now),
        };
        drop(counts);
        Admission::Now(match decided {
            Ok(()) => Ok(InFlight::new(self, Slot::new(account, Some(minute)))),
            Err(violation) => Err(violation.into()),
        })
    }

    fn readmit(self: Arc<Self>, account: Account, _limits: Limits) -> InFlight {
        self.lock().accounts.entry(account.clone()).or_default().take();
        InFlight::new(self, Slot::new(account, None))
    }

    fn release(self: Arc<Self>, slot: Slot) {
        if let Some(usage) = self.lock().accounts.get_mut(&slot.account) {
            usage.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_throttle::Kind;

    use super::*;

    fn account(namespace: &str) -> Account {
        Account { namespace: namespace.into(), kind: Kind::Invocation }
    }

    fn limits(per_minute: u64, concurrent: u64) -> Limits {
        Limits { per_minute, concurrent: Some(concurrent) }
    }

    fn admit(throttles: &Arc<LocalThrottles>, limits: Limits, now: i64) -> Result<InFlight, String> {
        match Arc::clone(throttles).admit(account("u"), limits, now) {
            Admission::Now(decided) => decided.map_err(|error| error.to_string()),
            Admission::Later(_) => panic!("one process decides at once"),
        }
    }

    #[test]
    fn refused_requests_count_and_the_minute_resets() {
        let throttles = Arc::new(LocalThrottles::default());
        drop(admit(&throttles, limits(1, 9), 0).unwrap());
        let refused = |now| admit(&throttles, limits(1, 9), now).unwrap_err();
        assert_eq!(refused(1), "Too many requests in the last minute (count: 2, allowed: 1).");
        assert_eq!(refused(59_999), "Too many requests in the last minute (count: 3, allowed: 1).");
        assert!(admit(&throttles, limits(1, 9), 60_000).is_ok());
    }

    #[test]
    fn idle_accounts_are_forgotten_once_in_a_minute() {
        let mut counts = Counts::default();
        let usage = |minute: i64, in_flight| {
            let mut usage = Usage::default();
            usage.admit(Limits { per_minute: 1, concurrent: None }, minute * 60_000).unwrap();
            (0..in_flight).for_each(|_| usage.take());
            usage
        };
        let numbered = |n: usize| account(&n.to_string());
        counts.accounts = (0..=SWEEP_ABOVE).map(|n| (numbered(n), usage(1, 0))).collect();
        counts.accounts.insert(numbered(0), usage(1, 2));
        counts.accounts.insert(numbered(1), usage(2, 0));
        counts.sweep(2);
        let mut left: Vec<&str> = counts.accounts.keys().map(|account| &*account.namespace).collect();
        left.sort_unstable();
        assert_eq!(left, ["0", "1"]);
        counts.accounts.extend((0..=SWEEP_ABOVE).map(|n| (numbered(n), usage(1, 0))));
        counts.sweep(2);
        assert_eq!(counts.accounts.len(), SWEEP_ABOVE + 1);
    }

    #[test]
    fn a_slot_comes_back_when_the_invocation_ends() {
        let throttles = Arc::new(LocalThrottles::default());
        let first = admit(&throttles, limits(9, 1), 0).unwrap();
        assert_eq!(
            admit(&throttles, limits(9, 1), 0).unwrap_err(),
            "Too many concurrent requests in flight (count: 1, allowed: 1)."
        );
        drop(first);
        assert!(admit(&throttles, limits(9, 1), 0).is_ok());
        // What a restart found running counts as well, beyond the limit too.
        let found: Vec<InFlight> =
            (0..2).map(|_| Arc::clone(&throttles).readmit(account("u"), limits(9, 1))).collect();
        assert!(admit(&throttles, limits(9, 2), 0).unwrap_err().contains("(count: 2, allowed: 2)"));
        drop(found);
        assert!(admit(&throttles, limits(9, 1), 0).is_ok());
    }
}
