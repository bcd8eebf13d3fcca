//! Changes of subjects and limits: in the store, and the caches know.

use std::sync::atomic::Ordering;

use oxwhisk_proto::admin;
use oxwhisk_proto::admin::v1::limits_client::LimitsClient;
use oxwhisk_proto::admin::v1::subjects_client::SubjectsClient;
use oxwhisk_proto::admin::v1::system_client::SystemClient;
use oxwhisk_proto::admin::v1::{self, CacheScope, ExistingKey, Key, NamespaceLimits, Reason};
use tonic::Code;

use crate::fixture::start;

fn create(subject: &str, namespace: &str) -> v1::CreateKeyRequest {
    let (subject, namespace) = (subject.to_owned(), namespace.to_owned());
    v1::CreateKeyRequest { subject, namespace, ..v1::CreateKeyRequest::default() }
}

#[tokio::test]
async fn every_change_makes_the_caches_forget() {
    let fixture = start().await;
    let mut subjects = SubjectsClient::new(fixture.channel.clone());
    let forgotten = || fixture.caches.identities.load(Ordering::SeqCst);
    subjects.create_key(create("anna1", "")).await.expect("made");
    assert_eq!(forgotten(), 1);
    subjects.create_key(create("anna1", "team")).await.expect("added");
    let subject = || "anna1".to_owned();
    subjects.set_blocked(v1::SetBlockedRequest { subject: subject(), blocked: true }).await.expect("blocked");
    subjects
        .set_blocked(v1::SetBlockedRequest { subject: subject(), blocked: false })
        .await
        .expect("unblocked");
    let team = v1::DeleteNamespaceRequest { subject: subject(), namespace: "team".to_owned() };
    subjects.delete_namespace(team).await.expect("removed");
    subjects.delete_subject(v1::DeleteSubjectRequest { subject: subject() }).await.expect("deleted");
    assert_eq!(forgotten(), 6);
    assert_eq!(fixture.subjects.subject("anna1").await.expect("readable"), None);
    let mut limits = LimitsClient::new(fixture.channel.clone());
    let wanted = NamespaceLimits { fires_per_minute: Some(1), ..NamespaceLimits::default() };
    let request =
        v1::SetLimitsRequest { namespace: "anna1".to_owned(), limits: Some(wanted), replace: false };
    limits.set_limits(request).await.expect("set");
    limits.delete_limits(v1::DeleteLimitsRequest { namespace: "anna1".to_owned() }).await.expect("removed");
    assert_eq!(forgotten(), 8);
    let mut system = SystemClient::new(fixture.channel.clone());
    let scope = CacheScope::Entities.into();
    system.invalidate_cache(v1::InvalidateCacheRequest { scope }).await.expect("done");
    assert_eq!((forgotten(), fixture.caches.entities.load(Ordering::SeqCst)), (8, 1));
}

#[tokio::test]
async fn limits_are_merged_or_replaced() {
    let fixture = start().await;
    let mut client = LimitsClient::new(fixture.channel.clone());
    let mut set = async |fires: Option<u64>, invocations: Option<u64>, replace: bool| {
        let limits = NamespaceLimits {
            fires_per_minute: fires,
            invocations_per_minute: invocations,
            ..NamespaceLimits::default()
        };
        let request = v1::SetLimitsRequest { namespace: "anna1".to_owned(), limits: Some(limits), replace };
        let answer = client.set_limits(request).await.expect("set").into_inner();
        let limits = answer.limits.expect("limits");
        (limits.fires_per_minute, limits.invocations_per_minute, answer.existed)
    };
    assert_eq!(set(Some(1), None, false).await, (Some(1), None, false));
    assert_eq!(set(None, Some(2), false).await, (Some(1), Some(2), true));
    assert_eq!(set(None, Some(3), true).await, (None, Some(3), true));
}

#[tokio::test]
async fn a_key_is_one_holders() {
    let fixture = start().await;
    let mut client = SubjectsClient::new(fixture.channel.clone());
    let made =
        client.create_key(create("anna1", "")).await.expect("made").into_inner().identity.expect("one");
    let stolen = v1::CreateKeyRequest { key: made.key.clone(), ..create("berta", "") };
    let refused = client.create_key(stolen).await.unwrap_err();
    assert_eq!((refused.code(), admin::reason(&refused)), (Code::FailedPrecondition, Reason::KeyTaken));
    let again =
        v1::CreateKeyRequest { key: made.key, existing: ExistingKey::Replace.into(), ..create("anna1", "") };
    client.create_key(again).await.expect("it is the same holder's");
    let bad = Some(Key { uuid: "x".to_owned(), secret: "y".to_owned() });
    let refused =
        client.create_key(v1::CreateKeyRequest { key: bad, ..create("berta", "") }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for (subject, namespace) in
        [("", ""), ("abcd", ""), ("a\nbcde", "team"), ("a/bcde", ""), ("berta", "a/b")]
    {
        let refused = client.create_key(create(subject, namespace)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{subject}");
    }
}

#[tokio::test]
async fn two_administrators_lose_none_of_their_changes() {
    let fixture = start().await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let mut client = SubjectsClient::new(fixture.channel.clone());
            tokio::spawn(async move { client.create_key(create("anna1", &format!("team{n}"))).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("it ends").expect("made");
    }
    let subject = fixture.subjects.subject("anna1").await.expect("readable").expect("there");
    assert_eq!(subject.namespaces.len(), 20);
}

#[tokio::test]
async fn subjects_are_listed_page_by_page() {
    let fixture = start().await;
    let mut client = SubjectsClient::new(fixture.channel.clone());
    for n in 0..5 {
        client.create_key(create(&format!("anna{n}"), "")).await.expect("made");
    }
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let request = v1::ListSubjectsRequest { page_size: 2, after };
        let page = client.list_subjects(request).await.expect("an answer").into_inner();
        names.extend(page.subjects.into_iter().map(|subject| subject.name));
        after = page.next;
        if after.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["anna0", "anna1", "anna2", "anna3", "anna4"]);
}
