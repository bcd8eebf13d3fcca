//! The suite that every implementation passes.

use oxwhisk_store::conformance;

use crate::server;

#[tokio::test]
async fn entities() {
    let Some(url) = server::url("conformance of entities") else { return };
    let stores = server::stores(&server::config(&url)).await;
    conformance::entity_store(&*stores.entities(), &*stores.attachments()).await;
}

#[tokio::test]
async fn activations() {
    let Some(url) = server::url("conformance of activations") else { return };
    let stores = server::stores(&server::config(&url)).await;
    conformance::activation_store(&*stores.activations()).await;
}

#[tokio::test]
async fn subjects() {
    let Some(url) = server::url("conformance of subjects") else { return };
    let stores = server::stores(&server::config(&url)).await;
    conformance::subject_store(&*stores.subjects()).await;
}

#[tokio::test]
async fn contents() {
    let Some(url) = server::url("conformance of contents") else { return };
    let stores = server::stores(&server::config(&url)).await;
    conformance::contents(
        (&*stores.entities(), &*stores.entity_contents()),
        (&*stores.activations(), &*stores.activation_contents()),
        (&*stores.subjects(), &*stores.subject_contents()),
    )
    .await;
}
