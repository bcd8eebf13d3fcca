//! Records are admitted for the identity that their ticket names.

use std::sync::Arc;

use oxwhisk_controller_service::{NotAdmitted, TicketedRecords};
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::parameters::Parameters;
use oxwhisk_core::version::Version;
use oxwhisk_dispatch::{RecordEnvelope, RecordKind, RecordOrigin};
use oxwhisk_ticket::{Claims, Ticket};

use crate::fixture::{claims, issuer};

fn record(claims: &Claims) -> Activation {
    Activation {
        namespace: claims.namespace.clone(),
        name: claims.action.name.clone(),
        version: Version::FIRST,
        subject: Arc::clone(&claims.subject),
        activation_id: claims.activation_id,
        start: 1,
        end: 2,
        duration: Some(1),
        cause: None,
        response: Response::error(Status::ApplicationError, "no"),
        logs: vec!["2026 stdout: a".to_owned()],
        annotations: Parameters::new(),
        publish: false,
    }
}

fn payload(ticket: &Ticket, record: &Activation) -> Vec<u8> {
    let origin = RecordOrigin { kind: RecordKind::Result, run: 5, version: 1 };
    let document = record.to_document(2);
    RecordEnvelope { origin, ticket: ticket.as_bytes(), document: &document }.encode().unwrap()
}

#[test]
fn a_record_goes_where_its_ticket_says() {
    let claims = Claims { deadline: 1, ..claims("guest/pkg/hello") };
    let admitted = TicketedRecords::new(Arc::new(issuer('A')))
        .admit(&payload(&issuer('A').issue(&claims).unwrap(), &record(&claims)), 77)
        .unwrap();
    assert_eq!((admitted.activation_id, admitted.origin.run), (claims.activation_id, 5));
    assert_eq!(admitted.document.namespace, claims.namespace);
    assert!(admitted.document.document.contains(r#""updated":77"#), "{}", admitted.document.document);
}

#[test]
fn records_of_others_and_without_a_ticket_are_not_admitted() {
    let records = TicketedRecords::new(Arc::new(issuer('A')));
    let mine = claims("guest/hello");
    let ticket = issuer('A').issue(&mine).unwrap();
    let good = record(&mine);
    let field = |record: &Activation| match records.admit(&payload(&ticket, record), 1).unwrap_err() {
        NotAdmitted::Mismatch { field, .. } => field,
        other => panic!("{other}"),
    };
    // A record of a victim's, of another activation, or under another name.
    assert_eq!(
        field(&Activation { namespace: EntityName::new("victim").unwrap(), ..good.clone() }),
        "namespace"
    );
    assert_eq!(field(&Activation { activation_id: ActivationId::generate(), ..good.clone() }), "activation");
    assert_eq!(field(&Activation { subject: "admin".into(), ..good.clone() }), "subject");
    assert_eq!(field(&Activation { name: EntityName::new("other").unwrap(), ..good.clone() }), "action");
    let forged = issuer('I').issue(&mine).unwrap();
    assert!(matches!(records.admit(&payload(&forged, &good), 1), Err(NotAdmitted::Ticket(_))));
    let whole = payload(&ticket, &good);
    assert!(matches!(records.admit(&whole[..whole.len() - 1], 1), Err(NotAdmitted::Record(_))));
    assert!(matches!(records.admit(b"{}", 1), Err(NotAdmitted::Envelope(_))));
    let no_ticket = payload(&Ticket::from_bytes(Vec::new()), &good);
    assert!(matches!(records.admit(&no_ticket, 1), Err(NotAdmitted::Ticket(_))));
}
