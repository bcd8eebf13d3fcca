//! What goes wrong behind the services, as clients see it.

use oxwhisk_core::name::EntityName;
use oxwhisk_messaging::BusError;
use oxwhisk_proto::admin::refusal;
use oxwhisk_proto::admin::v1::Reason;
use oxwhisk_store::StoreError;
use tonic::{Code, Status};

pub(crate) fn of_store(error: &StoreError) -> Status {
    tracing::warn!(%error, "an administrator's request failed");
    let text = error.to_string();
    match error {
        StoreError::Conflict => refusal(Code::Aborted, Reason::Conflict, text),
        StoreError::NotFound => Status::not_found(text),
        StoreError::Ambiguous => Status::failed_precondition(text),
        StoreError::Corrupt(_) => Status::data_loss(text),
        StoreError::TooLarge(_) | StoreError::Refused(_) => Status::resource_exhausted(text),
        StoreError::Unavailable(_) => Status::unavailable(text),
    }
}

pub(crate) fn of_bus(error: &BusError) -> Status {
    tracing::warn!(%error, "an administrator's request failed");
    let text = error.to_string();
    match error {
        BusError::Full { .. } | BusError::TooLarge { .. } => Status::resource_exhausted(text),
        BusError::Forbidden(_) => Status::permission_denied(text),
        BusError::TimedOut { .. } | BusError::Unavailable(_) | BusError::Closed => Status::unavailable(text),
    }
}

pub(crate) fn subject_missing(subject: &str) -> Status {
    refusal(Code::NotFound, Reason::SubjectMissing, format!("there is no subject '{subject}'"))
}

/// # Errors
/// INVALID_ARGUMENT when it is none.
pub(crate) fn namespace(text: &str) -> Result<EntityName, Status> {
    let wrong = |_| {
        Status::invalid_argument(format!(
            "'{text}' is not a namespace: letters, digits and '_', inside also '@ .&-', at most 256 bytes"
        ))
    };
    EntityName::new(text).map_err(wrong)
}
