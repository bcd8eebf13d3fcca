//! Lists and counts of entities.

use oxwhisk_core::name::{EntityName, EntityPath};
use serde_json::{Value, json};

use super::entity::document;
use super::{fresh_namespace, id, name};
use crate::{Collection, EntityQuery, EntityStore};

async fn put(
    store: &dyn EntityStore,
    namespace: &EntityName,
    package: Option<&str>,
    entity: &str,
    updated: i64,
) {
    let id = id(namespace, package, entity);
    store.put(document(&id, Collection::Actions, updated, json!({ "exec": {} })), None).await.unwrap();
}

async fn put_package(store: &dyn EntityStore, namespace: &EntityName, package: &str, extra: Value) {
    store.put(document(&id(namespace, None, package), Collection::Packages, 1, extra), None).await.unwrap();
}

/// Names in the order of the list; the count must not depend on the window.
async fn names(store: &dyn EntityStore, query: &EntityQuery) -> Vec<String> {
    let documents = store.list(query).await.unwrap();
    documents
        .into_iter()
        .map(|document| document.id.to_string().split_once('/').unwrap().1.to_owned())
        .collect()
}

pub(super) async fn lists_are_newest_first_and_in_pages(store: &dyn EntityStore) {
    let namespace = fresh_namespace();
    for (entity, updated) in [("b", 20), ("d", 40), ("a", 10), ("c", 30)] {
        put(store, &namespace, None, entity, updated).await;
    }
    let all = EntityQuery::all(Collection::Actions, namespace);
    assert_eq!(names(store, &all).await, ["d", "c", "b", "a"]);
    let page = |skip, limit| EntityQuery { skip, limit, ..all.clone() };
    assert_eq!(names(store, &page(1, Some(2))).await, ["c", "b"]);
    assert_eq!(names(store, &page(3, Some(9))).await, ["a"]);
    assert_eq!(names(store, &page(3, None)).await, ["a"]);
    assert_eq!(names(store, &page(9, Some(9))).await, [""; 0]);
    assert_eq!(names(store, &page(0, Some(0))).await, [""; 0]);
    assert_eq!(store.count(&page(3, Some(1))).await.unwrap(), 4);
}

pub(super) async fn a_namespace_lists_its_packages_entities_too(store: &dyn EntityStore) {
    let namespace = fresh_namespace();
    put(store, &namespace, None, "plain", 1).await;
    put(store, &namespace, Some("p"), "inner", 2).await;
    put(store, &namespace, Some("q"), "inner", 3).await;
    let all = EntityQuery::all(Collection::Actions, namespace.clone());
    assert_eq!(names(store, &all).await, ["q/inner", "p/inner", "plain"]);
    assert_eq!(store.count(&all).await.unwrap(), 3);
    let package = EntityQuery { path: EntityPath::new(namespace, Some(name("p"))), ..all };
    assert_eq!(names(store, &package).await, ["p/inner"]);
    assert_eq!(store.count(&package).await.unwrap(), 1);
}

pub(super) async fn collections_are_apart(store: &dyn EntityStore) {
    let namespace = fresh_namespace();
    let kinds = [Collection::Actions, Collection::Triggers, Collection::Rules, Collection::Packages];
    for collection in kinds {
        let document = document(&id(&namespace, None, collection.as_str()), collection, 1, json!({}));
        store.put(document, None).await.unwrap();
    }
    for collection in kinds {
        let query = EntityQuery::all(collection, namespace.clone());
        assert_eq!(names(store, &query).await, [collection.as_str()]);
        assert_eq!(store.list(&query).await.unwrap()[0].collection, collection);
        assert_eq!(store.count(&query).await.unwrap(), 1);
    }
}

pub(super) async fn strangers_see_published_packages_that_are_no_bindings(store: &dyn EntityStore) {
    let namespace = fresh_namespace();
    put_package(store, &namespace, "private", json!({ "publish": false, "binding": {} })).await;
    put_package(store, &namespace, "public", json!({ "publish": true, "binding": {} })).await;
    let bound = json!({ "publish": true, "binding": { "namespace": "x", "name": "y" } });
    put_package(store, &namespace, "binding", bound).await;
    let query =
        EntityQuery { public_only: true, ..EntityQuery::all(Collection::Packages, namespace.clone()) };
    assert_eq!(names(store, &query).await, ["public"]);
    assert_eq!(store.count(&query).await.unwrap(), 1);
    let everything = EntityQuery { public_only: false, ..query };
    assert_eq!(store.count(&everything).await.unwrap(), 3);
}

pub(super) async fn counts_follow_every_change(store: &dyn EntityStore) {
    let namespace = fresh_namespace();
    let package = EntityQuery::all(Collection::Packages, namespace.clone());
    let public = EntityQuery { public_only: true, ..package.clone() };
    let trigger = EntityQuery { collection: Collection::Triggers, ..package.clone() };
    let counts = async || {
        let count = async |query| store.count(query).await.unwrap();
        (count(&package).await, count(&public).await, count(&trigger).await)
    };
    let id = id(&namespace, None, "x");
    let with = |collection, publish: bool| document(&id, collection, 1, json!({ "publish": publish }));
    let first = store.put(with(Collection::Packages, false), None).await.unwrap();
    assert_eq!(counts().await, (1, 0, 0));
    let second = store.put(with(Collection::Packages, true), Some(&first)).await.unwrap();
    assert_eq!(counts().await, (1, 1, 0));
    store.put(with(Collection::Packages, true), Some(&first)).await.unwrap_err();
    assert_eq!(counts().await, (1, 1, 0));
    let third = store.put(with(Collection::Triggers, true), Some(&second)).await.unwrap();
    assert_eq!(counts().await, (0, 0, 1));
    store.delete(&id, &third).await.unwrap();
    assert_eq!(counts().await, (0, 0, 0));
}
