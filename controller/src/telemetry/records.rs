//! How far the store is behind.

use std::fmt;
use std::sync::Arc;

use oxwhisk_metrics::{Page, Source};

use crate::invoke::Records;

#[derive(Debug)]
pub(super) struct RecordsSource(pub(super) Arc<Records>);

impl Source for RecordsSource {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        // Written first: one more may be accepted meanwhile, and is then on its way.
        let written = self.0.counts().1;
        let accepted = self.0.counts().0;
        page.counter("oxwhisk_records_accepted", "Records that this process handed over.", accepted)?;
        page.counter("oxwhisk_records_written", "Those of them that are in the store.", written)?;
        let pending = i64::try_from(accepted.saturating_sub(written)).unwrap_or(i64::MAX);
        page.gauge("oxwhisk_records_pending", "Those of them that are not in the store yet.", pending)
    }
}
