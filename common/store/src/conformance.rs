//! What every implementation of the stores must do, as suites of checks that panic where it does not.
//!
//! A suite may run on a store that holds other data: each check uses a namespace of its own.

mod activation;
mod activation_order;
mod activation_paging;
mod contents;
mod entity;
mod entity_list;
mod subject;

use std::sync::atomic::{AtomicU32, Ordering};

use oxwhisk_core::name::{EntityName, EntityPath, FullyQualifiedName};

use crate::{ActivationStore, AttachmentStore, DatabaseContents, EntityStore, SubjectStore};

/// Entities and the attachments beside them.
///
/// # Panics
/// When a check fails.
pub async fn entity_store(entities: &dyn EntityStore, attachments: &dyn AttachmentStore) {
    entity::a_document_reads_as_it_was_written(entities).await;
    entity::a_body_keeps_its_letters(entities).await;
    entity::a_new_document_must_not_be_there_yet(entities).await;
    entity::only_the_revision_last_read_replaces(entities).await;
    entity::only_the_revision_last_read_deletes(entities).await;
    entity::of_concurrent_writers_one_wins(entities).await;
    entity::attachments_live_with_their_document(entities, attachments).await;
    entity::pruning_spares_what_came_later(attachments).await;
    entity_list::lists_are_newest_first_and_in_pages(entities).await;
    entity_list::a_namespace_lists_its_packages_entities_too(entities).await;
    entity_list::collections_are_apart(entities).await;
    entity_list::strangers_see_published_packages_that_are_no_bindings(entities).await;
    entity_list::counts_follow_every_change(entities).await;
}

/// Activation records.
///
/// # Panics
/// When a check fails.
pub async fn activation_store(store: &dyn ActivationStore) {
    activation::a_record_reads_as_it_was_written(store).await;
    activation_order::a_record_written_twice_is_there_once(store).await;
    activation_order::the_first_record_stays(store).await;
    activation_order::its_own_run_completes_a_record(store).await;
    activation_order::a_batch_is_as_its_records_one_after_the_other(store).await;
    activation_order::a_completed_record_moves_in_its_lists(store).await;
    activation::an_id_belongs_to_its_namespace(store).await;
    activation::existing_records_are_told_from_others(store).await;
    activation_paging::records_are_listed_last_started_first(store).await;
    activation_paging::a_name_selects_with_its_package(store).await;
    activation_paging::both_ends_of_a_time_range_are_included(store).await;
    activation_paging::every_page_of_every_range_is_right(store).await;
}

/// Subjects, keys and limits.
///
/// # Panics
/// When a check fails.
pub async fn subject_store(store: &dyn SubjectStore) {
    subject::a_key_opens_its_namespace(store).await;
    subject::a_wrong_key_opens_nothing(store).await;
    subject::a_blocked_subject_has_no_identity(store).await;
    subject::a_replaced_subject_loses_its_old_keys(store).await;
    subject::a_deleted_subject_is_gone(store).await;
    subject::subjects_are_listed_page_by_page(store).await;
    subject::blocking_leaves_all_else_as_it_is(store).await;
    subject::a_namespace_can_be_shared(store).await;
    subject::a_key_held_twice_is_ambiguous(store).await;
    subject::limits_come_with_the_identity(store).await;
}

/// The databases behind the stores, row by row.
///
/// # Panics
/// When a check fails.
pub async fn contents(
    (entities, of_entities): (&dyn EntityStore, &dyn DatabaseContents),
    (activations, of_activations): (&dyn ActivationStore, &dyn DatabaseContents),
    (subjects, of_subjects): (&dyn SubjectStore, &dyn DatabaseContents),
) {
    contents::of_entities(entities, of_entities).await;
    contents::of_activations(activations, of_activations).await;
    contents::of_subjects(subjects, of_subjects).await;
}

/// A namespace that no other check uses.
fn fresh_namespace() -> EntityName {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    name(&format!("ns{number}-{}", uuid::Uuid::new_v4().simple()))
}

fn name(text: &str) -> EntityName {
    EntityName::new(text).expect("a legal name")
}

fn id(namespace: &EntityName, package: Option<&str>, entity: &str) -> FullyQualifiedName {
    FullyQualifiedName::new(EntityPath::new(namespace.clone(), package.map(name)), name(entity))
}

/// Runs futures side by side in one task.
async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    use std::task::Poll;

    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut futures {
            if output.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        if futures.iter().all(|(_, output)| output.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}
