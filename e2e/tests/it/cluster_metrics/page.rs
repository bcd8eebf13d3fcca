//! A page of metrics, read as strictly as its format (OpenMetrics, which Prometheus scrapes) is written down.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of a series, in the order of their names.
type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub(super) struct Page {
    types: BTreeMap<String, String>,
    help: BTreeSet<String>,
    samples: BTreeMap<(String, Labels), f64>,
}

impl Page {
    /// # Panics
    /// At what is not as the format wants it: a family without type or help, a series that is there twice or belongs to no
    /// family, a sample that its family cannot have, an end that is missing.
    #[track_caller]
    pub(super) fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: {text}"));
        let mut page = Self::default();
        for line in body.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["#", "HELP", name, _, ..] => {
                    assert!(page.help.insert(name.to_owned()), "explained twice: {line}");
                }
                ["#", "TYPE", name, kind] => {
                    assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
                    assert!(page.types.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
                }
                _ => page.sample(line),
            }
        }
        let typed: BTreeSet<String> = page.types.keys().cloned().collect();
        assert_eq!(typed, page.help, "each family has a type and an explanation");
        page.histograms_add_up();
        page
    }

    #[track_caller]
    fn sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let value: f64 = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => {
                (name, labels_of(labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"))))
            }
            None => (series, Labels::new()),
        };
        let family = self.family_of(name, &labels).unwrap_or_else(|| panic!("of no family: {line}"));
        assert!(value >= 0.0 || self.types[family] == "gauge", "less than nothing: {line}");
        let known = self.samples.insert((name.to_owned(), labels), value);
        assert!(known.is_none(), "there twice: {line}");
    }

    /// The family of a sample, which came before it.
    fn family_of<'a>(&self, name: &'a str, labels: &Labels) -> Option<&'a str> {
        let is = |family: &str, kind: &str| self.types.get(family).is_some_and(|known| known == kind);
        if is(name, "gauge") {
            return Some(name);
        }
        let (family, suffix) = name.rsplit_once('_')?;
        let kind = match suffix {
            "total" => "counter",
            "sum" | "count" => "histogram",
            "bucket" if labels.contains_key("le") => "histogram",
            _ => return None,
        };
        is(family, kind).then_some(family)
    }

    /// Buckets hold what the ones below them hold, and the last one everything.
    #[track_caller]
    fn histograms_add_up(&self) {
        for (family, _) in self.types.iter().filter(|(_, kind)| *kind == "histogram") {
            let counts = self.samples.iter().filter(|((name, _), _)| *name == format!("{family}_count"));
            for ((_, labels), count) in counts {
                let is_one = |(name, of): &(String, Labels)| {
                    let mut of = of.clone();
                    *name == format!("{family}_bucket") && of.remove("le").is_some() && of == *labels
                };
                let buckets = self.samples.iter().filter(|(series, _)| is_one(series));
                let bound = |labels: &Labels| labels["le"].parse::<f64>().expect("a bound");
                let mut buckets: Vec<(f64, f64)> =
                    buckets.map(|((_, labels), value)| (bound(labels), *value)).collect();
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{family} {labels:?}: {buckets:?}");
                assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{family} {labels:?}");
            }
        }
    }

    pub(super) fn families(&self) -> BTreeSet<String> {
        self.types.keys().cloned().collect()
    }

    /// The sum over all series with this name and these labels, whatever others they have.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |of: &Labels| labels.iter().all(|(key, value)| of.get(*key).is_some_and(|is| is == value));
        let samples = self.samples.iter().filter(|((of, with), _)| of == name && has(with));
        samples.map(|(_, value)| value).sum()
    }
}

/// Values have no quotation marks here, nor commas followed by one.
#[track_caller]
fn labels_of(text: &str) -> Labels {
    let mut labels = Labels::new();
    for label in text.split_inclusive("\",").map(|label| label.trim_end_matches(',')) {
        let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("no label: {label}"));
        let value = value.strip_suffix('"').unwrap_or_else(|| panic!("no label: {label}"));
        assert!(labels.insert(name.to_owned(), value.to_owned()).is_none(), "there twice: {label}");
    }
    labels
}

const GOOD: &str = "# HELP a Help.\n# TYPE a counter\na_total{x=\"1\",y=\"2,3\"} 4\na_total{x=\"2\",y=\"\"} 1\n\
                    # HELP h Help.\n# TYPE h histogram\nh_sum 1.5\nh_count 2\nh_bucket{le=\"1.0\"} 1\n\
                    h_bucket{le=\"+Inf\"} 2\n# EOF\n";

#[test]
fn a_good_page_is_read() {
    let page = Page::parse(GOOD);
    assert_eq!(page.families(), BTreeSet::from(["a".to_owned(), "h".to_owned()]));
    assert_eq!((page.sum("a_total", &[]), page.sum("a_total", &[("y", "2,3")])), (5.0, 4.0));
}

#[test]
fn pages_that_scrapers_refuse_are_refused() {
    for (good, bad) in [
        ("# EOF\n", ""),
        ("# HELP a Help.\n", ""),
        ("# TYPE a counter\n", ""),
        ("# TYPE a counter\n", "# TYPE a counter\n# TYPE a counter\n"),
        ("a_total{x=\"2\",y=\"\"}", "a_total{y=\"2,3\",x=\"1\"}"),
        ("a_total{x=\"2\"", "a{x=\"2\""),
        ("h_count 2", "h_count 3"),
        ("h_bucket{le=\"1.0\"} 1", "h_bucket{le=\"1.0\"} 3"),
        ("h_sum 1.5", "h_sum much"),
        ("h_sum 1.5", "h_max 1.5"),
    ] {
        let page = GOOD.replacen(good, bad, 1);
        assert!(std::panic::catch_unwind(|| Page::parse(&page)).is_err(), "{page}");
    }
}
