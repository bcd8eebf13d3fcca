//! Records on their way to the store.

use std::sync::Arc;

use oxwhisk_controller::Records;
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::parameters::Parameters;
use oxwhisk_core::version::Version;
use oxwhisk_invoker_api::{RecordContext, RecordSink};
use oxwhisk_messaging::memory::{MemoryBus, MemoryOptions};
use oxwhisk_messaging::{Bus, Event, Topic};
use oxwhisk_store::RecordDocument;
use oxwhisk_store::memory::MemoryActivationStore;

use crate::fixture::me;

fn record(message: &str, logs: Vec<String>) -> Arc<Activation> {
    Arc::new(Activation {
        namespace: me(),
        name: me(),
        version: Version::FIRST,
        subject: "me".into(),
        activation_id: ActivationId::generate(),
        start: 1,
        end: 2,
        duration: Some(1),
        cause: None,
        response: Response::error(Status::ApplicationError, message),
        logs,
        annotations: Parameters::new(),
        publish: false,
    })
}

#[tokio::test]
async fn a_record_too_large_with_its_logs_is_kept_without_them() {
    let bus = Arc::new(MemoryBus::new(MemoryOptions { max_message: 10_000, ..MemoryOptions::default() }));
    let records = Records::new(Arc::clone(&bus) as Arc<dyn Bus>, Arc::new(MemoryActivationStore::default()));
    // Six bytes each as JSON.
    let noisy = record("no", vec!["\u{1}".repeat(2_000)]);
    records.accept(&noisy, RecordContext::default()).unwrap();
    let refused = records
        .accept(&record(&"x".repeat(20_000), vec!["x".to_owned()]), RecordContext::default())
        .unwrap_err();
    assert!(refused.lasting, "{refused}");

    let mut subscription = bus.subscribe(Topic::Completed).await.unwrap();
    let kept = loop {
        if let Event::Messages(kept) = subscription.next(9).await.unwrap() {
            break kept;
        }
    };
    let documents: Vec<String> =
        kept.iter().map(|kept| RecordDocument::decode(&kept.payload).unwrap().document.to_string()).collect();
    let [document] = documents.as_slice() else { panic!("one record: {documents:?}") };
    let kept = Activation::from_document(document).unwrap();
    assert_eq!(kept.activation_id, noisy.activation_id);
    assert_eq!(kept.logs, ["Logs were left out because the record exceeds the limit of 10000 bytes."]);
    assert_eq!(kept.response.status, Status::ApplicationError);
}
