//! Who is there, and who is not believed.

use bytes::Bytes;
use oxwhisk_core::heartbeat::{ControllerHeartbeat, Heartbeat};
use oxwhisk_dispatch::Incarnation;
use oxwhisk_grpc::{Expected, Role};
use oxwhisk_messaging::{Bus as _, Channel};
use oxwhisk_proto::peer::v1::peer_client::PeerClient;
use oxwhisk_proto::peer::v1::peer_message::Message;
use oxwhisk_proto::peer::v1::{GreetRequest, Introduction, PeerMessage};
use tonic::Code;

use super::cluster::{Cluster, DEADLINE, Told, together, until};

#[tokio::test]
async fn controllers_find_each_other_and_one_that_leaves_is_gone() {
    let cluster = Cluster::new();
    let mut nodes = cluster.of(3).await;
    for node in &nodes {
        for other in nodes.iter().filter(|other| other.identity != node.identity) {
            let joined = Told::Joined(other.identity.name.clone(), other.identity.incarnation);
            assert_eq!(node.diary.all().iter().filter(|told| **told == joined).count(), 1);
            assert!(node.peers.is_present(other.identity.incarnation));
        }
        assert!(node.peers.is_present(node.identity.incarnation));
        assert!(!node.peers.is_present(Incarnation(7)), "nobody's");
    }
    let leaving = nodes.remove(1);
    leaving.peers.leave(DEADLINE).await;
    together(&nodes).await;
    for node in &nodes {
        let gone = Told::Gone(leaving.identity.incarnation);
        until("it is gone", async || node.diary.has(&gone).then_some(())).await;
        assert!(!node.peers.is_present(leaving.identity.incarnation));
    }
    // Its process goes on for a while, and is not taken for one that joins.
    assert!(leaving.peers.close(DEADLINE).await);
    let joined = Told::Joined(leaving.identity.name.clone(), leaving.identity.incarnation);
    for node in &nodes {
        assert_eq!(node.diary.all().iter().filter(|told| **told == joined).count(), 1);
    }
}

#[tokio::test]
async fn a_controller_that_comes_back_is_another_one() {
    let cluster = Cluster::new();
    let mut nodes = cluster.of(2).await;
    let old = nodes.pop().unwrap();
    let (name, incarnation) = (old.identity.name.clone(), old.identity.incarnation);
    // The old process has not ended, and the new one answers in its name already.
    let new = cluster.start(&name, 555).await;
    let diary = &nodes[0].diary;
    until("the new one", async || diary.has(&Told::Joined(name.clone(), Incarnation(555))).then_some(()))
        .await;
    assert!(diary.has(&Told::Gone(incarnation)), "{:?}", diary.all());
    old.kill().await;
    nodes.push(new);
    together(&nodes).await;
}

#[tokio::test]
async fn a_heartbeat_alone_is_not_believed() {
    let cluster = Cluster::new();
    let nodes = cluster.of(2).await;
    let beat = async |name: &str, incarnation: u64, leaving: bool| {
        let heartbeat = Heartbeat::Controller(ControllerHeartbeat {
            name: name.to_owned(),
            incarnation,
            // Of a controller, but of another name or life.
            address: nodes[1].identity.address.clone(),
            version: String::new(),
            leaving,
        });
        let text = Bytes::from(serde_json::to_vec(&heartbeat).unwrap());
        cluster.bus.publish(Channel::Health, name, text).await.unwrap();
    };
    cluster.bus.publish(Channel::Health, "x", Bytes::from_static(b"no heartbeat")).await.unwrap();
    // A stranger, a later life of one that lives, and the end of one that goes on.
    beat("controller9", 909, false).await;
    beat("controller1", 910, false).await;
    beat("controller1", nodes[1].identity.incarnation.0, true).await;
    // All three were heard before this one.
    let third = cluster.start("controller3", 103).await;
    let diary = &nodes[0].diary;
    until("the third", async || {
        diary.has(&Told::Joined("controller3".to_owned(), Incarnation(103))).then_some(())
    })
    .await;
    until("the wrong life is found out", async || {
        (!nodes[0].peers.is_present(Incarnation(910))).then_some(())
    })
    .await;
    for told in diary.all() {
        assert!(!matches!(told, Told::Gone(_) | Told::Joined(_, Incarnation(909 | 910))), "{told:?}");
    }
    drop(third);
}

#[tokio::test]
async fn only_controllers_are_served_and_only_by_their_own_names() {
    let cluster = Cluster::new();
    let node = cluster.start("controller0", 100).await;
    let introduction = |name: &str| Introduction {
        name: name.to_owned(),
        incarnation: 5,
        address: "127.0.0.1:1".to_owned(),
        leaving: false,
    };
    let greet = async |certificate: &str, name: &str| {
        let channel =
            cluster.dialer(certificate).dial(&node.identity.address, Expected::Role(Role::Controller));
        let mut client = PeerClient::new(channel.unwrap());
        let greeted = client.greet(GreetRequest { from: Some(introduction(name)) }).await;
        let first = PeerMessage { message: Some(Message::Introduction(introduction(name))) };
        let conversed = client.converse(tokio_stream::once(first)).await;
        let code = |error: tonic::Status| error.code();
        (greeted.map(drop).map_err(code), conversed.map(drop).map_err(code))
    };
    let denied = (Err(Code::PermissionDenied), Err(Code::PermissionDenied));
    for stranger in ["invoker/invoker0", "admin/me"] {
        assert_eq!(greet(stranger, "controller1").await, denied, "{stranger}");
    }
    assert_eq!(greet("controller/controller1", "controller2").await, denied);
    let taken = (Err(Code::AlreadyExists), Err(Code::AlreadyExists));
    assert_eq!(greet("controller/controller0", "controller0").await, taken);
    let wrong = (Err(Code::InvalidArgument), Err(Code::InvalidArgument));
    assert_eq!(greet("controller/controller1", "no name").await, wrong);
    assert_eq!(node.diary.all(), []);
    assert_eq!(greet("controller/controller1", "controller1").await, (Ok(()), Ok(())));
    until("it has joined", async || {
        node.diary.has(&Told::Joined("controller1".to_owned(), Incarnation(5))).then_some(())
    })
    .await;
    // Nobody listens where it says that it is.
    until("it is gone", async || node.diary.has(&Told::Gone(Incarnation(5))).then_some(())).await;
}
