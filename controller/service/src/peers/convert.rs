//! Between the contract's messages and those of throttles.

use std::time::Duration;

use oxwhisk_core::id::ActivationId;
use oxwhisk_proto::peer::v1 as wire;
use oxwhisk_proto::peer::v1::account::Kind as WireKind;
use oxwhisk_proto::peer::v1::peer_message::Message as Wire;
use oxwhisk_throttle::{Account, AccountState, Decision, Kind, Limits, Member, Message, ViewId};

/// Holdings in one message: about 64 KiB, so that nothing waits long behind it.
const HOLDINGS: usize = 1000;
/// Holdings of one grant.
const MAX_HOLDINGS: usize = 1_000_000;

/// What a peer sent and what cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("the {what} cannot be read: {reason}")]
pub(super) struct Malformed {
    what: &'static str,
    reason: String,
}

impl Malformed {
    pub(super) fn new(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self { what, reason: reason.to_string() }
    }
}

/// A message as it is sent: a grant that tells holdings is several.
pub(super) fn to_wire(message: Message) -> Vec<Wire> {
    let mut sent = Vec::new();
    let last = match message {
        Message::Claim { view, sequence, sync } => Wire::Claim(wire::Claim { view: view.0, sequence, sync }),
        Message::Grant { view, sequence, promised, accounts } => {
            let with_holdings = accounts.is_some();
            for part in accounts.unwrap_or_default().chunks(HOLDINGS) {
                let holdings = part.iter().map(holding_to_wire).collect();
                sent.push(Wire::Holdings(wire::Holdings { holdings }));
            }
            let promised = promised.iter().map(|(member, left)| promise_to_wire(member, *left)).collect();
            Wire::Grant(wire::Grant { view: view.0, sequence, promised, with_holdings })
        }
        Message::Ask {
            view,
            request,
            account,
            limits,
            requests,
            extra_requests,
            paid,
            slots,
            extra_slots,
        } => Wire::Ask(wire::Ask {
            view: view.0,
            request,
            account: Some(account_to_wire(&account)),
            per_minute: limits.per_minute,
            concurrent: limits.concurrent,
            requests,
            extra_requests,
            paid,
            slots,
            extra_slots,
        }),
        Message::Reply { request, account, decision } => Wire::Reply(wire::Reply {
            request,
            account: Some(account_to_wire(&account)),
            decided: decision_to_wire(decision),
        }),
        Message::Slots { account, change } => {
            Wire::Slots(wire::Slots { account: Some(account_to_wire(&account)), change })
        }
    };
    sent.push(last);
    sent
}

/// Ids one behind the other.
pub(super) fn ended_to_wire(ids: &[ActivationId]) -> Wire {
    Wire::Ended(wire::Ended { activation_ids: ids.iter().flat_map(|id| *id.as_bytes()).collect() })
}

fn read_ended(ids: &[u8]) -> Result<Read, Malformed> {
    let (ids, rest) = ids.as_chunks::<16>();
    match rest {
        [] => Ok(Read::Ended(ids.iter().map(|id| ActivationId::from_bytes(*id)).collect())),
        _ => Err(Malformed::new("list of activations", "its length is no multiple of 16")),
    }
}

fn account_to_wire(account: &Account) -> wire::Account {
    let kind = match account.kind {
        Kind::Invocation => WireKind::Invocation,
        Kind::Fire => WireKind::Fire,
    };
    wire::Account { namespace: account.namespace.to_string(), kind: kind.into() }
}

fn holding_to_wire(state: &AccountState) -> wire::Holding {
    let AccountState { account, minute, requests, slots } = state;
    let account = Some(account_to_wire(account));
    wire::Holding { account, minute: *minute, requests: *requests, slots: *slots }
}

/// Rounded up: it is waited for.
fn promise_to_wire(member: &Member, left: Duration) -> wire::Promise {
    let left_us = u64::try_from(left.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
    wire::Promise { member: member.to_string(), left_us }
}

/// The time is rounded down: until then a budget is used.
fn decision_to_wire(decision: Decision) -> Option<wire::Decided> {
    let Decision::Decided { minute, valid_for, requests, request_count, slots, slot_count } = decision else {
        return None;
    };
    let valid_for_us = u64::try_from(valid_for.as_micros()).unwrap_or(u64::MAX);
    Some(wire::Decided { minute, valid_for_us, requests, request_count, slots, slot_count })
}

/// Reads what comes on one conversation. An error is the end of it: what cannot be read would be missing in the books.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Of the grant that follows.
    holdings: Vec<AccountState>,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Throttles(Message),
    /// Activations that are counted here have ended.
    Ended(Vec<ActivationId>),
    Leaving,
    /// The message goes on, or is one of a later release.
    Nothing,
}

impl Reader {
    pub(super) fn read(&mut self, message: Option<Wire>) -> Result<Read, Malformed> {
        let Some(message) = message else { return Ok(Read::Nothing) };
        Ok(Read::Throttles(match message {
            Wire::Introduction(_) => return Err(Malformed::new("conversation", "a second introduction")),
            Wire::Leaving(wire::Leaving {}) => return Ok(Read::Leaving),
            Wire::Ended(wire::Ended { activation_ids }) => return read_ended(&activation_ids),
            Wire::Holdings(holdings) => {
                self.hold(holdings)?;
                return Ok(Read::Nothing);
            }
            Wire::Claim(wire::Claim { view, sequence, sync }) => {
                Message::Claim { view: ViewId(view), sequence, sync }
            }
            Wire::Grant(grant) => self.grant(grant),
            Wire::Ask(ask) => read_ask(ask)?,
            Wire::Reply(wire::Reply { request, account, decided }) => {
                Message::Reply { request, account: read_account(account)?, decision: read_decision(decided) }
            }
            Wire::Slots(wire::Slots { account, change }) => {
                Message::Slots { account: read_account(account)?, change }
            }
        }))
    }

    fn hold(&mut self, wire::Holdings { holdings }: wire::Holdings) -> Result<(), Malformed> {
        if self.holdings.len() + holdings.len() > MAX_HOLDINGS {
            return Err(Malformed::new("grant", format!("it tells more than {MAX_HOLDINGS} holdings")));
        }
        for wire::Holding { account, minute, requests, slots } in holdings {
            self.holdings.push(AccountState { account: read_account(account)?, minute, requests, slots });
        }
        Ok(())
    }

    fn grant(&mut self, grant: wire::Grant) -> Message {
        let wire::Grant { view, sequence, promised, with_holdings } = grant;
        let held = std::mem::take(&mut self.holdings);
        let promise =
            |promise: wire::Promise| (Member(promise.member.into()), Duration::from_micros(promise.left_us));
        Message::Grant {
            view: ViewId(view),
            sequence,
            promised: promised.into_iter().map(promise).collect(),
            accounts: with_holdings.then_some(held),
        }
    }
}

fn read_ask(ask: wire::Ask) -> Result<Message, Malformed> {
    Ok(Message::Ask {
        view: ViewId(ask.view),
        request: ask.request,
        account: read_account(ask.account)?,
        limits: Limits { per_minute: ask.per_minute, concurrent: ask.concurrent },
        requests: ask.requests,
        extra_requests: ask.extra_requests,
        paid: ask.paid,
        slots: ask.slots,
        extra_slots: ask.extra_slots,
    })
}

fn read_account(account: Option<wire::Account>) -> Result<Account, Malformed> {
    let account = account.ok_or_else(|| Malformed::new("account", "there is none"))?;
    let kind = match account.kind() {
        WireKind::Invocation => Kind::Invocation,
        WireKind::Fire => Kind::Fire,
        WireKind::Unspecified => {
            return Err(Malformed::new("account", format!("{} is no kind of one", account.kind)));
        }
    };
    Ok(Account { namespace: account.namespace.into(), kind })
}

fn read_decision(decided: Option<wire::Decided>) -> Decision {
    let Some(decided) = decided else { return Decision::NotNow };
    let wire::Decided { minute, valid_for_us, requests, request_count, slots, slot_count } = decided;
    let valid_for = Duration::from_micros(valid_for_us);
    Decision::Decided { minute, valid_for, requests, request_count, slots, slot_count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: usize, kind: Kind) -> Account {
        Account { namespace: format!("uuid-{number}").into(), kind }
    }

    /// What the other side reads.
    fn through(message: Message) -> Vec<Read> {
        let mut reader = Reader::default();
        to_wire(message).into_iter().map(|wire| reader.read(Some(wire)).unwrap()).collect()
    }

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let (view, second) = (ViewId(u64::MAX), Duration::from_secs(1));
        let decided = Decision::Decided {
            minute: 29_000_000,
            valid_for: second,
            requests: 1,
            request_count: 2,
            slots: 3,
            slot_count: 4,
        };
        let limits = Limits { per_minute: 5, concurrent: Some(6) };
        let ask = |kind, limits| Message::Ask {
            view,
            request: 1,
            account: account(1, kind),
            limits,
            requests: 2,
            extra_requests: 3,
            paid: 4,
            slots: 5,
            extra_slots: 6,
        };
        for message in [
            Message::Claim { view, sequence: 7, sync: true },
            Message::Grant {
                view,
                sequence: 7,
                promised: vec![(Member("a/1".into()), second)],
                accounts: None,
            },
            Message::Grant { view, sequence: 7, promised: Vec::new(), accounts: Some(Vec::new()) },
            ask(Kind::Invocation, limits),
            ask(Kind::Fire, Limits { concurrent: None, ..limits }),
            Message::Reply { request: 1, account: account(1, Kind::Fire), decision: Decision::NotNow },
            Message::Reply { request: 1, account: account(1, Kind::Invocation), decision: decided },
            Message::Slots { account: account(1, Kind::Invocation), change: -3 },
        ] {
            assert_eq!(through(message.clone()), [Read::Throttles(message)]);
        }
    }

    #[test]
    fn many_holdings_are_told_in_parts() {
        let holding = |number| AccountState {
            account: account(number, Kind::Invocation),
            minute: i64::MIN,
            requests: 0,
            slots: 1,
        };
        let accounts: Vec<_> = (0..2 * HOLDINGS + 1).map(holding).collect();
        let grant =
            Message::Grant { view: ViewId(1), sequence: 1, promised: Vec::new(), accounts: Some(accounts) };
        let read = through(grant.clone());
        assert_eq!(read, [Read::Nothing, Read::Nothing, Read::Nothing, Read::Throttles(grant)]);
    }

    #[test]
    fn what_is_promised_is_rounded_up_and_what_is_granted_down() {
        let almost = Duration::from_nanos(1_999);
        assert_eq!(promise_to_wire(&Member("a".into()), almost).left_us, 2);
        let decision = Decision::Decided {
            minute: 0,
            valid_for: almost,
            requests: 0,
            request_count: 0,
            slots: 0,
            slot_count: 0,
        };
        assert_eq!(decision_to_wire(decision).unwrap().valid_for_us, 1);
    }

    #[test]
    fn what_cannot_be_understood_is_an_error_and_what_is_new_is_passed_over() {
        let mut reader = Reader::default();
        let mut fails = |message| reader.read(Some(message)).unwrap_err().to_string();
        let none = wire::Slots { account: None, change: 1 };
        assert_eq!(fails(Wire::Slots(none)), "the account cannot be read: there is none");
        let strange = wire::Account { namespace: "a".to_owned(), kind: 77 };
        let error = fails(Wire::Slots(wire::Slots { account: Some(strange), change: 1 }));
        assert_eq!(error, "the account cannot be read: 77 is no kind of one");
        assert!(fails(Wire::Introduction(wire::Introduction::default())).contains("second introduction"));
        let cut_short = wire::Ended { activation_ids: vec![0; 33] };
        assert!(fails(Wire::Ended(cut_short)).contains("no multiple of 16"));
        assert_eq!(Reader::default().read(None).unwrap(), Read::Nothing);
    }

    #[test]
    fn ids_arrive_as_they_were_sent() {
        let ids = vec![ActivationId::generate(), ActivationId::generate()];
        let read = Reader::default().read(Some(ended_to_wire(&ids))).unwrap();
        assert_eq!(read, Read::Ended(ids));
    }
}
