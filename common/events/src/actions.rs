//! Metrics by action, under the names of OpenWhisk's `user-events` service.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oxwhisk_core::event::{EventBody, Metric};
use oxwhisk_metrics::{Histogram, Label, Page, Source};

use crate::series::{Key, Recent, STATUSES, Series};

/// What actions did, by action and who invokes it. Bounded: the actions that ran last are kept.
#[derive(Debug)]
pub struct ActionMetrics(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    actions: Recent<Key, Series>,
    throttled: Recent<String, Throttled>,
}

/// How often a namespace was refused.
#[derive(Debug, Default)]
struct Throttled {
    concurrent: u64,
    timed: u64,
}

impl ActionMetrics {
    /// Keeps at most `most` actions, and as many namespaces.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Mutex::new(Kept { actions: Recent::new(most), throttled: Recent::new(most) }))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an event of the invoking namespace `initiator`.
    pub(crate) fn count(&self, initiator: &str, body: &EventBody<'_>) {
        let mut kept = self.lock();
        match body {
            EventBody::Activation(event) => {
                if let Some(series) = kept.actions.entry(Key::new(initiator, &event.name)) {
                    series.count(event);
                }
            }
            EventBody::Metric { metric_name, metric_value } => {
                let Some(throttled) = kept.throttled.entry(initiator.to_owned()) else { return };
                match metric_name {
                    Metric::ConcurrentRateLimit => throttled.concurrent += metric_value,
                    Metric::TimedRateLimit => throttled.timed += metric_value,
                    // A level, which nobody draws by namespace; OpenWhisk drops it too.
                    Metric::ConcurrentInvocations => {}
                }
            }
        }
    }
}

/// The labels of an action, and its numbers.
struct Row<'a> {
    labels: [Label<'a>; 3],
    series: &'a Series,
}

impl<'a> Row<'a> {
    fn of((key, series): (&'a Key, &'a Series)) -> Self {
        let labels =
            [("namespace", &*key.namespace), ("initiator", &*key.initiator), ("action", &*key.action)];
        Self { labels, series }
    }
}

impl Source for ActionMetrics {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let kept = self.lock();
        let rows: Vec<Row<'_>> = kept.actions.iter().map(Row::of).collect();
        write_counts(page, &rows)?;
        write_times(page, &rows)?;
        write_statuses(page, &rows)?;
        write_throttled(page, &kept.throttled)
    }
}

fn write_counts(page: &mut Page<'_>, rows: &[Row<'_>]) -> fmt::Result {
    let memories: Vec<String> = rows.iter().map(|row| row.series.memory.to_string()).collect();
    let with_kind: Vec<Vec<Label<'_>>> = rows
        .iter()
        .zip(&memories)
        .map(|(row, memory)| [&row.labels[..], &[("kind", &row.series.kind), ("memory", memory)]].concat())
        .collect();
    let activations = with_kind.iter().zip(rows).map(|(labels, row)| (&labels[..], row.series.activations));
    page.counters("openwhisk_action_activations", "Activations.", activations)?;
    let cold = rows.iter().map(|row| (&row.labels[..], row.series.cold_starts));
    page.counters("openwhisk_action_coldStarts", "Activations that initialised their container.", cold)?;
    let memory =
        rows.iter().map(|row| (&row.labels[..], i64::try_from(row.series.memory).unwrap_or(i64::MAX)));
    page.gauges("openwhisk_action_memory", "Megabytes that the action has.", memory)
}

fn write_times(page: &mut Page<'_>, rows: &[Row<'_>]) -> fmt::Result {
    type Pick = fn(&Series) -> &Histogram;
    let histograms: [(&str, &str, Pick); 4] = [
        ("openwhisk_action_waitTime_seconds", "From the request to the container.", |series| &series.wait),
        ("openwhisk_action_initTime_seconds", "Initialisation of new containers.", |series| &series.init),
        ("openwhisk_action_duration_seconds", "Initialisation and run.", |series| &series.duration),
        ("openwhisk_action_response_size_bytes", "Results.", |series| &series.size),
    ];
    for (name, help, pick) in histograms {
        page.histograms(name, help, rows.iter().map(|row| (&row.labels[..], pick(row.series))))?;
    }
    Ok(())
}

/// These count, but are called what dashboards call them: without the suffix that a counter would get.
fn write_statuses(page: &mut Page<'_>, rows: &[Row<'_>]) -> fmt::Result {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let mut statuses: Vec<(Vec<Label<'_>>, i64)> = Vec::new();
    let codes: Vec<(&Row<'_>, String, u64)> = rows
        .iter()
        .flat_map(|row| row.series.codes.iter().map(move |(code, count)| (row, code.to_string(), *count)))
        .collect();
    for row in rows {
        for (status, count) in STATUSES.iter().zip(row.series.statuses) {
            if count > 0 {
                statuses.push(([&row.labels[..], &[("status", *status)]].concat(), number(count)));
            }
        }
    }
    let help = "Activations by their status.";
    page.gauges(
        "openwhisk_action_status",
        help,
        statuses.iter().map(|(labels, count)| (&labels[..], *count)),
    )?;
    let by_code: Vec<(Vec<Label<'_>>, i64)> = codes
        .iter()
        .map(|(row, code, count)| ([&row.labels[..], &[("status_code", code)]].concat(), number(*count)))
        .collect();
    let help = "Activations by the status code that the action gave; -1 are others.";
    page.gauges(
        "openwhisk_action_status_code",
        help,
        by_code.iter().map(|(labels, count)| (&labels[..], *count)),
    )
}

fn write_throttled(page: &mut Page<'_>, throttled: &Recent<String, Throttled>) -> fmt::Result {
    let labels: Vec<[Label<'_>; 1]> =
        throttled.iter().map(|(name, _)| [("namespace", name.as_str())]).collect();
    let of = |pick: fn(&Throttled) -> u64| {
        labels.iter().zip(throttled.iter()).map(move |(label, (_, throttled))| (&label[..], pick(throttled)))
    };
    let help = "Requests refused for too much at once.";
    page.counters("openwhisk_action_limit_concurrent", help, of(|throttled| throttled.concurrent))?;
    page.counters(
        "openwhisk_action_limit_timed",
        "Requests refused for too many in a minute.",
        of(|throttled| throttled.timed),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oxwhisk_core::entity::{Response, Status};
    use oxwhisk_core::event::ActivationEvent;
    use oxwhisk_metrics::Metrics;
    use serde_json::value::RawValue;

    use super::*;
    use crate::publisher::tests::record;

    fn counted(most: usize, bodies: &[(&str, EventBody<'_>)]) -> String {
        let actions = Arc::new(ActionMetrics::new(most));
        bodies.iter().for_each(|(initiator, body)| actions.count(initiator, body));
        let metrics = Metrics::new();
        metrics.add(actions);
        metrics.text()
    }

    #[test]
    fn series_have_openwhisks_names_and_labels() {
        let mut record = record("guest/pkg/hello");
        record.annotations.set("initTime", &40);
        let result: Arc<RawValue> =
            RawValue::from_string(r#"{"statusCode": 404}"#.to_owned()).unwrap().into();
        record.response = Response { status: Status::Success, size: Some(19), result: Some(result) };
        let event = || EventBody::Activation(ActivationEvent::of(&record).unwrap());
        let limited = |metric_name| EventBody::Metric { metric_name, metric_value: 1 };
        let text = counted(
            9,
            &[
                ("me", event()),
                ("me", event()),
                ("me", limited(Metric::ConcurrentRateLimit)),
                ("me", limited(Metric::TimedRateLimit)),
                ("me", EventBody::Metric { metric_name: Metric::ConcurrentInvocations, metric_value: 7 }),
            ],
        );
        let labels = r#"namespace="guest",initiator="me",action="pkg/hello""#;
        for line in [
            format!(r#"openwhisk_action_activations_total{{{labels},kind="nodejs:20",memory="256"}} 2"#),
            format!("openwhisk_action_coldStarts_total{{{labels}}} 2"),
            format!("openwhisk_action_waitTime_seconds_count{{{labels}}} 2"),
            format!("openwhisk_action_initTime_seconds_sum{{{labels}}} 0.08"),
            format!("openwhisk_action_duration_seconds_sum{{{labels}}} 0.246"),
            format!("openwhisk_action_response_size_bytes_sum{{{labels}}} 38.0"),
            format!("openwhisk_action_memory{{{labels}}} 256"),
            format!(r#"openwhisk_action_status{{{labels},status="success"}} 2"#),
            format!(r#"openwhisk_action_status_code{{{labels},status_code="404"}} 2"#),
            r#"openwhisk_action_limit_concurrent_total{namespace="me"} 1"#.to_owned(),
            r#"openwhisk_action_limit_timed_total{namespace="me"} 1"#.to_owned(),
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let records: Vec<_> = (0..5).map(|n| record(&format!("guest/a{n}"))).collect();
        let event = |n: usize| ("me", EventBody::Activation(ActivationEvent::of(&records[n]).unwrap()));
        let text = counted(2, &[event(0), event(1), event(2), event(3), event(4)]);
        let kept: Vec<_> =
            text.lines().filter(|line| line.starts_with("openwhisk_action_activations_total")).collect();
        assert_eq!(kept.len(), 2, "{text}");
        assert!(kept[0].contains("a3") && kept[1].contains("a4"), "{kept:?}");
    }
}
