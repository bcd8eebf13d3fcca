//! Whether the bus can be worked with.

use std::fmt;
use std::sync::Arc;

use oxwhisk_messaging::{Bus, BusStatus};
use oxwhisk_metrics::{Page, Source};

/// Tells the state of a bus, for a service that tells nothing else of it.
#[derive(Clone, Debug)]
pub struct BusState(pub Arc<dyn Bus>);

impl Source for BusState {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let available = *self.0.status().borrow() == BusStatus::Available;
        page.gauge("oxwhisk_bus_available", "Whether the bus can be worked with.", available.into())
    }
}
