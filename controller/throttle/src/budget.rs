//! The client's side of one account: what it holds, and who waits for more.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits::chunk;
use crate::{Account, AccountState, Decision, Limits, Violation};

#[derive(Debug)]
pub(crate) struct Waiter<W> {
    pub(crate) payload: W,
    pub(crate) deadline: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    request: u64,
    /// How many of those that wait it was for.
    covered: usize,
    sent: Instant,
    need: Need,
}

/// What an ask is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) request: u64,
    pub(crate) requests: u64,
    pub(crate) extra_requests: u64,
    pub(crate) paid: u64,
    pub(crate) slots: u64,
    pub(crate) extra_slots: u64,
}

/// What becomes of one who waited.
#[derive(Debug)]
pub(crate) enum Served<W> {
    Admitted { payload: W, minute: i64 },
    Refused { payload: W, violation: Violation },
}

#[derive(Debug)]
pub(crate) struct Budget<W> {
    limits: Limits,
    waiters: VecDeque<Waiter<W>>,
    asked: Option<Asked>,
    /// No ask before this: the owner could not decide.
    not_before: Option<Instant>,
    /// Requests that may be admitted without asking, until then.
    requests: u64,
    valid_until: Instant,
    /// The owner's minute of that budget, and all that was got in it.
    minute: i64,
    granted: u64,
    /// Slots that the owner counts as taken by this node, and those of them that are.
    leased: u64,
    used: u64,
    last_used: Instant,
}

impl<W> Budget<W> {
    pub(crate) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            waiters: VecDeque::new(),
            asked: None,
            not_before: None,
            requests: 0,
            valid_until: now,
            minute: i64::MIN,
            granted: 0,
            leased: 0,
            used: 0,
            last_used: now,
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    pub(crate) fn state(&self, account: &Account) -> Option<AccountState> {
        let holds = self.leased > 0 || self.granted > 0;
        holds.then(|| AccountState {
            account: account.clone(),
            minute: self.minute,
            requests: self.granted,
            slots: self.leased,
        })
    }

    fn valid(&self, now: Instant) -> u64 {
        if now < self.valid_until { self.requests } else { 0 }
    }

    fn spare(&self) -> u64 {
        self.leased.saturating_sub(self.used)
    }

    /// Admits at once out of what is held; otherwise it waits. Answers the minute it counts in.
    pub(crate) fn admit(&mut self, limits: Limits, waiter: Waiter<W>, now: Instant) -> Option<(W, i64)> {
        self.limits = limits;
        self.last_used = now;
        let has_slot = limits.concurrent.is_none() || self.spare() > 0;
        if self.waiters.is_empty() && has_slot && self.valid(now) > 0 {
            self.requests -= 1;
            self.used += u64::from(limits.concurrent.is_some());
            return Some((waiter.payload, self.minute));
        }
        self.waiters.push_back(waiter);
        None
    }

    /// What to ask the owner for, if anything; it counts as asked.
    pub(crate) fn ask(&mut self, request: u64, members: usize, now: Instant) -> Option<Need> {
        if self.asked.is_some() || self.waiters.is_empty() || self.not_before.is_some_and(|start| now < start)
        {
            return None;
        }
        self.not_before = None;
        let waiting = self.waiters.len() as u64;
        let valid = self.valid(now);
        let paid = valid.min(waiting);
        let (slots, extra_slots) = match self.limits.concurrent {
            None => (0, 0),
            Some(limit) => (waiting.saturating_sub(self.spare()), chunk(limit, members) / 2),
        };
        // Up to so many, since they are not given back: asks for slots alone must not heap budgets up.
        let extra_requests = chunk(self.limits.per_minute, members).saturating_sub(valid - paid);
        let need = Need { request, requests: waiting - paid, extra_requests, paid, slots, extra_slots };
        self.asked = Some(Asked { request, covered: self.waiters.len(), sent: now, need });
        Some(need)
    }

    /// The owner's answer. Whoever waited when it was asked is served or refused, in order. Refused is only what the owner
    /// was asked for and does not have: where something else ran out meanwhile, as a budget whose minute is over, the rest
    /// waits for another ask.
    pub(crate) fn decided(
        &mut self,
        request: u64,
        decision: Decision,
        retry: Duration,
        now: Instant,
    ) -> Vec<Served<W>> {
        let Some(asked) = self.asked.take_if(|asked| asked.request == request) else { return Vec::new() };
        let Decision::Decided { minute, valid_for, requests, request_count, slots, slot_count } = decision
        else {
            self.not_before = Some(now + retry);
            return Vec::new();
        };
        if minute != self.minute {
            // What is left is of a minute that is over for the owner.
            (self.minute, self.granted, self.requests) = (minute, 0, 0);
        }
        self.requests = self.valid(now) + requests;
        self.valid_until = asked.sent + valid_for;
        self.granted += requests;
        self.leased += slots;
        let need = asked.need;
        let denied = need.requests.saturating_sub(requests);
        let no_slots = slots < need.slots.min(requests.min(need.requests) + need.paid);
        let mut refused = 0;
        let mut served = Vec::new();
        for _ in 0..asked.covered.min(self.waiters.len()) {
            let limits = self.limits;
            if self.requests == 0 {
                if refused == denied {
                    break;
                }
                refused += 1;
                let count = request_count.saturating_sub(denied) + refused;
                let violation = Violation::Rate { count, allowed: limits.per_minute };
                served.extend(self.next_waiter(|payload| Served::Refused { payload, violation }));
                continue;
            }
            match limits.concurrent {
                Some(allowed) if self.spare() == 0 => {
                    if !no_slots {
                        break;
                    }
                    let violation = Violation::Concurrency { count: slot_count, allowed };
                    served.extend(self.next_waiter(|payload| Served::Refused { payload, violation }));
                }
                limit => {
                    self.used += u64::from(limit.is_some());
                    served.extend(self.next_waiter(|payload| Served::Admitted { payload, minute }));
                }
            }
            self.requests -= 1;
        }
        served
    }

    fn next_waiter(&mut self, served: impl FnOnce(W) -> Served<W>) -> Option<Served<W>> {
        self.waiters.pop_front().map(|waiter| served(waiter.payload))
    }

    /// What was asked is not answered any more.
    pub(crate) fn forget_ask(&mut self) {
        self.asked = None;
        self.not_before = None;
    }

    /// One activation ended, or is blocked.
    pub(crate) fn release(&mut self, now: Instant) {
        self.used = self.used.saturating_sub(1);
        self.last_used = now;
    }

    /// Takes a slot whatever the limit is. Answers how many the owner has to be told of.
    pub(crate) fn take(&mut self) -> u64 {
        self.used += 1;
        let beyond = self.used.saturating_sub(self.leased);
        self.leased += beyond;
        beyond
    }

    /// Slots to give back: those beyond what a client may keep, or all when it has been `idle` for long.
    pub(crate) fn surplus(&mut self, members: usize, idle: Duration, now: Instant) -> u64 {
        let is_idle = self.used == 0 && self.waiters.is_empty() && now >= self.last_used + idle;
        let keep = match self.limits.concurrent {
            Some(limit) if !is_idle => chunk(limit, members),
            _ => 0,
        };
        // Those that wait may be waiting for these.
        if !self.waiters.is_empty() {
            return 0;
        }
        let surplus = self.spare().saturating_sub(keep);
        self.leased -= surplus;
        surplus
    }

    pub(crate) fn expire(&mut self, now: Instant) -> Vec<W> {
        let mut over = Vec::new();
        while self.waiters.front().is_some_and(|waiter| waiter.deadline <= now) {
            over.extend(self.waiters.pop_front().map(|waiter| waiter.payload));
            // The answer to what was asked is for those that wait now.
            if let Some(asked) = &mut self.asked {
                asked.covered = asked.covered.saturating_sub(1);
            }
        }
        over
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let waiter = self.waiters.front()?.deadline;
        let ask = if self.asked.is_none() { self.not_before } else { None };
        Some(ask.map_or(waiter, |ask| ask.min(waiter)))
    }

    /// It holds nothing, and nobody would miss it.
    pub(crate) fn is_idle(&self, idle: Duration, now: Instant) -> bool {
        self.leased == 0 && self.waiters.is_empty() && now >= self.last_used + idle && now >= self.valid_until
    }
}

#[cfg(test)]
mod tests;
