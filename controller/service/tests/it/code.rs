//! Code is served against a ticket, to its bearer, in time, and for the ticket's action.

use oxwhisk_core::id::InvokerId;
use oxwhisk_proto::code::v1::GetCodeRequest;
use oxwhisk_ticket::{Claims, Ticket};
use tonic::Code;

use crate::fixture::{Rig, claims, issuer, request};

#[tokio::test]
async fn a_ticket_gets_the_code_of_its_action_and_of_no_other() {
    let rig = Rig::start().await;
    rig.put("guest/mine", "my code").await;
    rig.put("victim/secret", "not yours").await;
    let large = "x ".repeat(100_000);
    rig.put("guest/pkg/large", &large).await;
    let tickets = issuer('A');
    for (name, code) in [("guest/mine", "my code"), ("guest/pkg/large", &large)] {
        let ticket = tickets.issue(&claims(name)).unwrap();
        assert_eq!(rig.ask("invoker/invoker3", request(&ticket)).await.unwrap(), code);
        // The same ticket again is the same activation's: a container may have to be started twice.
        assert_eq!(rig.ask("invoker/invoker3", request(&ticket)).await.unwrap(), code);
    }
    // Where the ticket names the action, the name of another fits no seal.
    let ticket = tickets.issue(&claims("guest/secret")).unwrap();
    let bytes = ticket.as_bytes().to_vec();
    let at = bytes.windows(12).position(|part| part == b"guest/secret").unwrap();
    let mut forged = bytes.clone();
    forged.splice(at..at + 5, *b"victm");
    let error = rig.ask("invoker/invoker3", request(&Ticket::from_bytes(forged))).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::PermissionDenied, "the ticket is not authentic"));
}

#[tokio::test]
async fn forged_stolen_and_expired_tickets_get_nothing() {
    let rig = Rig::start().await;
    rig.put("guest/mine", "my code").await;
    let good = claims("guest/mine");
    let tickets = issuer('A');
    let ask = async |peer: &str, ticket: Ticket| {
        let error = rig.ask(peer, request(&ticket)).await.unwrap_err();
        (error.code(), error.message().to_owned())
    };
    let denied = |text: &str| (Code::PermissionDenied, text.to_owned());
    // Of a key that is not the controllers'.
    let forged = issuer('I').issue(&good).unwrap();
    assert_eq!(ask("invoker/invoker3", forged).await, denied("the ticket is not authentic"));
    // Of another invoker.
    let stolen = tickets.issue(&good).unwrap();
    assert_eq!(ask("invoker/invoker4", stolen.clone()).await, denied("the ticket was made for invoker3"));
    assert_eq!(ask("invoker/invoker03", stolen).await, denied("the ticket was made for invoker3"));
    let expired = tickets.issue(&Claims { deadline: 1_760_000_000_000, ..good.clone() }).unwrap();
    assert_eq!(ask("invoker/invoker3", expired).await, denied("the ticket expired"));
    for garbage in [Vec::new(), vec![0; 66], vec![255; 1000]] {
        assert_eq!(ask("invoker/invoker3", Ticket::from_bytes(garbage)).await.0, Code::PermissionDenied);
    }
    // Of its own making, with the only key an invoker could ever have come by: none.
    let other = tickets.issue(&Claims { invoker: InvokerId(4), ..good }).unwrap();
    assert_eq!(rig.ask("invoker/invoker4", request(&other)).await.unwrap(), "my code");
}

#[tokio::test]
async fn only_invokers_are_served() {
    let rig = Rig::start().await;
    rig.put("guest/mine", "my code").await;
    let ticket = issuer('A').issue(&claims("guest/mine")).unwrap();
    for peer in ["admin/me", "cache-proxy/node1", "controller/controller1"] {
        let error = rig.ask(peer, request(&ticket)).await.unwrap_err();
        assert_eq!(error.code(), Code::PermissionDenied, "{peer}: {error}");
    }
}

#[tokio::test]
async fn an_action_that_is_gone_or_has_another_kind_is_said_to_be_so() {
    let rig = Rig::start().await;
    rig.put("guest/mine", "my code").await;
    let ask = async |name: &str, change: fn(&mut GetCodeRequest)| {
        let mut request = request(&issuer('A').issue(&claims(name)).unwrap());
        change(&mut request);
        rig.ask("invoker/invoker3", request).await.unwrap_err().code()
    };
    assert_eq!(ask("guest/gone", |_| {}).await, Code::NotFound);
    assert_eq!(
        ask("guest/mine", |request| request.kind = "nodejs:20".to_owned()).await,
        Code::FailedPrecondition
    );
    assert_eq!(
        ask("guest/mine", |request| request.main = Some("other".to_owned())).await,
        Code::FailedPrecondition
    );
    assert_eq!(ask("guest/mine", |request| request.binary = true).await, Code::FailedPrecondition);
}
