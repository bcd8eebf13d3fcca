//! Whoever counts an activation is told that it has ended.

use oxwhisk_controller_service::peers::OtherControllers as _;
use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::Incarnation;

use super::cluster::{Cluster, Told, together, until};

#[tokio::test]
async fn one_controller_is_told_of_ends_and_every_one_of_a_conversation_that_broke() {
    let nodes = Cluster::new().of(3).await;
    let ids: Vec<ActivationId> = (0..40).map(|_| ActivationId::generate()).collect();
    let (few, many) = ids.split_at(1);
    for told in [few, many] {
        nodes[0].peers.tell_ended(nodes[1].identity.incarnation, told);
        until("it is told", async || nodes[1].diary.has(&Told::Ended(told.to_vec())).then_some(())).await;
    }
    assert!(!nodes[2].diary.all().iter().any(|told| matches!(told, Told::Ended(_))), "nobody else is");
    // Nobody of that name: it is not told to anybody.
    nodes[0].peers.tell_ended(Incarnation(1), few);

    nodes[1].proxy.cut();
    for (node, other) in [(0, 1), (1, 0)] {
        let cut_off = Told::CutOff(nodes[other].identity.incarnation);
        until("it knows", async || nodes[node].diary.has(&cut_off).then_some(())).await;
    }
    together(&nodes).await;
    nodes[1].peers.tell_ended(nodes[0].identity.incarnation, &ids);
    until("it is told", async || nodes[0].diary.has(&Told::Ended(ids.clone())).then_some(())).await;
    let told = nodes[1].diary.all().into_iter().filter(|told| matches!(told, Told::Ended(_))).count();
    assert_eq!(told, 2);
}
