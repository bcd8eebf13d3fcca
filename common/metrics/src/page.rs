//! What a scrape is answered with, while it is being written.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::Histogram;

/// A label and its value.
pub type Label<'a> = (&'a str, &'a str);

/// Takes metrics. Counters get their suffix `_total` here.
#[derive(Debug)]
pub struct Page<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl<'a> Page<'a> {
    pub(crate) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder }
    }

    /// # Errors
    /// When the page takes nothing more.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, u64, f64>(&value, None)
    }

    /// One counter for each set of labels.
    ///
    /// # Errors
    /// When the page takes nothing more.
    pub fn counters<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (&'l [Label<'l>], u64)>,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
        }
        Ok(())
    }

    /// # Errors
    /// When the page takes nothing more.
    pub fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// One gauge for each set of labels.
    ///
    /// # Errors
    /// When the page takes nothing more.
    pub fn gauges<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (&'l [Label<'l>], i64)>,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in series {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// # Errors
    /// When the page takes nothing more.
    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        let held = histogram.distribution();
        self.encoder
            .encode_descriptor(name, help, None, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(held.sum, held.count, &held.buckets, None)
    }

    /// One histogram for each set of labels.
    ///
    /// # Errors
    /// When the page takes nothing more.
    pub fn histograms<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (&'l [Label<'l>], &'l Histogram)>,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, histogram) in series {
            let held = histogram.distribution();
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                held.sum,
                held.count,
                &held.buckets,
                None,
            )?;
        }
        Ok(())
    }
}
