//! From the ticket to the end of the activation.

use std::time::Instant;

use oxwhisk_cache_proxy::Control;
use oxwhisk_core::cache::{CacheGrant, CacheRights, CacheScope};
use oxwhisk_grpc::Security;
use oxwhisk_invoker_api::{CacheToken, CacheTokenError, CacheTokens as _};
use oxwhisk_proto::cache::v1::cache_tokens_client::CacheTokensClient;
use oxwhisk_proto::cache::v1::{Ended, IntrospectRequest, IssueBatchRequest, IssueRequest, Issuer, issued};
use oxwhisk_ticket::Claims;

use crate::fixture::{Rig, claims, container, dispatch, issuer, now, until};

fn is_worth(control: &Control, token: &CacheToken) -> bool {
    control.authenticate(token.0.as_bytes(), None, Instant::now()).is_some()
}

#[tokio::test]
async fn a_token_is_worth_what_its_ticket_says_until_the_end() {
    let rig = Rig::plain().await;
    let invoker = rig.invoker(3);
    let grant = CacheGrant { scope: CacheScope::Package, rights: CacheRights::Read, ..CacheGrant::default() };
    let claims = Claims { cache: Some(grant), ..claims(invoker.id) };
    let dispatch = dispatch(&claims);
    let token = invoker.tokens.issue(&dispatch, container("c1")).await.unwrap();
    assert!(is_worth(&rig.control, &token));
    let mut client = CacheTokensClient::new(rig.plain_channel());
    let issuer = Some(Issuer { invoker: 3, incarnation: 0 });
    let request = IntrospectRequest { issuer, token: token.0.clone() };
    let seen = client.introspect(request.clone()).await.unwrap().into_inner();
    assert_eq!((&*seen.scope, &*seen.rights, &*seen.tier), ("package", "read", "local"));
    assert_eq!((seen.activation_id, &*seen.container), (claims.activation_id.to_string(), "c1"));
    assert!(seen.left > 0 && seen.left <= 61_000);
    // Of another invoker's it learns nothing.
    let others = IntrospectRequest { issuer: Some(Issuer { invoker: 4, incarnation: 0 }), ..request };
    assert_eq!(client.introspect(others).await.unwrap_err().code(), tonic::Code::NotFound);
    invoker.tokens.revoke(claims.activation_id);
    until("the token is dead", || !is_worth(&rig.control, &token)).await;
}

#[tokio::test]
async fn without_a_ticket_that_holds_there_is_no_token() {
    let rig = Rig::plain().await;
    let invoker = rig.invoker(3);
    let good = claims(invoker.id);
    let expired = dispatch(&Claims { deadline: now() - 1, ..good.clone() });
    let without = dispatch(&Claims { cache: None, ..good.clone() });
    let mut forged = dispatch(&good);
    let mut bytes = forged.ticket.as_ref().unwrap().as_bytes().to_vec();
    bytes[20] ^= 1;
    forged.ticket = Some(oxwhisk_ticket::Ticket::from_bytes(bytes));
    let mut none = dispatch(&good);
    none.ticket = None;
    for (dispatch, why) in [
        (expired, "the ticket expired"),
        (without, "the ticket gives no right to the cache"),
        (forged, "the ticket is not authentic"),
        (none, "there is no ticket"),
    ] {
        let refused = invoker.tokens.issue(&dispatch, container("c")).await;
        assert_eq!(refused, Err(CacheTokenError::Refused(why.to_owned())));
    }
    assert_eq!(rig.control.tokens(), 0);
}

#[tokio::test]
async fn ends_are_only_believed_of_an_invokers_own() {
    let rig = Rig::plain().await;
    let (one, other) = (rig.invoker(3), rig.invoker(4));
    let (mine, theirs) = (claims(one.id), claims(other.id));
    let kept = one.tokens.issue(&dispatch(&mine), container("c")).await.unwrap();
    let ended = other.tokens.issue(&dispatch(&theirs), container("c")).await.unwrap();
    // It has never had it: it says nothing. Said all the same, it is not believed.
    let mut client = CacheTokensClient::new(rig.plain_channel());
    let request = oxwhisk_proto::cache::v1::RevokeRequest {
        issuer: Some(Issuer { invoker: 4, incarnation: 0 }),
        ended: [&mine, &theirs]
            .map(|claims| Ended { activation_id: claims.activation_id.to_string(), up_to: u64::MAX })
            .to_vec(),
        containers: vec![],
    };
    client.revoke(request).await.unwrap();
    assert!(is_worth(&rig.control, &kept) && !is_worth(&rig.control, &ended));
    // A container's end is the end of what it has.
    one.tokens.forget("c");
    until("the container's token is dead", || !is_worth(&rig.control, &kept)).await;
}

#[tokio::test]
async fn what_was_not_heard_is_said_when_somebody_listens_again() {
    let mut rig = Rig::plain().await;
    let invoker = rig.invoker(3);
    let claims: Vec<Claims> = (0..3).map(|_| claims(invoker.id)).collect();
    let mut tokens = Vec::new();
    for claims in &claims {
        tokens.push(invoker.tokens.issue(&dispatch(claims), container("c")).await.unwrap());
    }
    rig.silence().await;
    invoker.tokens.revoke(claims[0].activation_id);
    let refused = invoker.tokens.issue(&dispatch(&claims[1]), container("c")).await;
    assert!(matches!(refused, Err(CacheTokenError::Away(_))), "{refused:?}");
    // The one that could not be asked for again has ended by that.
    rig.serve(Security::Plaintext { insecure: false }).await;
    until("ends are told", || rig.control.tokens() == 1).await;
    assert!(is_worth(&rig.control, &tokens[2]));
}

#[tokio::test]
async fn an_invoker_that_starts_again_has_nothing_left_from_before() {
    let rig = Rig::plain().await;
    let before = rig.invoker(3);
    let other = rig.invoker(4);
    let lost = before.tokens.issue(&dispatch(&claims(before.id)), container("c")).await.unwrap();
    let others = other.tokens.issue(&dispatch(&claims(other.id)), container("c")).await.unwrap();
    drop(before);
    let after = rig.invoker(3);
    let own = after.tokens.issue(&dispatch(&claims(after.id)), container("d")).await.unwrap();
    until("the old token is dead", || !is_worth(&rig.control, &lost)).await;
    assert!(is_worth(&rig.control, &others) && is_worth(&rig.control, &own));
}

#[tokio::test]
async fn an_activation_that_begins_again_keeps_what_it_was_issued_after_its_end() {
    let rig = Rig::plain().await;
    let invoker = rig.invoker(3);
    let claims = claims(invoker.id);
    let dispatch = dispatch(&claims);
    for _ in 0..200 {
        let before = invoker.tokens.issue(&dispatch, container("c")).await.unwrap();
        invoker.tokens.revoke(claims.activation_id);
        let again = invoker.tokens.issue(&dispatch, container("d")).await.unwrap();
        until("the first token is dead", || !is_worth(&rig.control, &before)).await;
        assert!(is_worth(&rig.control, &again));
        invoker.tokens.revoke(claims.activation_id);
    }
    until("both are dead", || rig.control.tokens() == 0).await;
}

#[tokio::test]
async fn several_are_issued_at_once_and_each_has_its_answer() {
    let rig = Rig::plain().await;
    let mut client = CacheTokensClient::new(rig.plain_channel());
    let request = |claims: &Claims, name: &str| IssueRequest {
        issuer: Some(Issuer { invoker: 3, incarnation: 9 }),
        number: 1,
        ticket: issuer().issue(claims).unwrap().as_bytes().to_vec(),
        container: name.to_owned(),
        lasts: 1000,
        ..IssueRequest::default()
    };
    let good = claims(oxwhisk_core::id::InvokerId(3));
    let requests = vec![
        request(&good, "c"),
        request(&Claims { deadline: 0, ..good.clone() }, "c"),
        request(&good, "a b"),
    ];
    let answers = client.issue_batch(IssueBatchRequest { requests }).await.unwrap().into_inner().issued;
    let told: Vec<String> = answers
        .into_iter()
        .map(|issued| match issued.outcome {
            Some(issued::Outcome::Token(token)) => format!("{} characters", token.token.len()),
            Some(issued::Outcome::Refusal(why)) => why,
            None => String::new(),
        })
        .collect();
    assert_eq!(told, ["43 characters", "the ticket expired", "'a b' is no container's name"]);
    let many = IssueBatchRequest { requests: vec![IssueRequest::default(); 1001] };
    assert_eq!(client.issue_batch(many).await.unwrap_err().code(), tonic::Code::InvalidArgument);
}
