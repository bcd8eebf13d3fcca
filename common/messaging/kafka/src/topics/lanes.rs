//! What the topics of lanes must have in common.

use std::collections::HashMap;

use oxwhisk_messaging::Topic;

use super::{Fault, Found, RETENTION, Wanted};
use crate::names::Names;

const LANES: [Topic; 3] = [Topic::Activations, Topic::Parked, Topic::InFlight];

/// Topics of lanes that are to be created get as many partitions as `activations` has already, of `existing`.
pub fn as_many(names: &Names, wanted: &mut [Wanted], existing: &HashMap<String, u32>) {
    let Some(count) = existing.get(&names.topic(Topic::Activations)) else { return };
    let lanes = LANES.map(|topic| names.topic(topic));
    for wanted in wanted.iter_mut().filter(|wanted| lanes.contains(&wanted.name)) {
        wanted.partitions = wanted.partitions.max(*count);
    }
}

fn kept(found: &Found) -> i64 {
    let kept = found.settings.get(RETENTION).and_then(|kept| kept.parse().ok()).unwrap_or(0);
    if kept == -1 { i64::MAX } else { kept }
}

/// What keeps the topics of lanes, as they are, from belonging together.
#[must_use]
pub fn unlike(names: &Names, topics: &HashMap<String, Found>) -> Vec<Fault> {
    let [first, ..] = LANES.map(|topic| names.topic(topic));
    let Some(activations) = topics.get(&first) else { return Vec::new() };
    let mut faults = Vec::new();
    for topic in &LANES[1..] {
        let name = names.topic(*topic);
        let Some(found) = topics.get(&name) else { continue };
        let fault =
            |setting, found: String, wanted| Fault { topic: name.clone(), setting, found, wanted, hint: "" };
        if found.partitions != activations.partitions {
            let wanted =
                format!("{}, as many as '{first}' has: their partitions are lanes", activations.partitions);
            faults.push(fault("partitions", found.partitions.to_string(), wanted));
        }
        // Marks must be there for as long as the messages that they are of.
        if *topic == Topic::InFlight && kept(found) < kept(activations) {
            let of = |found: &Found| found.settings.get(RETENTION).map_or("unset", String::as_str).to_owned();
            let wanted = format!("{} or more, or -1, for '{first}' is kept so long", of(activations));
            faults.push(fault(RETENTION, of(found), wanted));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::wanted;
    use crate::{KafkaConfig, Role};

    fn found(partitions: u32, kept: &str) -> Found {
        let settings = HashMap::from([(RETENTION.to_owned(), kept.to_owned())]);
        Found { partitions, replication: 1, settings }
    }

    fn said(topics: [(&str, Found); 3]) -> Vec<String> {
        let topics = topics.into_iter().map(|(name, found)| (name.to_owned(), found)).collect();
        unlike(&Names::new("p.", ""), &topics).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn topics_of_lanes_have_as_many_partitions_as_each_other() {
        let of = |parked, in_flight| {
            said([
                ("p.activations", found(64, "1000")),
                ("p.activations.parked", found(parked, "500")),
                ("p.inflight", found(in_flight, "1000")),
            ])
        };
        assert_eq!(of(64, 64), Vec::<String>::new());
        assert_eq!(
            of(128, 16),
            [
                "the topic 'p.activations.parked' has partitions 128, wanted is 64, as many as 'p.activations' has: their \
                 partitions are lanes",
                "the topic 'p.inflight' has partitions 16, wanted is 64, as many as 'p.activations' has: their partitions \
                 are lanes",
            ]
        );
    }

    #[test]
    fn marks_are_kept_as_long_as_messages() {
        let of = |activations, in_flight| {
            said([
                ("p.activations", found(4, activations)),
                ("p.activations.parked", found(4, activations)),
                ("p.inflight", found(4, in_flight)),
            ])
        };
        for (activations, in_flight) in [("1000", "1000"), ("1000", "-1"), ("-1", "-1"), ("1000", "2000")] {
            assert_eq!(of(activations, in_flight), Vec::<String>::new());
        }
        assert_eq!(
            of("1000", "999"),
            [
                "the topic 'p.inflight' has retention.ms 999, wanted is 1000 or more, or -1, for 'p.activations' is kept so \
                 long"
            ]
        );
        assert_eq!(of("-1", "1000").len(), 1);
    }

    #[test]
    fn what_is_created_later_gets_as_many_partitions() {
        let config = KafkaConfig::new("h:1", "controller0", Role::Controller);
        let names = Names::of(&config);
        let mut wanted = wanted(&config, 1);
        as_many(&names, &mut wanted, &HashMap::from([(names.topic(Topic::Activations), 100)]));
        let partitions: Vec<u32> = wanted.iter().take(5).map(|wanted| wanted.partitions).collect();
        assert_eq!(partitions, [100, 100, 100, 16, 16]);
    }
}
