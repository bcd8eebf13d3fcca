//! A histogram in letters.

use std::fmt::Write as _;

/// Upper bounds of the classes, in milliseconds; the last class has none.
const BOUNDS: [f64; 14] = [1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 50.0, 75.0, 100.0, 200.0, 500.0];
/// Letters of a bar for everything.
const WIDTH: f64 = 20.0;

/// A row for each class that is not empty, a column for each of the named lists of latencies.
pub(crate) fn text(columns: &[(&str, Vec<f64>)]) -> String {
    let shares: Vec<Vec<f64>> = columns.iter().map(|(_, latencies)| shares(latencies)).collect();
    let mut text = format!("{:>14}", "milliseconds");
    for (name, _) in columns {
        write!(text, "  {name:<27}").ok();
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    for class in 0..=BOUNDS.len() {
        if shares.iter().all(|shares| shares[class] == 0.0) {
            continue;
        }
        let mut line = format!("{:>14}", label(class));
        for shares in &shares {
            let bar = "#".repeat((shares[class] * WIDTH).round() as usize);
            write!(line, "  {bar:<20} {}", share(shares[class])).ok();
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn label(class: usize) -> String {
    let below = class.checked_sub(1).map_or(0.0, |class| BOUNDS[class]);
    BOUNDS.get(class).map_or_else(|| format!("above {below}"), |bound| format!("{below} to {bound}"))
}

fn share(share: f64) -> String {
    if share == 0.0 { " ".repeat(6) } else { format!("{:5.1}%", share * 100.0) }
}

fn shares(latencies: &[f64]) -> Vec<f64> {
    let mut counts = vec![0.0; BOUNDS.len() + 1];
    for latency in latencies {
        counts[BOUNDS.partition_point(|bound| bound < latency)] += 1.0;
    }
    counts.iter().map(|count| count / latencies.len().max(1) as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        let text = text(&[("none", vec![60.0, 61.0]), ("local", vec![2.0, 2.5, 2.9, 70.0])]);
        let expected = "  milliseconds  none                         local\n\
                        \x20       1 to 2                               #####                 25.0%\n\
                        \x20       2 to 3                               ##########            50.0%\n\
                        \x20     50 to 75  #################### 100.0%  #####                 25.0%\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn every_latency_has_a_class() {
        assert_eq!(shares(&[0.5, 1e9]).iter().sum::<f64>(), 1.0);
        assert_eq!(label(BOUNDS.len()), "above 500");
    }
}
