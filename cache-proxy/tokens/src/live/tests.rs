use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Accounts, Budget, LiveScopes, Scope, Share};

fn grant(container: &str, is_alone: bool, deadline: Instant) -> Grant {
    let scope = Scope { namespace_uuid: "u".into(), share: Share::Action("a".to_owned()) };
    let now = Instant::now();
    Grant {
        issue: Issue::default(),
        activation_id: ActivationId::generate(),
        scope: LiveScopes::default().live(scope, now),
        account: Accounts::default().account("u", Budget::default(), now),
        rights: CacheRights::Write,
        tier: CacheTier::Local,
        container: ContainerId(container.to_owned()),
        address: None,
        is_alone,
        deadline,
    }
}

fn issue(set: &mut LiveSet, grant: &Grant) -> Token {
    let token = Token::generate().unwrap();
    set.issue(token, grant.clone());
    token
}

fn runs(hold: &Hold, now: Instant) -> Option<ActivationId> {
    hold.current(now).map(|entry| entry.grant().activation_id)
}

#[test]
fn a_token_lives_until_its_activation_ends_or_its_time_is_over() {
    let (mut set, now) = (LiveSet::default(), Instant::now());
    let end = now + Duration::from_secs(1);
    let first = grant("c", false, end);
    let token = issue(&mut set, &first);
    let hold = set.authenticate(&token, None, now).unwrap();
    assert_eq!(runs(&hold, now), Some(first.activation_id));
    assert_eq!((runs(&hold, end), hold.is_over(end)), (None, true));
    assert_eq!(set.authenticate(&token, None, end).unwrap_err(), NotAuthorized::Unknown);
    assert!(set.revoke(first.activation_id));
    assert_eq!((runs(&hold, now), hold.is_over(now)), (None, true));
    assert_eq!(set.authenticate(&token, None, now).unwrap_err(), NotAuthorized::Unknown);
    assert!(!set.revoke(first.activation_id) && set.is_empty());
    let nobodys = Token::generate().unwrap();
    assert_eq!(set.authenticate(&nobodys, None, now).unwrap_err(), NotAuthorized::Unknown);
}

#[test]
fn connections_of_a_warm_container_are_suspended_and_go_on_in_the_next_right() {
    let (mut set, now) = (LiveSet::default(), Instant::now());
    let end = now + Duration::from_secs(1);
    let (first, second) = (grant("c", true, end), grant("c", true, end));
    let token = issue(&mut set, &first);
    let hold = set.authenticate(&token, None, now).unwrap();
    set.revoke(first.activation_id);
    assert_eq!((runs(&hold, now), hold.is_over(now)), (None, false));
    let next = issue(&mut set, &second);
    assert_eq!(runs(&hold, now), Some(second.activation_id));
    // The first token is worth nothing, to a new connection either.
    assert!(set.authenticate(&token, None, now).is_err());
    assert_eq!(runs(&set.authenticate(&next, None, now).unwrap(), now), Some(second.activation_id));
    // Another container's token does not let it go on.
    set.revoke(second.activation_id);
    issue(&mut set, &grant("other", true, end));
    assert_eq!(runs(&hold, now), None);
    set.forget_container(&ContainerId("c".to_owned()));
    issue(&mut set, &grant("c", true, end));
    assert_eq!(runs(&hold, now), None, "a container of that name that came later is another one");
}

#[test]
fn the_next_token_of_a_container_ends_the_one_before_also_if_nobody_told() {
    let (mut set, now) = (LiveSet::default(), Instant::now());
    let (first, second) =
        (grant("c", true, now + Duration::from_secs(9)), grant("c", true, now + Duration::from_secs(9)));
    let token = issue(&mut set, &first);
    issue(&mut set, &second);
    assert!(set.authenticate(&token, None, now).is_err());
    // Issued again for the same activation: both are good.
    let again = issue(&mut set, &second);
    let hold = set.authenticate(&again, None, now).unwrap();
    assert_eq!(runs(&hold, now), Some(second.activation_id));
    set.revoke(first.activation_id);
    assert_eq!(runs(&hold, now), Some(second.activation_id), "the end of the first does not end the second");
}

#[test]
fn with_several_at_once_each_connection_ends_with_its_own() {
    let (mut set, now) = (LiveSet::default(), Instant::now());
    let end = now + Duration::from_secs(1);
    let (one, two) = (grant("c", false, end), grant("c", false, end));
    let (token, other) = (issue(&mut set, &one), issue(&mut set, &two));
    let (hold, others) =
        (set.authenticate(&token, None, now).unwrap(), set.authenticate(&other, None, now).unwrap());
    set.revoke(one.activation_id);
    assert_eq!((runs(&hold, now), runs(&others, now)), (None, Some(two.activation_id)));
    issue(&mut set, &grant("c", false, end));
    assert_eq!(runs(&hold, now), None);
}

#[test]
fn a_token_is_shown_from_its_containers_address_alone() {
    let (mut set, now) = (LiveSet::default(), Instant::now());
    let address: IpAddr = "10.0.0.1".parse().unwrap();
    let grant = Grant { address: Some(address), ..grant("c", true, now + Duration::from_secs(1)) };
    let token = issue(&mut set, &grant);
    assert!(set.authenticate(&token, Some(address), now).is_ok());
    for other in [None, Some("10.0.0.2".parse().unwrap())] {
        assert_eq!(set.authenticate(&token, other, now).unwrap_err(), NotAuthorized::Address);
    }
}

#[test]
fn an_invoker_that_is_back_says_which_live_on() {
    let (mut set, now) = (LiveSet::default(), Instant::now());
    let end = now + Duration::from_secs(1);
    let grants = [grant("mine-1", false, end), grant("mine-2", false, end), grant("other", false, end)];
    let tokens: Vec<Token> = grants.iter().map(|grant| issue(&mut set, grant)).collect();
    set.keep_only(&[grants[0].activation_id], |grant| grant.container.0.starts_with("mine"));
    let alive = |token: &Token| set.authenticate(token, None, now).is_ok();
    assert_eq!(tokens.iter().map(alive).collect::<Vec<_>>(), [true, false, true]);
    set.sweep(end);
    assert_eq!(set.len(), 0);
}

proptest! {
    /// Whatever happens in whatever order: a hold runs in the right of an activation that was issued a token for its own
    /// container, and that has not ended.
    #[test]
    fn nobody_runs_in_the_right_of_one_that_has_ended(steps in prop::collection::vec((0u8..5, 0usize..6, 0usize..3, any::<bool>()), 1..80)) {
        let (mut set, start) = (LiveSet::default(), Instant::now());
        let mut now = start;
        let mut issued: Vec<(Token, Grant)> = Vec::new();
        let mut ended: Vec<ActivationId> = Vec::new();
        let mut holds: Vec<(Hold, ContainerId)> = Vec::new();
        for (what, which, container, is_alone) in steps {
            let name = format!("{container}-{is_alone}");
            match (what, issued.len()) {
                (0, _) | (_, 0) => {
                    let grant = grant(&name, is_alone, now + Duration::from_millis(30));
                    issued.push((issue(&mut set, &grant), grant));
                }
                (1, count) => {
                    let (token, grant) = &issued[which % count];
                    if let Ok(hold) = set.authenticate(token, None, now) {
                        prop_assert!(!ended.contains(&grant.activation_id));
                        holds.push((hold, grant.container.clone()));
                    }
                }
                (2, count) => {
                    let id = issued[which % count].1.activation_id;
                    set.revoke(id);
                    ended.push(id);
                }
                (3, _) => now += Duration::from_millis(10),
                _ => set.sweep(now),
            }
            for (hold, container) in &holds {
                if let Some(entry) = hold.current(now) {
                    prop_assert_eq!(&entry.grant().container, container);
                    prop_assert!(!ended.contains(&entry.grant().activation_id));
                    prop_assert!(now < entry.grant().deadline);
                }
            }
        }
    }
}
