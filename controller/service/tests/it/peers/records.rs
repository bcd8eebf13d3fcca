//! Records that one controller has and the store may not have yet.

use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::parameters::Parameters;
use oxwhisk_core::version::Version;

use super::cluster::{Cluster, together};

fn record(log: &str) -> Activation {
    Activation {
        namespace: EntityName::new("me").unwrap(),
        name: EntityName::new("hello").unwrap(),
        version: Version::FIRST,
        subject: "me".into(),
        activation_id: ActivationId::generate(),
        start: 1,
        end: 2,
        duration: Some(1),
        cause: None,
        response: Response::error(Status::ApplicationError, "no"),
        logs: vec![log.to_owned()],
        annotations: Parameters::new(),
        publish: false,
    }
}

#[tokio::test]
async fn a_record_is_found_at_another_controller() {
    let cluster = Cluster::new();
    let mut nodes = cluster.of(3).await;
    let (small, large) = (record("a line"), record(&"many lines ".repeat(100_000)));
    for record in [&small, &large] {
        nodes[2].shelf.put(record.clone());
    }
    let (me, elsewhere) = (EntityName::new("me").unwrap(), nodes[0].peers.elsewhere());
    for record in [&small, &large] {
        let found = elsewhere.find(&me, record.activation_id).await.expect("it is there");
        assert_eq!(found.to_document(2), record.to_document(2));
    }
    assert!(elsewhere.find(&me, ActivationId::generate()).await.is_none());
    let other = EntityName::new("other").unwrap();
    assert!(elsewhere.find(&other, small.activation_id).await.is_none(), "it is another namespace's");
    assert!(nodes[2].peers.elsewhere().find(&me, small.activation_id).await.is_none(), "others are asked");
    // Who is dead has nothing, and nobody waits for it.
    nodes.pop().unwrap().kill().await;
    assert!(elsewhere.find(&me, small.activation_id).await.is_none());
    together(&nodes).await;
    assert!(elsewhere.find(&me, small.activation_id).await.is_none());
}
