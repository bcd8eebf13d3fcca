//! Every implementation passes the same suite.

use std::sync::Arc;

use oxwhisk_store::conformance;
use oxwhisk_store::memory::{
    MemoryActivationStore, MemoryAttachmentStore, MemoryEntityStore, MemorySubjectStore,
};
use oxwhisk_store::sqlite::{SqliteOptions, SqliteStores};

#[tokio::test]
async fn entities_in_memory() {
    let attachments = Arc::new(MemoryAttachmentStore::default());
    let entities = MemoryEntityStore::new(Arc::clone(&attachments));
    conformance::entity_store(&entities, &*attachments).await;
}

#[tokio::test]
async fn activations_in_memory() {
    conformance::activation_store(&MemoryActivationStore::default()).await;
}

#[tokio::test]
async fn subjects_in_memory() {
    conformance::subject_store(&MemorySubjectStore::default()).await;
}

#[tokio::test]
async fn contents_in_memory() {
    let attachments = Arc::new(MemoryAttachmentStore::default());
    let entities = MemoryEntityStore::new(attachments);
    let (activations, subjects) = (MemoryActivationStore::default(), MemorySubjectStore::default());
    conformance::contents((&entities, &entities), (&activations, &activations), (&subjects, &subjects)).await;
}

#[tokio::test]
async fn contents_in_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let stores = SqliteStores::open(directory.path(), &SqliteOptions::default()).unwrap();
    conformance::contents(
        (&*stores.entities(), &*stores.entity_contents()),
        (&*stores.activations(), &*stores.activation_contents()),
        (&*stores.subjects(), &*stores.subject_contents()),
    )
    .await;
}

#[tokio::test]
async fn sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let stores = SqliteStores::open(directory.path(), &SqliteOptions::default()).unwrap();
    conformance::entity_store(&*stores.entities(), &*stores.attachments()).await;
    conformance::activation_store(&*stores.activations()).await;
    conformance::subject_store(&*stores.subjects()).await;
}

/// One connection and next to no cache: whatever is right only by luck of caching fails here.
#[tokio::test]
async fn sqlite_with_next_to_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions { cache_kib: 16, readers: 1, ..SqliteOptions::default() };
    let stores = SqliteStores::open(directory.path(), &options).unwrap();
    conformance::entity_store(&*stores.entities(), &*stores.attachments()).await;
    conformance::activation_store(&*stores.activations()).await;
    conformance::subject_store(&*stores.subjects()).await;
}
