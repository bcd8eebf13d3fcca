//! A database as OpenWhisk writes it, old forms among them, read through the stores.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oxwhisk_core::entity::{Action, Activation};
use oxwhisk_core::limits::SystemLimits;
use oxwhisk_core::manifest::Manifest;
use oxwhisk_core::name::{EntityName, EntityPath, FullyQualifiedName};
use oxwhisk_core::subject::AuthKey;
use oxwhisk_couchdb::CouchStores;
use oxwhisk_store::{ActivationQuery, Collection, ContentsQuery, EntityQuery, StoreError, ViewName};
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::server;

const GUEST: &str =
    "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";
const TEAM: &str =
    "11bc46b1-71f6-4ed5-8c54-816aa4f8c511:223zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";
const OTHER: &str =
    "33bc46b1-71f6-4ed5-8c54-816aa4f8c533:333zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";
const BLOCKED: &str =
    "44bc46b1-71f6-4ed5-8c54-816aa4f8c544:444zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";

const OLD_ID: &str = "00000000000000000000000000000001";
const NEW_ID: &str = "44794bd6aab74415b4e42a308d880e5b";
const TRIGGER_ID: &str = "00000000000000000000000000000003";
const BOUND_ID: &str = "00000000000000000000000000000004";

fn action(namespace: &str, name: &str, updated: i64, code: &Value) -> Value {
    json!({
        "_id": format!("{namespace}/{name}"), "entityType": "action", "namespace": namespace, "name": name,
        "version": "0.0.3", "publish": false, "parameters": [], "updated": updated,
        "annotations": [{"key": "exec", "value": "nodejs:20"}, {"key": "provide-api-key", "value": false}],
        "limits": {"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1},
        "exec": {"kind": "nodejs:20", "binary": false, "code": code},
    })
}

fn attachment(name: &str) -> Value {
    json!({
        "attachmentName": name, "attachmentType": "text/plain; charset=UTF-8", "length": 17,
        "digest": "sha-256-2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    })
}

const CODE: &str = "function main(){}";

fn entities() -> Vec<Value> {
    let beside = |name: &str| json!({ name: {"content_type": "text/plain", "data": STANDARD.encode(CODE)} });
    let mut with_attachment = action("guest/pkg", "beside", 40, &attachment("couch:9f2c-1"));
    with_attachment["_attachments"] = beside("9f2c-1");
    let mut legacy = action("guest", "legacy", 30, &attachment("codefile"));
    legacy["_attachments"] = beside("codefile");
    let mut very_old = action("guest", "very-old", 0, &json!(CODE));
    for member in ["entityType", "updated"] {
        very_old.as_object_mut().unwrap().remove(member);
    }
    very_old["limits"] = json!({"timeout": 60000, "memory": 256});
    let mut sequence = action("guest", "sequence", 20, &Value::Null);
    sequence["exec"] = json!({"kind": "sequence", "components": ["/guest/legacy", "guest/pkg/beside"]});
    vec![
        action("guest/pkg", "inline", 50, &attachment("mem:ZnVuY3Rpb24gbWFpbigpe30=")),
        with_attachment,
        legacy,
        sequence,
        very_old,
        action("guest", "elsewhere", 10, &attachment("s3:abc")),
        json!({
            "_id": "guest/pkg", "entityType": "package", "namespace": "guest", "name": "pkg", "version": "0.0.1",
            "publish": true, "parameters": [], "annotations": [], "binding": {}, "updated": 5,
        }),
        json!({
            "_id": "guest/bound", "namespace": "guest", "name": "bound", "version": "0.0.1", "publish": true,
            "parameters": [], "annotations": [], "binding": {"namespace": "whisk.system", "name": "utils"},
            "updated": 6,
        }),
        json!({
            "_id": "guest/trigger", "namespace": "guest", "name": "trigger", "version": "0.0.1", "publish": false,
            "parameters": [], "annotations": [], "limits": {}, "updated": 7, "rules": {"guest/rule": {
                "action": {"path": "guest", "name": "legacy"}, "status": "active"}},
        }),
        json!({
            "_id": "guest/rule", "entityType": "rule", "namespace": "guest", "name": "rule", "version": "0.0.1",
            "publish": false, "annotations": [], "updated": 8,
            "trigger": {"path": "guest", "name": "trigger"}, "action": {"path": "guest", "name": "legacy"},
        }),
        json!({
            "_id": "guest/old-rule", "namespace": "guest", "name": "old-rule", "version": "0.0.1", "publish": false,
            "annotations": [], "trigger": "guest/trigger", "action": "/guest/pkg/beside", "status": "active",
        }),
        json!({ "_id": "guest/strange", "entityType": "mystery", "namespace": "guest", "name": "strange" }),
    ]
}

fn activations() -> Vec<Value> {
    let record = |id: &str, name: &str, start: Value, end: Value| {
        json!({
            "_id": format!("guest/{id}"), "entityType": "activation", "namespace": "guest", "name": name,
            "subject": "guest", "activationId": id, "start": start, "end": end, "duration": 123,
            "response": {"statusCode": 0, "result": {"msg": "hi"}, "size": 12}, "logs": [], "version": "0.0.1",
            "publish": false, "annotations": [{"key": "path", "value": format!("guest/pkg/{name}")}],
            "updated": 1_760_000_000_200_i64,
        })
    };
    let mut old = record(OLD_ID, "hello", json!("2016-05-04T10:20:30.123Z"), json!("2016-05-04T10:20:31Z"));
    for member in ["entityType", "updated", "duration"] {
        old.as_object_mut().unwrap().remove(member);
    }
    let mut fired = record(TRIGGER_ID, "trigger", json!(1_760_000_000_500_i64), json!(0));
    fired["annotations"] = json!([]);
    fired["cause"] = json!(NEW_ID);
    let mut bound = record(BOUND_ID, "hello", json!(1_760_000_001_000_i64), json!(1_760_000_001_001_i64));
    bound["annotations"].as_array_mut().unwrap().push(json!({"key": "binding", "value": "guest/bound"}));
    vec![
        record(NEW_ID, "hello", json!(1_760_000_000_000_i64), json!(1_760_000_000_123_i64)),
        old,
        fired,
        bound,
    ]
}

fn subjects() -> Vec<Value> {
    let namespace = |name: &str, auth: &str| {
        let (uuid, key) = auth.split_once(':').unwrap();
        json!({ "name": name, "uuid": uuid, "key": key })
    };
    vec![
        json!({ "_id": "guest", "subject": "guest", "namespaces": [namespace("guest", GUEST), namespace("team", TEAM)] }),
        json!({ "_id": "other-subject", "subject": "other-subject", "blocked": false, "since": 2016,
                "namespaces": [namespace("team", OTHER)] }),
        json!({ "_id": "blocked-subject", "subject": "blocked-subject", "blocked": true,
                "namespaces": [namespace("evil", BLOCKED)] }),
        json!({ "_id": "team/limits", "invocationsPerMinute": 200, "concurrentInvocations": 0,
                "allowedKinds": ["nodejs:20"], "storeActivations": false }),
        json!({ "_id": "evil/limits", "invocationsPerMinute": "many" }),
    ]
}

/// The stores over such a database; their design documents come after the data, as in a database without any.
async fn fixture(url: &str) -> (CouchStores, Raw) {
    let config = server::config(url);
    let raw = |name: &str| Raw::new(&config, name);
    let names = &config.databases;
    for (name, documents) in
        [(&names.entities, entities()), (&names.activations, activations()), (&names.subjects, subjects())]
    {
        raw(name).create().await;
        raw(name).put_all(&documents).await;
    }
    let subjects = raw(&names.subjects);
    (server::stores(&config).await, subjects)
}

fn guest() -> EntityName {
    EntityName::new("guest").unwrap()
}

fn id(text: &str) -> FullyQualifiedName {
    FullyQualifiedName::parse(text, &guest()).unwrap()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn actions_are_read_with_their_code_wherever_it_is() {
    let Some(url) = server::url("a database of OpenWhisk: actions") else { return };
    let (stores, _) = fixture(&url).await;
    let (entities, attachments) = (stores.entities(), stores.attachments());
    let manifest = Manifest::parse(
        r#"{"runtimes": {"nodejs": [{"kind": "nodejs:20", "default": true, "image": {"name": "n"},
            "attached": {"attachmentName": "codefile", "attachmentType": "text/plain"}}]}}"#,
    )
    .unwrap();
    for (name, code) in [
        ("guest/pkg/inline", "mem:ZnVuY3Rpb24gbWFpbigpe30="),
        ("guest/pkg/beside", "couch:9f2c-1"),
        ("guest/legacy", "codefile"),
    ] {
        let bytes = attachments.get(&id(name), code).await.unwrap();
        assert_eq!(bytes.as_deref(), Some(CODE.as_bytes()), "{name}");
    }
    let error = attachments.get(&id("guest/elsewhere"), "s3:abc").await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(text) if text.contains("s3:abc")), "{error}");
    assert_eq!(attachments.get(&id("guest/pkg/beside"), "couch:no").await.unwrap(), None);
    for name in ["guest/pkg/inline", "guest/legacy", "guest/sequence", "guest/very-old"] {
        let stored = entities.get(&id(name)).await.unwrap().expect(name);
        assert_eq!(stored.document.collection, Collection::Actions);
        assert!(stored.revision.0.starts_with("1-"));
        let defaults = SystemLimits::default().default_action_limits();
        let action = Action::from_document(&stored.document.body, &manifest, defaults).unwrap();
        assert_eq!(action.id(), id(name));
    }
}

#[tokio::test]
async fn entities_without_a_type_are_told_by_their_shape() {
    let Some(url) = server::url("a database of OpenWhisk: shapes") else { return };
    let (stores, _) = fixture(&url).await;
    let entities = stores.entities();
    for (name, collection) in [
        ("guest/very-old", Collection::Actions),
        ("guest/bound", Collection::Packages),
        ("guest/trigger", Collection::Triggers),
        ("guest/old-rule", Collection::Rules),
    ] {
        assert_eq!(entities.get(&id(name)).await.unwrap().unwrap().document.collection, collection, "{name}");
    }
    let rule = entities.get(&id("guest/old-rule")).await.unwrap().unwrap().document;
    let body = value(rule.body.get());
    assert_eq!(body["trigger"], json!({"path": "guest", "name": "trigger"}));
    assert_eq!(body["action"], json!({"path": "guest/pkg", "name": "beside"}));
    assert_eq!(rule.updated, 0);
    assert!(matches!(entities.get(&id("guest/strange")).await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn lists_have_what_openwhisk_lists() {
    let Some(url) = server::url("a database of OpenWhisk: lists") else { return };
    let (stores, _) = fixture(&url).await;
    let list = async |query: &EntityQuery| -> Vec<String> {
        let documents = stores.entities().list(query).await.unwrap();
        assert_eq!(stores.entities().count(query).await.unwrap(), documents.len() as u64);
        documents.iter().map(|document| document.id.to_string()).collect()
    };
    let all = |collection| EntityQuery::all(collection, guest());
    let actions = list(&all(Collection::Actions)).await;
    let expected = ["pkg/inline", "pkg/beside", "legacy", "sequence", "elsewhere", "very-old"];
    assert_eq!(actions, expected.map(|name| format!("guest/{name}")));
    let package = EntityPath::new(guest(), Some(EntityName::new("pkg").unwrap()));
    let packaged = list(&EntityQuery { path: package, ..all(Collection::Actions) }).await;
    assert_eq!(packaged, ["guest/pkg/inline", "guest/pkg/beside"]);
    assert_eq!(list(&all(Collection::Triggers)).await, ["guest/trigger"]);
    assert_eq!(list(&all(Collection::Rules)).await, ["guest/rule", "guest/old-rule"]);
    assert_eq!(list(&all(Collection::Packages)).await, ["guest/bound", "guest/pkg"]);
    let public = EntityQuery { public_only: true, ..all(Collection::Packages) };
    assert_eq!(list(&public).await, ["guest/pkg"]);
}

#[tokio::test]
async fn records_of_all_times_are_read() {
    let Some(url) = server::url("a database of OpenWhisk: records") else { return };
    let (stores, _) = fixture(&url).await;
    let store = stores.activations();
    let old = store.get(&guest(), OLD_ID.parse().unwrap()).await.unwrap().unwrap();
    let old = Activation::from_document(&old).unwrap();
    assert_eq!((old.start, old.end), (1_462_357_230_123, 1_462_357_231_000));
    let all =
        ActivationQuery { namespace: guest(), name: None, since: None, upto: None, skip: 0, limit: None };
    let summaries: Vec<Value> = store.summaries(&all).await.unwrap().iter().map(|text| value(text)).collect();
    let ids: Vec<&str> = summaries.iter().map(|entry| entry["activationId"].as_str().unwrap()).collect();
    // Texts sort behind numbers.
    assert_eq!(ids, [OLD_ID, BOUND_ID, TRIGGER_ID, NEW_ID]);
    assert_eq!(summaries[0]["start"], 1_462_357_230_123_i64);
    let fired = json!({
        "namespace": "guest", "name": "trigger", "version": "0.0.1", "publish": false, "annotations": [],
        "activationId": TRIGGER_ID, "start": 1_760_000_000_500_i64, "cause": NEW_ID,
    });
    assert_eq!(summaries[2], fired);
    assert_eq!((&summaries[3]["duration"], &summaries[3]["statusCode"]), (&json!(123), &json!(0)));
    let named = async |name: &str| {
        let query = ActivationQuery { name: Some(name.to_owned()), ..all.clone() };
        let documents = store.documents(&query).await.unwrap();
        assert_eq!(store.count(&query).await.unwrap(), documents.len() as u64);
        let read = |text: &String| Activation::from_document(text).unwrap().activation_id.to_string();
        documents.iter().map(read).collect::<Vec<_>>()
    };
    assert_eq!(named("pkg/hello").await, [OLD_ID, NEW_ID]);
    assert_eq!(named("bound/hello").await, [BOUND_ID]);
    assert_eq!(named("trigger").await, [TRIGGER_ID]);
    let ids = [NEW_ID, "f0000000000000000000000000000000"].map(|id| (guest(), id.parse().unwrap()));
    assert_eq!(store.existing(&ids).await.unwrap(), [true, false]);
}

#[tokio::test]
async fn keys_of_wskadmin_open_their_namespaces() {
    let Some(url) = server::url("a database of OpenWhisk: subjects") else { return };
    let (stores, raw) = fixture(&url).await;
    let store = stores.subjects();
    let identity = async |key: &str| store.identity_by_key(&AuthKey::parse(key).unwrap()).await.unwrap();
    let guest_identity = identity(GUEST).await.unwrap();
    assert_eq!((&*guest_identity.subject, guest_identity.namespace.as_str()), ("guest", "guest"));
    let team = identity(TEAM).await.unwrap();
    assert_eq!((&*team.subject, team.namespace.as_str()), ("guest", "team"));
    assert_eq!((team.limits.invocations_per_minute, team.limits.store_activations), (Some(200), Some(false)));
    assert_eq!(&*identity(OTHER).await.unwrap().subject, "other-subject");
    assert_eq!(identity(BLOCKED).await, None);
    assert_eq!(store.limits(&EntityName::new("evil").unwrap()).await.unwrap(), None);
    let mut holders: Vec<_> = store.identities(&team.namespace).await.unwrap();
    holders.sort_by_key(|identity| identity.subject.clone());
    assert_eq!(
        holders.iter().map(|identity| &*identity.subject).collect::<Vec<_>>(),
        ["guest", "other-subject"]
    );
    let all: Vec<String> =
        store.subjects(None, 9).await.unwrap().into_iter().map(|subject| subject.subject).collect();
    assert_eq!(all, ["blocked-subject", "guest", "other-subject"]);
    store.set_blocked("blocked-subject", false).await.unwrap();
    assert_eq!(identity(BLOCKED).await.unwrap().limits, Default::default());
    store.set_blocked("other-subject", true).await.unwrap();
    let document = raw.get("other-subject").await.unwrap();
    assert_eq!((&document["blocked"], &document["since"]), (&json!(true), &json!(2016)));
}

#[tokio::test]
async fn views_are_shown_as_they_are() {
    let Some(url) = server::url("a database of OpenWhisk: views") else { return };
    let (stores, _) = fixture(&url).await;
    let rows = async |design: &str, view: &str| -> Vec<Value> {
        let view = Some(ViewName { design: design.to_owned(), view: view.to_owned() });
        let query = ContentsQuery { view, ..ContentsQuery::primary(false, 100) };
        let rows = stores.subject_contents().contents(&query).await.unwrap();
        rows.iter().map(|row| value(row)).collect()
    };
    let blocked = rows("namespaceThrottlings", "blockedNamespaces").await;
    let names: Vec<&str> = blocked.iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(names, ["evil", "team"]);
    assert_eq!(rows("subjects.v2.0.0", "identities").await.len(), 6);
}
