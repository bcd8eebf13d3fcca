//! When images are fetched, and what users are told when they cannot be.

use std::time::Duration;

use base64::Engine as _;
use oxwhisk_container::{ContainerFactory, ContainerSpec, CreateError};
use oxwhisk_docker::TaggedPull;

use crate::registry::Registry;
use crate::rig::{Rig, spec};

/// A start of an image that is named so, by a user or not.
fn start(rig_image: &str, by_user: bool) -> ContainerSpec {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut spec = spec(&format!("pull_{number}"), "none");
    (spec.image, spec.user_provided_image) = (rig_image.to_owned(), by_user);
    spec
}

async fn registry() -> Registry {
    Registry::start(None, Duration::ZERO).await
}

#[tokio::test]
async fn latest_is_fetched_for_every_start_and_must_be_had() {
    let Some(rig) = Rig::start("latest_is_fetched_for_every_start_and_must_be_had").await else { return };
    let registry = registry().await;
    let image = format!("{}/me/moving", registry.host());
    rig.create(start(&image, true)).await;
    let once = registry.fetches("me/moving:latest");
    assert!(once > 0);
    rig.create(start(&format!("{image}:latest"), true)).await;
    assert!(registry.fetches("me/moving:latest") > once);
    // The machine has it now, which does not help.
    rig.daemon.docker(&["tag", &format!("{image}:latest"), "127.0.0.1:9/me/moving:latest"]);
    let error = rig.factory.create(start("127.0.0.1:9/me/moving", true)).await.unwrap_err();
    assert_eq!(error.to_string(), "Failed to pull container image '127.0.0.1:9/me/moving'.");
    rig.end().await;
}

#[tokio::test]
async fn other_tags_are_fetched_once() {
    let Some(rig) = Rig::start("other_tags_are_fetched_once").await else { return };
    let registry = registry().await;
    let image = format!("{}/me/fixed:1.0", registry.host());
    let container = rig.create(start(&image, true)).await;
    let once = registry.fetches("me/fixed:1.0");
    assert!(once > 0 && container.exit_reason().await.is_none());
    rig.create(start(&image, true)).await;
    assert_eq!(registry.fetches("me/fixed:1.0"), once);
    let absent = format!("{}/me/absent:1", registry.host());
    let error = rig.factory.create(start(&absent, true)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("Failed to pull container image '{absent}'."));
    rig.end().await;
}

#[tokio::test]
async fn other_tags_are_tried_for_every_start_where_that_is_wanted() {
    let change = |config: &mut oxwhisk_docker::DockerConfig| config.images.tagged = TaggedPull::Always;
    let Some(rig) = Rig::with("other_tags_are_tried_for_every_start_where_that_is_wanted", change).await
    else {
        return;
    };
    let registry = registry().await;
    let image = format!("{}/me/tried:1", registry.host());
    rig.create(start(&image, true)).await;
    let once = registry.fetches("me/tried:1");
    rig.create(start(&image, true)).await;
    assert!(registry.fetches("me/tried:1") > once);
    // What the machine has is used when the registry is away.
    rig.daemon.docker(&["tag", &image, "127.0.0.1:9/me/tried:1"]);
    rig.create(start("127.0.0.1:9/me/tried:1", true)).await;
    let error = rig.factory.create(start("127.0.0.1:9/me/unknown:1", true)).await.unwrap_err();
    assert_eq!(error.to_string(), "Failed to pull container image '127.0.0.1:9/me/unknown:1'.");
    rig.end().await;
}

#[tokio::test]
async fn starts_that_need_the_same_image_share_a_fetch() {
    let Some(rig) = Rig::start("starts_that_need_the_same_image_share_a_fetch").await else { return };
    let registry = Registry::start(None, Duration::from_millis(700)).await;
    let image = format!("{}/me/shared", registry.host());
    let starts = (0..4).map(|_| rig.create(start(&image, true)));
    futures_util::future::join_all(starts).await;
    let together = registry.fetches("me/shared:latest");
    rig.create(start(&image, true)).await;
    let alone = registry.fetches("me/shared:latest") - together;
    assert_eq!(together, alone, "four starts made as many requests as one");
    rig.end().await;
}

#[tokio::test]
async fn runtimes_come_from_their_registry_and_only_if_absent() {
    let registry = registry().await;
    let host = registry.host();
    let change = |config: &mut oxwhisk_docker::DockerConfig| {
        config.images.runtimes_registry = format!("{host}/");
        config.images.user_images_registry = "127.0.0.1:9".to_owned();
    };
    let Some(rig) = Rig::with("runtimes_come_from_their_registry_and_only_if_absent", change).await else {
        return;
    };
    rig.create(start("openwhisk/action-x:nightly", false)).await;
    let once = registry.fetches("openwhisk/action-x:nightly");
    assert!(once > 0);
    rig.create(start("openwhisk/action-x:nightly", false)).await;
    assert_eq!(registry.fetches("openwhisk/action-x:nightly"), once);
    // The platform's own fault is not the user's.
    let error = rig.factory.create(start("openwhisk/absent:nightly", false)).await.unwrap_err();
    assert!(
        matches!(&error, CreateError::Platform(text) if text.contains("openwhisk/absent:nightly")),
        "{error:?}"
    );
    let error = rig.factory.create(start("me/mine", true)).await.unwrap_err();
    assert_eq!(error.to_string(), "Failed to pull container image '127.0.0.1:9/me/mine'.");
    rig.end().await;
}

#[tokio::test]
async fn local_images_are_not_fetched_where_that_is_allowed() {
    let change =
        |config: &mut oxwhisk_docker::DockerConfig| config.images.bypass_pull_for_local_images = true;
    let Some(rig) = Rig::with("local_images_are_not_fetched_where_that_is_allowed", change).await else {
        return;
    };
    let mut local = spec("local", "silent");
    local.user_provided_image = true;
    rig.create(local).await;
    rig.end().await;
}

#[tokio::test]
async fn a_registry_gets_the_credentials_it_is_owed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let auth = base64::engine::general_purpose::STANDARD.encode("me:se>cr?et~~");
    let password = format!("Basic {auth}");
    let registry = Registry::start(Some(&password), Duration::ZERO).await;
    let text = serde_json::json!({"auths": {registry.host(): {"auth": auth}}}).to_string();
    std::fs::write(&file, text).unwrap();
    let change = |config: &mut oxwhisk_docker::DockerConfig| config.credentials = Some(file.clone());
    let Some(rig) = Rig::with("a_registry_gets_the_credentials_it_is_owed", change).await else { return };
    let image = format!("{}/me/private:1", registry.host());
    rig.create(start(&image, true)).await;
    rig.daemon.docker(&["tag", &image, "oxwhisk-test/private:1"]);
    // Read anew each time.
    std::fs::write(&file, "{}").unwrap();
    let other = format!("{}/me/private:2", registry.host());
    let error = rig.factory.create(start(&other, true)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("Failed to pull container image '{other}'."));
    rig.end().await;
}
