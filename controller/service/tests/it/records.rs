//! Records are admitted for the identity that their ticket names.

use std::sync::Arc;

use oxwhisk_controller::RecordForm;
use oxwhisk_controller_service::{NotAdmitted, TicketedRecords};
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_core::name::EntityName;
use oxwhisk_core::parameters::Parameters;
use oxwhisk_core::version::Version;
use oxwhisk_dispatch::{RecordEnvelope, RecordKind, RecordOrigin};
use oxwhisk_ticket::{Claims, Ticket};

use crate::fixture::{claims, issuer};

pub(crate) fn record(claims: &Claims) -> Activation {
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
    RecordEnvelope { origin, trace: None, ticket: ticket.as_bytes(), document: &document }.encode().unwrap()
}

fn records() -> TicketedRecords {
    TicketedRecords::new(Arc::new(issuer('A')), 7)
}

#[test]
fn a_record_goes_where_its_ticket_says() {
    let claims = Claims { deadline: 1, ..claims("guest/pkg/hello") };
    let admitted =
        records().read(&payload(&issuer('A').issue(&claims).unwrap(), &record(&claims)), 77).unwrap();
    assert_eq!((&admitted.namespace, admitted.activation_id), (&claims.namespace, claims.activation_id));
    let origin = admitted.origin.unwrap();
    assert_eq!((origin.kind, origin.version), (RecordKind::Result, 1));
    assert!(admitted.document.contains(r#""updated":77"#), "{}", admitted.document);
}

#[test]
fn records_of_others_and_without_a_ticket_are_not_admitted() {
    let records = records();
    let mine = claims("guest/hello");
    let ticket = issuer('A').issue(&mine).unwrap();
    let good = record(&mine);
    let field = |record: &Activation| match records.read(&payload(&ticket, record), 1).unwrap_err() {
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
    assert!(matches!(records.read(&payload(&forged, &good), 1), Err(NotAdmitted::Ticket(_))));
    let whole = payload(&ticket, &good);
    assert!(matches!(records.read(&whole[..whole.len() - 1], 1), Err(NotAdmitted::Record(_))));
    assert!(matches!(records.read(b"{}", 1), Err(NotAdmitted::Envelope(_))));
    let no_ticket = payload(&Ticket::from_bytes(Vec::new()), &good);
    assert!(matches!(records.read(&no_ticket, 1), Err(NotAdmitted::Ticket(_))));
}

/// A run is named by its ticket, too: an invoker that got another attempt cannot pass for the first one.
#[test]
fn a_run_is_completed_under_its_own_ticket_only() {
    let first = claims("guest/hello");
    let origin = |claims: &Claims, run, version| {
        let origin = RecordOrigin { kind: RecordKind::Result, run, version };
        let (ticket, document) = (issuer('A').issue(claims).unwrap(), record(claims).to_document(2));
        let envelope = RecordEnvelope { origin, trace: None, ticket: ticket.as_bytes(), document: &document };
        records().read(&envelope.encode().unwrap(), 1).unwrap().origin.unwrap()
    };
    let stored = origin(&first, 5, 1);
    assert!(origin(&first, 5, 2).completes(&stored));
    assert!(origin(&Claims { deadline: 9, ..first.clone() }, 5, 2).completes(&stored));
    for (claims, run) in [
        (first.clone(), 6),
        (Claims { attempt: 2, ..first.clone() }, 5),
        (Claims { invoker: InvokerId(4), ..first }, 5),
    ] {
        assert!(!origin(&claims, run, 2).completes(&stored), "{claims:?} {run}");
    }
}

#[test]
fn a_controllers_own_record_is_admitted_by_all_controllers() {
    let lost = record(&claims("guest/hello"));
    let ticket = issuer('A').issue(&claims("guest/other")).unwrap();
    let others = TicketedRecords::new(Arc::new(issuer('A')), 8);
    let bytes = records().encode(&lost, RecordKind::Lost, None, 3).unwrap();
    let admitted = others.read(&bytes, 4).unwrap();
    assert_eq!(
        (admitted.activation_id, admitted.origin.unwrap().kind),
        (lost.activation_id, RecordKind::Lost)
    );
    // Under a ticket of the engine's, which must be one of that activation.
    let swapped = records().encode(&lost, RecordKind::Lost, Some(&ticket), 3).unwrap();
    assert!(matches!(others.read(&swapped, 4), Err(NotAdmitted::Mismatch { .. })));
    let strangers = TicketedRecords::new(Arc::new(issuer('I')), 8);
    assert!(matches!(strangers.read(&bytes, 4), Err(NotAdmitted::Ticket(_))));
    // Nothing but the record is had for the ticket that it bears.
    let envelope = RecordEnvelope::decode(&bytes).unwrap();
    let claims = issuer('A').verify(&Ticket::from_bytes(envelope.ticket.to_vec())).unwrap();
    assert_eq!((claims.deadline, claims.cache), (0, None));
}
