//! Wants and offers.

use oxwhisk_invoker_api::offers::{Offer, OfferId, WantId, WorkKey};
use oxwhisk_proto::dispatch::v1 as wire;

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

pub(crate) fn offer_from_message(offer: wire::Offer) -> Offer {
    Offer { id: OfferId(offer.offer), want: WantId(offer.want), warm: offer.warm, memory: offer.memory }
}
