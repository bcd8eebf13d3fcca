//! The owner's books: who has how much of each account.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::limits::MINUTE;
use crate::{Account, AccountState, Decision, Limits, Member, Usage};

#[derive(Debug, Default)]
struct Entry {
    minute: i64,
    /// Requests that were refused in it.
    refused: u64,
    /// Budgets that were handed out in it.
    requests: BTreeMap<Member, u64>,
    slots: BTreeMap<Member, u64>,
}

impl Entry {
    /// A minute that has begun is never taken back, whatever the clocks of earlier owners were.
    fn turn(&mut self, minute: i64) {
        if minute > self.minute {
            self.minute = minute;
            self.refused = 0;
            self.requests.clear();
        }
    }

    fn granted(&self) -> u64 {
        self.requests.values().sum()
    }

    fn taken(&self) -> u64 {
        self.slots.values().sum()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) requests: u64,
    pub(crate) extra_requests: u64,
    pub(crate) paid: u64,
    pub(crate) slots: u64,
    pub(crate) extra_slots: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accounts: HashMap<Account, Entry>,
}

impl Ledger {
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
    }

    /// Takes over what a client says that it holds, instead of what was known of it.
    pub(crate) fn load(&mut self, client: &Member, accounts: Vec<AccountState>) {
        for entry in self.accounts.values_mut() {
            entry.requests.remove(client);
            entry.slots.remove(client);
        }
        for state in accounts {
            let entry = self.accounts.entry(state.account).or_default();
            entry.turn(state.minute);
            if state.minute == entry.minute && state.requests > 0 {
                entry.requests.insert(client.clone(), state.requests);
            }
            if state.slots > 0 {
                entry.slots.insert(client.clone(), state.slots);
            }
        }
    }

    pub(crate) fn change_slots(&mut self, client: &Member, account: &Account, change: i64) {
        let entry = self.accounts.entry(account.clone()).or_default();
        let slots = entry.slots.entry(client.clone()).or_insert(0);
        *slots = slots.saturating_add_signed(change);
        if *slots == 0 {
            entry.slots.remove(client);
        }
    }

    /// `wall` is in milliseconds since the epoch.
    pub(crate) fn decide(
        &mut self,
        client: &Member,
        account: Account,
        limits: Limits,
        demand: Demand,
        wall: i64,
    ) -> Decision {
        let entry = self.accounts.entry(account).or_default();
        entry.turn(Usage::minute_of(wall));
        let left = limits.per_minute.saturating_sub(entry.granted());
        let requests = left.min(demand.requests + demand.extra_requests);
        let served = requests.min(demand.requests);
        entry.refused += demand.requests - served;
        if requests > 0 {
            *entry.requests.entry(client.clone()).or_insert(0) += requests;
        }
        let slots = match limits.concurrent {
            None => 0,
            Some(limit) => {
                let left = limit.saturating_sub(entry.taken());
                let useful = demand.slots.min(served + demand.paid);
                left.min(useful + demand.extra_slots)
            }
        };
        if slots > 0 {
            *entry.slots.entry(client.clone()).or_insert(0) += slots;
        }
        let end = (entry.minute + 1) * MINUTE;
        Decision::Decided {
            minute: entry.minute,
            valid_for: Duration::from_millis(u64::try_from(end - wall).unwrap_or(0)),
            requests,
            request_count: entry.granted() + entry.refused,
            slots,
            slot_count: entry.taken(),
        }
    }

    /// Forgets accounts of which nothing is held and that were not used in this minute.
    pub(crate) fn sweep(&mut self, wall: i64) {
        let minute = Usage::minute_of(wall);
        self.accounts.retain(|_, entry| entry.minute >= minute || !entry.slots.is_empty());
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.accounts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn demand(requests: u64, slots: u64) -> Demand {
        Demand { requests, extra_requests: 0, paid: 0, slots, extra_slots: 0 }
    }

    fn account() -> Account {
        Account { namespace: "n".into(), kind: Kind::Invocation }
    }

    fn decide(ledger: &mut Ledger, demand: Demand, wall: i64) -> (u64, u64, u64, u64, Duration) {
        let limits = Limits { per_minute: 3, concurrent: Some(2) };
        let decision = ledger.decide(&Member("a".into()), account(), limits, demand, wall);
        let Decision::Decided { valid_for, requests, request_count, slots, slot_count, .. } = decision else {
            panic!("a ledger always decides")
        };
        (requests, request_count, slots, slot_count, valid_for)
    }

    #[test]
    fn refused_requests_count_and_the_minute_ends() {
        let mut ledger = Ledger::default();
        let left = |milliseconds| Duration::from_millis(milliseconds);
        assert_eq!(decide(&mut ledger, demand(2, 2), 1000), (2, 2, 2, 2, left(59_000)));
        assert_eq!(decide(&mut ledger, demand(2, 2), 2000), (1, 4, 0, 2, left(58_000)));
        ledger.change_slots(&Member("a".into()), &account(), -2);
        assert_eq!(decide(&mut ledger, demand(1, 1), 3000), (0, 5, 0, 0, left(57_000)));
        assert_eq!(decide(&mut ledger, demand(1, 1), 60_000), (1, 1, 1, 1, left(60_000)));
        // A clock that goes back does not begin the old minute again.
        assert_eq!(decide(&mut ledger, demand(9, 0), 59_999), (2, 10, 0, 1, left(60_001)));
    }

    #[test]
    fn what_a_client_says_replaces_what_was_known_of_it() {
        let mut ledger = Ledger::default();
        decide(&mut ledger, demand(2, 2), 0);
        let state = AccountState { account: account(), minute: 0, requests: 1, slots: 1 };
        ledger.load(&Member("b".into()), vec![state.clone()]);
        ledger.load(&Member("a".into()), vec![AccountState { requests: 0, ..state }]);
        assert_eq!(decide(&mut ledger, demand(5, 5), 0).0, 2);
        ledger.sweep(60_000);
        assert_eq!(ledger.len(), 1, "slots are held");
        ledger.load(&Member("a".into()), Vec::new());
        ledger.load(&Member("b".into()), Vec::new());
        ledger.sweep(60_000);
        assert_eq!(ledger.len(), 0);
    }
}
