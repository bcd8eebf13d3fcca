//! Administration.

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Version 1 of the contract.
pub mod v1 {
    include!("generated/oxwhisk.admin.v1.rs");
}

use v1::Reason;

/// The trailer that names a [`Reason`].
pub const REASON_TRAILER: &str = "oxwhisk-reason";

/// A refusal with its reason in the trailer.
#[must_use]
pub fn refusal(code: Code, reason: Reason, message: impl Into<String>) -> Status {
    let mut status = Status::new(code, message);
    let name = MetadataValue::from_static(reason.as_str_name());
    status.metadata_mut().insert(REASON_TRAILER, name);
    status
}

/// The reason of a refusal; `Unspecified` if it gives none that is known here.
#[must_use]
pub fn reason(status: &Status) -> Reason {
    let name = status.metadata().get(REASON_TRAILER).and_then(|name| name.to_str().ok());
    name.and_then(Reason::from_str_name).unwrap_or(Reason::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_travels_in_the_trailer() {
        let status = refusal(Code::NotFound, Reason::SubjectMissing, "there is no such subject");
        assert_eq!(status.metadata().get(REASON_TRAILER).unwrap(), "REASON_SUBJECT_MISSING");
        assert_eq!(reason(&status), Reason::SubjectMissing);
        assert_eq!(reason(&Status::not_found("x")), Reason::Unspecified);
    }
}
