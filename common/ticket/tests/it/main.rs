//! Forged, replayed, swapped and mangled tickets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oxwhisk_core::cache::{CacheBudget, CacheGrant, CacheRights, CacheScope, CacheTier};
use oxwhisk_core::id::{ActivationId, InvokerId, Revision};
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_ticket::{
    Audience, Claims, KeyError, KeyRing, Ticket, TicketError, TicketIssuer, TicketVerifier,
};
use proptest::prelude::*;

fn line(id: u8, fill: u8) -> String {
    format!("{id}:{}\n", STANDARD.encode([fill; 32]))
}

fn ring(lines: &[String]) -> KeyRing {
    KeyRing::parse(&lines.concat().into()).unwrap()
}

fn issuer(fill: u8) -> TicketIssuer {
    TicketIssuer::new(ring(&[line(1, fill)]), ring(&[line(1, fill + 1)]))
}

fn claims() -> Claims {
    Claims {
        activation_id: ActivationId::generate(),
        namespace: EntityName::new("team").unwrap(),
        namespace_uuid: "23bc46b1-71f6-4ed5-8c54-816aa4f8c502".into(),
        subject: "someone@example.org".into(),
        action: FullyQualifiedName::parse("guest/pkg/hello", &EntityName::new("x").unwrap()).unwrap(),
        revision: Revision("3-abc".into()),
        invoker: InvokerId(7),
        attempt: 2,
        deadline: 1_760_000_000_000,
        cache: Some(CacheGrant { scope: CacheScope::Package, ..CacheGrant::default() }),
    }
}

#[test]
fn each_audience_checks_with_its_own_key_alone() {
    let (issuer, claims) = (issuer(10), claims());
    let ticket = issuer.issue(&claims).unwrap();
    let proxies = TicketVerifier::new(Audience::CacheProxies, ring(&[line(1, 11)]));
    let controllers = TicketVerifier::new(Audience::Controllers, ring(&[line(1, 10)]));
    assert_eq!(proxies.verify(&ticket).unwrap(), claims);
    assert_eq!(controllers.verify(&ticket).unwrap(), claims);
    assert_eq!(issuer.verify(&ticket).unwrap(), claims);
    // With the proxies' key nobody makes a ticket that controllers take, nor the other way round.
    let by_proxy = TicketIssuer::new(ring(&[line(1, 11)]), ring(&[line(1, 11)]));
    let forged = by_proxy.issue(&claims).unwrap();
    assert_eq!(controllers.verify(&forged), Err(TicketError::Forged));
    assert_eq!(proxies.verify(&forged).unwrap(), claims);
}

#[test]
fn seals_cannot_be_swapped_even_under_one_key() {
    let same = || ring(&[line(1, 9)]);
    let ticket = TicketIssuer::new(same(), same()).issue(&claims()).unwrap();
    let mut bytes = ticket.as_bytes().to_vec();
    let body = bytes.len() - 66;
    bytes[body..].rotate_left(33);
    for audience in [Audience::Controllers, Audience::CacheProxies] {
        let swapped = Ticket::from_bytes(bytes.clone());
        assert_eq!(TicketVerifier::new(audience, same()).verify(&swapped), Err(TicketError::Forged));
    }
}

#[test]
fn claims_of_one_ticket_do_not_fit_the_seals_of_another() {
    let issuer = issuer(1);
    let mine = issuer.issue(&claims()).unwrap();
    let other = issuer.issue(&Claims { namespace: EntityName::new("mean").unwrap(), ..claims() }).unwrap();
    let (mine, other) = (mine.as_bytes(), other.as_bytes());
    assert_eq!(mine.len(), other.len());
    let body = mine.len() - 66;
    let mixed = [&other[..body], &mine[body..]].concat();
    assert_eq!(issuer.verify(&Ticket::from_bytes(mixed)), Err(TicketError::Forged));
}

#[test]
fn a_ticket_is_for_one_invoker_and_for_a_time() {
    let claims = claims();
    assert_eq!(claims.check_bearer(InvokerId(7)), Ok(()));
    assert_eq!(claims.check_bearer(InvokerId(8)), Err(TicketError::Stolen(InvokerId(7))));
    assert_eq!(claims.check_deadline(1_760_000_000_000), Ok(()));
    assert_eq!(claims.check_deadline(1_760_000_000_001), Err(TicketError::Expired));
}

#[test]
fn keys_follow_one_another() {
    let claims = claims();
    let with = |keys: &[String]| TicketIssuer::new(ring(keys), ring(&[line(1, 1)]));
    let old = with(&[line(1, 50)]).issue(&claims).unwrap();
    let new = with(&[line(2, 60)]).issue(&claims).unwrap();
    let both = with(&[line(2, 60), line(1, 50)]);
    assert_eq!((both.verify(&old).unwrap(), both.verify(&new).unwrap()), (claims.clone(), claims.clone()));
    assert_eq!(with(&[line(2, 60)]).verify(&old), Err(TicketError::UnknownKey));
    assert_eq!(with(&[line(1, 60)]).verify(&old), Err(TicketError::Forged));
    assert_eq!(both.issue(&claims).unwrap(), new);
}

#[test]
fn bad_keys_are_named_and_not_shown() {
    let parse = |text: &str| KeyRing::parse(&text.into()).unwrap_err();
    assert_eq!(parse("\n# none\n"), KeyError::Empty);
    assert_eq!(parse(&format!("{}secret", line(1, 1))), KeyError::Form(2));
    assert_eq!(parse("256:AAAA"), KeyError::Form(1));
    assert_eq!(parse("1:!!"), KeyError::Form(1));
    assert_eq!(parse("1:AAAA"), KeyError::Short { position: 1, found: 3 });
    assert_eq!(parse(&(line(1, 1) + &line(1, 2))), KeyError::Repeated(2));
    let ring = ring(&[line(3, 65)]);
    assert_eq!(format!("{ring:?}"), "[3]");
}

#[test]
fn texts_that_do_not_fit_are_refused() {
    let long = Claims { subject: "s".repeat(70_000).into(), ..claims() };
    assert_eq!(issuer(1).issue(&long), Err(TicketError::TooLong));
}

fn any_grant() -> impl Strategy<Value = Option<CacheGrant>> {
    let scopes = [CacheScope::Action, CacheScope::Package, CacheScope::Namespace];
    let budget =
        any::<([Option<u64>; 5], Option<bool>)>().prop_map(
            |([bytes, keys, value_bytes, operations_per_second, connections], refuse_when_full)| {
                CacheBudget { bytes, keys, value_bytes, operations_per_second, connections, refuse_when_full }
            },
        );
    let grant = (
        prop::sample::select(scopes.to_vec()),
        prop::sample::select(vec![CacheTier::Local, CacheTier::Global]),
        prop::sample::select(vec![CacheRights::Read, CacheRights::Write]),
        budget,
    )
        .prop_map(|(scope, tier, rights, budget)| CacheGrant { scope, tier, rights, budget });
    prop::option::of(grant)
}

fn any_claims() -> impl Strategy<Value = Claims> {
    let texts = ("\\PC{0,40}", "\\PC{0,40}", "\\PC{0,20}", "[a-z]{1,9}");
    (texts, any::<u32>(), any::<u32>(), any::<i64>(), any_grant()).prop_map(
        |((uuid, subject, revision, name), invoker, attempt, deadline, cache)| Claims {
            namespace: EntityName::new(&name).unwrap(),
            namespace_uuid: uuid.into(),
            subject: subject.into(),
            revision: Revision(revision),
            invoker: InvokerId(invoker),
            attempt,
            deadline,
            cache,
            ..claims()
        },
    )
}

proptest! {
    #[test]
    fn what_was_issued_is_what_is_read(claims in any_claims()) {
        let issuer = issuer(77);
        prop_assert_eq!(issuer.verify(&issuer.issue(&claims).unwrap()), Ok(claims));
    }

    #[test]
    fn tickets_that_grant_different_things_are_different(one in any_grant(), other in any_grant()) {
        let claims = claims();
        let ticket = |cache| issuer(77).issue(&Claims { cache, ..claims.clone() }).unwrap();
        prop_assert_eq!(ticket(one) == ticket(other), one == other);
    }

    #[test]
    fn a_ticket_with_any_byte_changed_is_refused(claims in any_claims(), at in any::<prop::sample::Index>(), by in 1..=255u8) {
        let issuer = issuer(77);
        let mut bytes = issuer.issue(&claims).unwrap().as_bytes().to_vec();
        // The other audience's seal is not this one's business.
        let at = at.index(bytes.len() - 33);
        bytes[at] ^= by;
        prop_assert!(issuer.verify(&Ticket::from_bytes(bytes)).is_err());
    }

    #[test]
    fn garbage_and_cut_tickets_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in any::<prop::sample::Index>()) {
        let issuer = issuer(77);
        prop_assert!(issuer.verify(&Ticket::from_bytes(bytes.clone())).is_err());
        let _ = Ticket::from_bytes(bytes).unverified();
        let whole = issuer.issue(&claims()).unwrap();
        let part = whole.as_bytes()[..cut.index(whole.as_bytes().len())].to_vec();
        prop_assert!(issuer.verify(&Ticket::from_bytes(part)).is_err());
    }
}
