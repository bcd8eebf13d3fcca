//! The numbers of one controller.

use std::fmt;

use http::{Method, StatusCode};
use oxwhisk_core::event::Metric;
use oxwhisk_metrics::{Counter, Gauge, Histogram, Label, Page, Source};

/// Requests are counted by method and status: these, and one more for all others.
const METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "other"];
const STATUSES: [u16; 22] = [
    200, 201, 202, 204, 308, 400, 401, 403, 404, 405, 406, 408, 409, 413, 414, 415, 422, 429, 500, 502, 503,
    504,
];

#[derive(Debug)]
pub(crate) struct Counts {
    /// By method, then by status.
    requests: [[Counter; STATUSES.len() + 1]; METHODS.len()],
    pub(crate) answered: Histogram,
    /// Requests that are not answered yet.
    pub(crate) open: Gauge,
    pub(crate) blocking: Counter,
    pub(crate) non_blocking: Counter,
    /// Blocking invocations that outlived the wait for them.
    pub(crate) outlived: Counter,
    concurrent: Counter,
    timed: Counter,
    /// Activations at invokers, or waiting for one.
    pub(crate) dispatched: Gauge,
    /// Dispatches that no invoker took.
    pub(crate) refused: Counter,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            requests: Default::default(),
            answered: Histogram::of_seconds(),
            open: Gauge::new(),
            blocking: Counter::new(),
            non_blocking: Counter::new(),
            outlived: Counter::new(),
            concurrent: Counter::new(),
            timed: Counter::new(),
            dispatched: Gauge::new(),
            refused: Counter::new(),
        }
    }
}

/// Where requests of a method are counted.
pub(crate) fn method_index(method: &Method) -> usize {
    METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(METHODS.len() - 1)
}

fn status_index(status: StatusCode) -> usize {
    STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len())
}

impl Counts {
    /// A request was answered.
    pub(crate) fn request(&self, method: usize, status: StatusCode) {
        self.requests[method][status_index(status)].increment();
    }

    pub(super) fn throttled(&self, limit: Metric) {
        match limit {
            Metric::TimedRateLimit => self.timed.increment(),
            Metric::ConcurrentRateLimit | Metric::ConcurrentInvocations => self.concurrent.increment(),
        }
    }

    fn write_requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut statuses: Vec<String> = STATUSES.iter().map(u16::to_string).collect();
        statuses.push("other".to_owned());
        let mut seen: Vec<([Label<'_>; 2], u64)> = Vec::new();
        for (method, by_status) in METHODS.iter().zip(&self.requests) {
            let of_method = by_status.iter().zip(&statuses).filter(|(count, _)| count.get() > 0);
            seen.extend(
                of_method
                    .map(|(count, status)| ([("method", *method), ("status", status.as_str())], count.get())),
            );
        }
        let series = seen.iter().map(|(labels, count)| (&labels[..], *count));
        page.counters("oxwhisk_controller_requests", "Requests that were answered.", series)
    }
}

impl Source for Counts {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        self.write_requests(page)?;
        let help = "From the head of a request to its answer.";
        page.histogram("oxwhisk_controller_request_seconds", help, &self.answered)?;
        page.gauge(
            "oxwhisk_controller_requests_open",
            "Requests that are not answered yet.",
            self.open.get(),
        )?;
        let kinds = [
            (&[("kind", "blocking")][..], self.blocking.get()),
            (&[("kind", "nonblocking")][..], self.non_blocking.get()),
        ];
        page.counters("oxwhisk_controller_activations", "Invocations that were admitted.", kinds)?;
        let help = "Blocking invocations that outlived the wait for them.";
        page.counter("oxwhisk_controller_activations_outlived", help, self.outlived.get())?;
        let limits = [
            (&[("limit", "concurrent")][..], self.concurrent.get()),
            (&[("limit", "timed")][..], self.timed.get()),
        ];
        page.counters("oxwhisk_controller_throttled", "Invocations refused by a limit.", limits)?;
        let help = "Activations at invokers, or waiting for one.";
        page.gauge("oxwhisk_controller_activations_dispatched", help, self.dispatched.get())?;
        let help = "Dispatches that no invoker took.";
        page.counter("oxwhisk_controller_dispatches_refused", help, self.refused.get())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oxwhisk_metrics::Metrics;

    use super::*;

    #[test]
    fn requests_are_counted_by_method_and_status() {
        let counts = Arc::new(Counts::default());
        let brew = Method::from_bytes(b"BREW").unwrap();
        counts.request(method_index(&Method::POST), StatusCode::OK);
        counts.request(method_index(&Method::POST), StatusCode::OK);
        counts.request(method_index(&brew), StatusCode::IM_A_TEAPOT);
        counts.throttled(Metric::TimedRateLimit);
        let metrics = Metrics::new();
        metrics.add(counts);
        let text = metrics.text();
        let requests: Vec<_> =
            text.lines().filter(|line| line.starts_with("oxwhisk_controller_requests_total")).collect();
        assert_eq!(
            requests,
            [
                r#"oxwhisk_controller_requests_total{method="POST",status="200"} 2"#,
                r#"oxwhisk_controller_requests_total{method="other",status="other"} 1"#,
            ]
        );
        assert!(text.contains("oxwhisk_controller_throttled_total{limit=\"timed\"} 1\n"), "{text}");
    }
}
