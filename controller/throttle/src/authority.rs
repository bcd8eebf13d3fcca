//! Who may decide: an owner needs the grant of every member of its view, fresh within the lease.
//!
//! Why two owners never decide at once: say `a` under view V and `b` under view W. If each is in the other's view, the one
//! needs the other's grant for its own view, and a node that grants for a view is in that view and has given up what it had
//! under another. If `a` is not in W, every member of both views that granted V to `a` tells `b` so, and `b` waits until
//! that is over. Only when V and W have no member in common does nobody tell.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::{AccountState, Member, View, ViewId};

#[derive(Debug, Default)]
struct Granted {
    /// What it holds is in the ledger.
    synced: bool,
    /// When the claim was sent that it granted last.
    since: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Authority {
    me: Member,
    view: View,
    lease: Duration,
    /// The other members, as those who have to let this node decide.
    members: BTreeMap<Member, Granted>,
    sequence: u64,
    /// When recent claims were sent.
    sent: VecDeque<(u64, Instant)>,
    next_claim: Instant,
    /// Somebody outside of the view may still decide until then.
    not_before: Option<Instant>,
    /// To whom this node has granted what, and until when.
    promises: BTreeMap<Member, (ViewId, Instant)>,
}

/// One message to one member.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) to: Member,
    pub(crate) sequence: u64,
    pub(crate) sync: bool,
}

impl Authority {
    pub(crate) fn new(me: Member, lease: Duration, now: Instant) -> Self {
        let view = View::new([me.clone()]);
        Self {
            me,
            view,
            lease,
            members: BTreeMap::new(),
            sequence: 0,
            sent: VecDeque::new(),
            next_claim: now,
            not_before: None,
            promises: BTreeMap::new(),
        }
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// From here on nothing is decided under the old view. `false` if it is the same.
    pub(crate) fn adopt(&mut self, view: View, now: Instant) -> bool {
        if view == self.view {
            return false;
        }
        self.promises.retain(|_, (_, until)| *until > now);
        let outside = self.promises.iter().filter(|(claimant, _)| !view.contains(claimant));
        self.not_before = outside.map(|(_, (_, until))| *until).max();
        let others = view.members().iter().filter(|member| **member != self.me);
        self.members = others.map(|member| (member.clone(), Granted::default())).collect();
        self.sent.clear();
        self.next_claim = now;
        self.view = view;
        true
    }

    /// Whether this node may decide for what it owns.
    pub(crate) fn holds(&self, now: Instant) -> bool {
        // Clocks of members may run a little faster than this one's.
        let lease = self.lease.mul_f64(0.9);
        let is_fresh =
            |granted: &Granted| granted.synced && granted.since.is_some_and(|since| now < since + lease);
        self.not_before.is_none_or(|start| now >= start) && self.members.values().all(is_fresh)
    }

    pub(crate) fn is_synced(&self, member: &Member) -> bool {
        *member == self.me || self.members.get(member).is_some_and(|granted| granted.synced)
    }

    pub(crate) fn session_lost(&mut self, member: &Member, now: Instant) {
        if let Some(granted) = self.members.get_mut(member) {
            *granted = Granted::default();
            self.next_claim = now;
        }
    }

    pub(crate) fn next_claim(&self) -> Option<Instant> {
        if self.members.is_empty() { self.not_before } else { Some(self.next_claim) }
    }

    /// Claims that are due.
    pub(crate) fn claims(&mut self, now: Instant) -> Vec<Claim> {
        // What is over is no deadline any more.
        self.not_before = self.not_before.filter(|start| now < *start);
        if self.members.is_empty() || now < self.next_claim {
            return Vec::new();
        }
        self.next_claim = now + if self.holds(now) { self.lease / 4 } else { self.lease / 40 };
        self.sequence += 1;
        self.sent.push_back((self.sequence, now));
        while self.sent.front().is_some_and(|(_, sent)| *sent + self.lease < now) {
            self.sent.pop_front();
        }
        let claim = |(to, granted): (&Member, &Granted)| Claim {
            to: to.clone(),
            sequence: self.sequence,
            sync: !granted.synced,
        };
        self.members.iter().map(claim).collect()
    }

    /// Lets somebody decide; answers what it has promised to others outside of the view. `None` if the views differ: it
    /// will claim again.
    pub(crate) fn claimed(
        &mut self,
        by: &Member,
        view: ViewId,
        now: Instant,
    ) -> Option<Vec<(Member, Duration)>> {
        if view != self.view.id() || !self.view.contains(by) {
            return None;
        }
        self.promises.retain(|_, (_, until)| *until > now);
        self.promises.insert(by.clone(), (view, now + self.lease));
        let outside = self.promises.iter().filter(|(claimant, _)| !self.view.contains(claimant));
        Some(outside.map(|(claimant, (_, until))| (claimant.clone(), *until - now)).collect())
    }

    /// A member lets this node decide. Answers what it holds, if that was not known.
    pub(crate) fn granted(
        &mut self,
        by: &Member,
        (view, sequence): (ViewId, u64),
        promised: &[(Member, Duration)],
        accounts: Option<Vec<AccountState>>,
        now: Instant,
    ) -> Option<Vec<AccountState>> {
        let sent = self.sent.iter().find(|(sent, _)| *sent == sequence).map(|(_, time)| *time)?;
        if view != self.view.id() {
            return None;
        }
        let granted = self.members.get_mut(by)?;
        granted.since = granted.since.max(Some(sent));
        let longest = promised.iter().map(|(_, left)| now + *left).max();
        self.not_before = self.not_before.max(longest);
        // A second snapshot was made before this node could decide anything on the first: it must not undo that.
        if granted.synced {
            return None;
        }
        granted.synced = accounts.is_some();
        accounts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(3);

    fn member(name: &str) -> Member {
        Member(name.into())
    }

    #[test]
    fn one_who_is_left_alone_waits_for_what_it_promised_and_then_for_nothing() {
        let start = Instant::now();
        let mut authority = Authority::new(member("a"), LEASE, start);
        let both = View::new([member("a"), member("b")]);
        assert!(authority.adopt(both.clone(), start));
        assert!(authority.claimed(&member("b"), both.id(), start).is_some());
        assert!(authority.adopt(View::new([member("a")]), start));
        let over = start + LEASE;
        assert_eq!((authority.holds(start), authority.next_claim()), (false, Some(over)));
        assert!(authority.claims(over).is_empty());
        assert_eq!((authority.holds(over), authority.next_claim()), (true, None));
    }
}
