//! All metrics of a process.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use crate::Page;

/// Of what [`Metrics::text`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A part of the process that has metrics.
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// Writes what holds now. It is asked at each scrape, and must not wait for anything.
    ///
    /// # Errors
    /// When the page takes nothing more.
    fn write(&self, page: &mut Page<'_>) -> fmt::Result;
}

/// The sources of one process; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

#[derive(Debug)]
struct Adapter(Arc<dyn Source>);

impl Collector for Adapter {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.write(&mut Page::new(encoder))
    }
}

impl Metrics {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part. Each has names of its own; no part is added twice.
    pub fn add(&self, source: Arc<dyn Source>) {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(Adapter(source)));
    }

    /// Everything that holds now, in the OpenMetrics text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A string takes everything, and sources fail only when the page does.
        let _ = text::encode(&mut out, &registry);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counter, Histogram};

    #[derive(Debug)]
    struct Part {
        calls: Counter,
        took: Histogram,
    }

    impl Source for Part {
        fn write(&self, page: &mut Page<'_>) -> fmt::Result {
            page.counter("calls", "Calls.", self.calls.get())?;
            page.gauges("open", "Open things.", [(&[("kind", "a\"b")][..], 2), (&[("kind", "c")][..], 0)])?;
            page.histograms("took_seconds", "Time.", [(&[("of", "run")][..], &self.took)])
        }
    }

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let part = Arc::new(Part { calls: Counter::new(), took: Histogram::new(&[1.0, 2.0]) });
        let metrics = Metrics::new();
        metrics.add(Arc::clone(&part) as Arc<dyn Source>);
        part.calls.add(3);
        part.took.record_ms(500);
        part.took.record_ms(1_500);
        let expected = "# HELP calls Calls.\n# TYPE calls counter\ncalls_total 3\n\
            # HELP open Open things.\n# TYPE open gauge\nopen{kind=\"a\\\"b\"} 2\nopen{kind=\"c\"} 0\n\
            # HELP took_seconds Time.\n# TYPE took_seconds histogram\ntook_seconds_sum{of=\"run\"} 2.0\n\
            took_seconds_count{of=\"run\"} 2\ntook_seconds_bucket{le=\"1.0\",of=\"run\"} 1\n\
            took_seconds_bucket{le=\"2.0\",of=\"run\"} 2\ntook_seconds_bucket{le=\"+Inf\",of=\"run\"} 2\n# EOF\n";
        assert_eq!(metrics.text(), expected);
    }
}
