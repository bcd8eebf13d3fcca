//! What a page says of results: tables and a histogram in Markdown, and a plot.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::figures::{QUANTILES, Variant, quantile};
use super::record::Line;
use super::scenario;
use super::{histogram, plot};

const TITLE: &str = "Latency of tiles by cache";

/// Results of some variants.
#[derive(Debug)]
pub(crate) struct Report(Vec<(String, Variant)>);

impl Report {
    pub(crate) fn new(lines: Vec<Line>) -> Self {
        let mut variants = BTreeMap::<String, Variant>::new();
        for line in lines {
            match line {
                Line::Request(row) => variants.entry(row.variant.clone()).or_default().rows.push(row),
                Line::Run(run) => variants.entry(run.variant.clone()).or_default().runs.push(run),
                Line::Host(sample) => {
                    variants.entry(sample.variant.clone()).or_default().samples.push(sample);
                }
            }
        }
        // One that was cut off has samples alone.
        variants.retain(|_, variant| !variant.rows.is_empty());
        let mut variants: Vec<(String, Variant)> = variants.into_iter().collect();
        variants.sort_by_key(|(name, _)| scenario::Variant::place(name));
        Self(variants)
    }

    fn latencies(&self) -> Vec<(&str, Vec<f64>)> {
        self.0.iter().map(|(name, variant)| (name.as_str(), variant.latencies())).collect()
    }

    pub(crate) fn svg(&self) -> String {
        plot::svg(TITLE, &self.latencies())
    }

    pub(crate) fn markdown(&self) -> String {
        let histogram = histogram::text(&self.latencies());
        [self.percentiles(), self.splits(), self.uses(), format!("```\n{histogram}```\n")].join("\n")
    }

    fn percentiles(&self) -> String {
        let mut text = String::from(
            "| cache | requests | p50 | p90 | p95 | p99 | max | hits | store requests | least possible | requests a second | \
             containers | nodes | failures |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for (name, variant) in &self.0 {
            let latencies = variant.latencies();
            let cells = QUANTILES.iter().chain(&[1.0]).map(|part| number(quantile(&latencies, *part)));
            let cells: Vec<String> = cells.collect();
            let sum =
                |figure: &dyn Fn(&super::record::Run) -> f64| variant.runs.iter().map(figure).sum::<f64>();
            writeln!(
                text,
                "| {name} | {} | {} | {:.1}% | {} | {} | {:.0} | {:.1} | {:.1} | {} |",
                variant.rows.len(),
                cells.join(" | "),
                variant.hit_rate() * 100.0,
                sum(&|run| run.store_requests as f64),
                sum(&|run| run.first_requests as f64),
                sum(&|run| run.requests as f64) / sum(&|run| run.seconds),
                variant.containers(),
                variant.nodes(),
                variant.failures(),
            )
            .ok();
        }
        text
    }

    fn splits(&self) -> String {
        let mut text = String::from(
            "| cache | hit: latency | in the cache | miss: latency | in the cache | at the store |\n|---|---|---|---|---|---|\n",
        );
        for (name, variant) in &self.0 {
            let (hit, miss) = (variant.split(true), variant.split(false));
            writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} |",
                number(hit.map(|split| split.latency_ms)),
                number(hit.map(|split| split.cache_ms)),
                number(miss.map(|split| split.latency_ms)),
                number(miss.map(|split| split.cache_ms)),
                number(miss.map(|split| split.fetch_ms)),
            )
            .ok();
        }
        text
    }

    fn uses(&self) -> String {
        let mut text =
            String::from("| cache | program | processors | most memory, MB |\n|---|---|---|---|\n");
        for (name, variant) in &self.0 {
            let (uses, busy) = variant.usage();
            for (program, used) in uses {
                let megabytes = used.most_kb as f64 / 1024.0;
                writeln!(text, "| {name} | {program} | {:.2} | {megabytes:.0} |", used.busy).ok();
            }
            writeln!(text, "| {name} | the machine | {busy:.2} | |").ok();
        }
        text
    }
}

/// A time in milliseconds, with as many digits as say something.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiles::record::Run;
    use crate::tiles::record::tests::row;

    #[test]
    fn the_table_has_the_variants_in_their_order_with_their_percentiles() {
        let mut lines: Vec<Line> =
            (1..=100).map(|latency| Line::Request(row("local", f64::from(latency), latency <= 75))).collect();
        lines.extend((0..4).map(|_| Line::Request(row("none", 61.25, false))));
        lines.push(Line::Run(Run {
            variant: "local".into(),
            round: 1,
            clients: 8,
            user_delay_ms: 10.0,
            requests: 100,
            warmup: 10,
            seconds: 2.0,
            store_requests: 25,
            first_requests: 20,
            load: 0.5,
        }));
        let table = Report::new(lines).percentiles();
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert!(rows[0].starts_with("| none | 4 | 61.2 | 61.2 | 61.2 | 61.2 | 61.2 | 0.0% |"), "{table}");
        assert_eq!(
            rows[1],
            "| local | 100 | 50.0 | 90.0 | 95.0 | 99.0 | 100 | 75.0% | 25 | 20 | 50 | 1.0 | 1.0 | 0 |"
        );
    }

    #[test]
    fn a_number_has_the_digits_that_say_something() {
        assert_eq!([None, Some(0.8125), Some(12.34), Some(123.4)].map(number), ["-", "0.81", "12.3", "123"]);
    }
}
