//! Figures of a variant, over all its rounds.

use std::collections::{BTreeMap, HashSet};

use super::host::Sample;
use super::record::{Row, Run};

pub(crate) const QUANTILES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

/// The rows, runs and samples of one variant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variant {
    pub(crate) rows: Vec<Row>,
    pub(crate) runs: Vec<Run>,
    pub(crate) samples: Vec<Sample>,
}

impl Variant {
    /// Latencies of what was served, from the shortest.
    pub(crate) fn latencies(&self) -> Vec<f64> {
        sorted(self.served().map(|row| row.latency_ms))
    }

    fn served(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.status == 200)
    }

    pub(crate) fn failures(&self) -> usize {
        self.rows.len() - self.served().count()
    }

    pub(crate) fn hit_rate(&self) -> f64 {
        self.served().filter(|row| row.hit).count() as f64 / self.served().count() as f64
    }

    /// Containers in which a tile was served, a round.
    pub(crate) fn containers(&self) -> f64 {
        let containers: HashSet<&str> = self.served().map(|row| row.container.as_str()).collect();
        containers.len() as f64 / self.runs.len() as f64
    }

    /// Nodes on which one was, a round: another server of the same machine is another node.
    pub(crate) fn nodes(&self) -> f64 {
        let nodes: HashSet<(u32, &str)> = self.served().map(|row| (row.round, row.node.as_str())).collect();
        nodes.len() as f64 / self.runs.len() as f64
    }

    /// Served from the cache, or fetched: the middle latency, and the middle of what of it was spent in the cache and at the store.
    pub(crate) fn split(&self, hit: bool) -> Option<Split> {
        let middle = |figure: &dyn Fn(&Row) -> f64| {
            quantile(&sorted(self.served().filter(|row| row.hit == hit).map(figure)), 0.5)
        };
        Some(Split {
            latency_ms: middle(&|row| row.latency_ms)?,
            cache_ms: middle(&|row| row.cache_ms)?,
            fetch_ms: middle(&|row| row.fetch_ms)?,
        })
    }

    /// Processors and most memory of each program, and processors that all of the machine kept busy: means of the samples.
    pub(crate) fn usage(&self) -> (BTreeMap<String, Use>, f64) {
        let count = self.samples.len().max(1) as f64;
        let mut uses = BTreeMap::<String, Use>::new();
        for (name, usage) in self.samples.iter().flat_map(|sample| &sample.processes) {
            let entry = uses.entry(name.clone()).or_default();
            entry.busy += usage.busy / count;
            entry.most_kb = entry.most_kb.max(usage.rss_kb);
        }
        (uses, self.samples.iter().map(|sample| sample.busy).sum::<f64>() / count)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Split {
    pub(crate) latency_ms: f64,
    pub(crate) cache_ms: f64,
    pub(crate) fetch_ms: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Use {
    pub(crate) busy: f64,
    pub(crate) most_kb: u64,
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The least of the values that so many are not above. The values go up.
pub(crate) fn quantile(values: &[f64], quantile: f64) -> Option<f64> {
    let rank = (quantile * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiles::host::Usage;
    use crate::tiles::record::tests::row;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let taken = [0.0, 0.5, 0.9, 0.99, 0.999, 1.0].map(|part| quantile(&values, part).unwrap());
        assert_eq!(taken, [1.0, 50.0, 90.0, 99.0, 100.0, 100.0]);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn what_failed_is_counted_and_in_no_other_figure() {
        let mut failed = row("local", 900.0, false);
        failed.status = 502;
        let rows = vec![row("local", 60.0, false), row("local", 2.0, true), row("local", 3.0, true), failed];
        let variant = Variant { rows, ..Variant::default() };
        assert_eq!(variant.latencies(), [2.0, 3.0, 60.0]);
        assert_eq!((variant.failures(), variant.hit_rate()), (1, 2.0 / 3.0));
        assert_eq!(variant.split(false).unwrap().fetch_ms, 51.5);
        assert_eq!(variant.split(true).unwrap().latency_ms, 2.0);
    }

    #[test]
    fn use_is_the_mean_of_processors_and_the_most_of_memory() {
        let sample = |busy: f64, rss_kb| Sample {
            variant: "local".into(),
            round: 1,
            at: 0.0,
            busy: 2.0 * busy,
            load: 0.0,
            available_kb: 0,
            processes: BTreeMap::from([("node".to_owned(), Usage { count: 1, rss_kb, busy })]),
        };
        let variant = Variant { samples: vec![sample(0.5, 10), sample(0.25, 30)], ..Variant::default() };
        let (uses, busy) = variant.usage();
        assert_eq!((uses["node"], busy), (Use { busy: 0.375, most_kb: 30 }, 0.75));
    }
}
