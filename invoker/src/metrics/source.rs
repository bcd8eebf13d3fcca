//! What a scrape of an invoker shows.

use std::fmt;
use std::sync::Weak;

use oxwhisk_metrics::{Label, Page, Source};

use super::Snapshot;
use crate::pool::{Census, Memory};
use crate::shell::Shell;

/// Looks at an invoker for as long as there is one.
#[derive(Debug)]
pub(crate) struct InvokerSource(pub(crate) Weak<Shell>);

impl Source for InvokerSource {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let Some(shell) = self.0.upgrade() else { return Ok(()) };
        let (census, memory, waiting) = {
            let pool = shell.pool();
            (pool.census(), pool.memory(), pool.waiting())
        };
        write_pool(page, census, memory, waiting)?;
        write_counts(page, &shell.metrics.snapshot())?;
        let metrics = &shell.metrics;
        for (name, help, histogram) in [
            ("oxwhisk_invoker_wait_seconds", "From the request to the container.", &metrics.wait),
            ("oxwhisk_invoker_init_seconds", "Initialisation of new containers.", &metrics.init),
            ("oxwhisk_invoker_run_seconds", "Runs.", &metrics.run),
        ] {
            page.histogram(name, help, histogram)?;
        }
        let running = i64::try_from(shell.activations.len()).unwrap_or(i64::MAX);
        page.gauge("oxwhisk_invoker_activations", "Activations, until their last log line.", running)
    }
}

fn write_pool(page: &mut Page<'_>, census: Census, memory: Memory, waiting: usize) -> fmt::Result {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let megabytes = |memory: u64| i64::try_from(memory).unwrap_or(i64::MAX);
    let states = [
        ("starting", census.starting),
        ("prewarmed", census.prewarmed),
        ("busy", census.busy),
        ("idle", census.idle),
        ("suspended", census.suspended),
        ("removing", census.removing),
    ];
    let states: Vec<([Label<'_>; 1], i64)> =
        states.into_iter().map(|(state, count)| ([("state", state)], number(count))).collect();
    let series = states.iter().map(|(labels, count)| (&labels[..], *count));
    page.gauges("oxwhisk_invoker_containers", "Containers by what they do.", series)?;
    let memories = [
        (&[("of", "all")][..], megabytes(memory.total)),
        (&[("of", "containers")][..], megabytes(memory.used)),
        (&[("of", "idle_containers")][..], megabytes(memory.idle)),
    ];
    page.gauges("oxwhisk_invoker_memory_megabytes", "Memory for containers.", memories)?;
    page.gauge("oxwhisk_invoker_waiting", "Activations that wait for a container.", number(waiting))
}

fn write_counts(page: &mut Page<'_>, counts: &Snapshot) -> fmt::Result {
    let starts = [
        (&[("start", "warmed")][..], counts.warmed),
        (&[("start", "prewarmed")][..], counts.prewarmed),
        (&[("start", "cold")][..], counts.cold),
        (&[("start", "recreated")][..], counts.recreated),
        (&[("start", "recreatedPrewarm")][..], counts.recreated_prewarm),
    ];
    let help = "Activations by how they came to their container.";
    page.counters("oxwhisk_invoker_container_starts", help, starts)?;
    for (name, help, count) in [
        ("oxwhisk_invoker_create_failures", "Containers that could not be made.", counts.create_failures),
        ("oxwhisk_invoker_destroy_failures", "Failed attempts to end a container.", counts.destroy_failures),
        ("oxwhisk_invoker_reschedules", "Activations whose container was found dead.", counts.reschedules),
        ("oxwhisk_invoker_refusals", "Activations for which there was no room.", counts.refusals),
        ("oxwhisk_invoker_records_not_kept", "Records that nobody took.", counts.records_not_kept),
        ("oxwhisk_invoker_late_logs", "Answers whose logs came later.", counts.late_logs),
    ] {
        page.counter(name, help, count)?;
    }
    Ok(())
}
