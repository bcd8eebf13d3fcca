//! Wants and offers.

#[cfg(feature = "server")]
use std::sync::Arc;

#[cfg(feature = "server")]
use oxwhisk_core::id::Revision;
#[cfg(feature = "server")]
use oxwhisk_core::name::EntityName;
#[cfg(feature = "client")]
use oxwhisk_invoker_api::offers::OfferId;
use oxwhisk_invoker_api::offers::{Offer, WantId, WorkKey};
use oxwhisk_proto::dispatch::v1 as wire;

#[cfg(feature = "server")]
use super::{Malformed, action_name};

#[cfg(feature = "client")]
pub(crate) fn want_to_message(want: WantId, key: &WorkKey, count: u32) -> wire::Want {
    let key = wire::WorkKey {
        namespace: key.namespace.to_string(),
        action: key.action.to_string(),
        revision: key.revision.0.clone(),
        kind: key.kind.clone(),
        blackbox: key.blackbox,
        memory: key.memory,
        slots: key.slots,
    };
    wire::Want { want: want.0, key: Some(key), count }
}

#[cfg(feature = "server")]
pub(crate) fn want_from_message(message: wire::Want) -> Result<(WantId, Arc<WorkKey>, u32), Malformed> {
    let key = message.key.ok_or_else(|| Malformed::new("want", "it does not say what is wanted"))?;
    let namespace = EntityName::namespace(&key.namespace).map_err(|error| Malformed::new("want", error))?;
    let key = WorkKey {
        namespace,
        action: action_name(&key.action)?,
        revision: Revision(key.revision),
        kind: key.kind,
        blackbox: key.blackbox,
        memory: key.memory,
        slots: key.slots.max(1),
    };
    Ok((WantId(message.want), Arc::new(key), message.count))
}

#[cfg(feature = "server")]
pub(crate) fn offer_to_message(offer: Offer) -> wire::Offer {
    wire::Offer { offer: offer.id.0, want: offer.want.0, warm: offer.warm, memory: offer.memory }
}

#[cfg(feature = "client")]
pub(crate) fn offer_from_message(offer: wire::Offer) -> Offer {
    Offer { id: OfferId(offer.offer), want: WantId(offer.want), warm: offer.warm, memory: offer.memory }
}
