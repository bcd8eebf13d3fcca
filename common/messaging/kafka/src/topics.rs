//! What our topics must be like: decided and checked here, without asking anybody.
//!
//! A topic that is not there is created so. One that is there is not changed: it may be shared, and some settings cannot be
//! taken back. If it cannot keep what we promise, that is an error that names topic, setting and both values.

mod administer;
mod lanes;

use std::collections::HashMap;
use std::fmt;

use oxwhisk_messaging::{Channel, Topic};

use crate::config::KafkaConfig;
use crate::names::Names;
use crate::options;

pub(crate) use administer::{Failure, exist, prepare};
pub use lanes::{as_many, unlike};

const DAY: u64 = 24 * 3600 * 1000;
const RETENTION: &str = "retention.ms";
const TIMES: &str = "message.timestamp.type";

/// A setting of a topic with the value it is created with and what others would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    pub value: String,
    pub accepted: Accepted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Whatever it is.
    Anything,
    /// No other value.
    Exactly,
    /// This number or more, or -1, which means no limit.
    AtLeastOrUnlimited(i64),
    AtLeast(i64),
}

/// What a topic must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub partitions: u32,
    pub replication: u32,
    pub settings: Vec<Setting>,
    /// OpenWhisk has a topic of this name, too, if nobody has chosen a prefix.
    shared_name: bool,
}

/// What a topic is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub partitions: u32,
    /// Copies of the partition that has fewest.
    pub replication: u32,
    pub settings: HashMap<String, String>,
}

/// What is wrong with a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub topic: String,
    pub setting: &'static str,
    pub found: String,
    pub wanted: String,
    pub hint: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, setting, found, wanted, hint } = self;
        write!(f, "the topic '{topic}' has {setting} {found}, wanted is {wanted}{hint}")
    }
}

/// Everything a deployment needs, on `brokers` brokers.
#[must_use]
pub fn wanted(config: &KafkaConfig, brokers: u32) -> Vec<Wanted> {
    let names = Names::of(config);
    let replication = config.topics.replication.min(brokers).max(1);
    let queues = Topic::ALL.into_iter().map(|topic| queue(config, &names, topic, replication));
    let channels = Channel::ALL.into_iter().map(|channel| fan_out(config, &names, channel, replication));
    queues.chain(channels).collect()
}

fn setting(name: &'static str, value: impl fmt::Display, accepted: Accepted) -> Setting {
    Setting { name, value: value.to_string(), accepted }
}

/// Two copies must have a message where there are three: then one broker may be away.
fn in_sync(replication: u32) -> i64 {
    if replication >= 3 { 2 } else { 1 }
}

fn queue(config: &KafkaConfig, names: &Names, topic: Topic, replication: u32) -> Wanted {
    let retention = i64::try_from(config.topics.retention.as_millis()).unwrap_or(i64::MAX);
    // Letters wait for people.
    let kept = if topic == Topic::DeadLetters { retention.saturating_mul(4) } else { retention };
    let record = i64::try_from(options::record_limit(config)).unwrap_or(i64::MAX);
    let in_sync = in_sync(replication);
    let mut settings = vec![
        setting("cleanup.policy", "delete", Accepted::Exactly),
        setting("retention.bytes", -1, Accepted::Exactly),
        setting(RETENTION, kept, Accepted::AtLeastOrUnlimited(retention)),
        setting("max.message.bytes", record.max(1 << 20), Accepted::AtLeast(record)),
        setting("min.insync.replicas", in_sync, Accepted::AtLeast(in_sync)),
    ];
    if topic.has_lanes() {
        // Marks are found again by the time of their messages, so brokers tell the time and not whoever produced.
        settings.push(setting(TIMES, "LogAppendTime", Accepted::Exactly));
    }
    Wanted {
        name: names.topic(topic),
        partitions: match topic {
            topic if topic.has_lanes() => config.topics.activation_partitions,
            _ => config.topics.partitions,
        },
        replication,
        settings,
        shared_name: false,
    }
}

fn fan_out(config: &KafkaConfig, names: &Names, channel: Channel, replication: u32) -> Wanted {
    // As OpenWhisk has them: whoever does not listen just now has no use for them.
    let retention = if channel == Channel::CacheInvalidation { DAY / 288 } else { DAY / 24 };
    Wanted {
        name: names.channel(channel),
        partitions: 1,
        replication,
        settings: vec![
            setting("cleanup.policy", "delete", Accepted::Exactly),
            setting(RETENTION, retention, Accepted::Anything),
        ],
        shared_name: config.prefix.is_empty() && channel != Channel::Events,
    }
}

impl Wanted {
    /// What the topic is like when it was just created.
    #[must_use]
    pub fn as_created(&self) -> Found {
        let settings = self.settings.iter().map(|setting| (setting.name.to_owned(), setting.value.clone()));
        Found { partitions: self.partitions, replication: self.replication, settings: settings.collect() }
    }

    /// What is wrong with the topic as it is.
    #[must_use]
    pub fn faults(&self, found: &Found) -> Vec<Fault> {
        let hint =
            if self.shared_name { " (OpenWhisk has a topic of this name: choose a prefix)" } else { "" };
        let fault = |setting, found: String, wanted: String| Fault {
            topic: self.name.clone(),
            setting,
            found,
            wanted,
            hint,
        };
        let mut faults = Vec::new();
        if found.partitions < self.partitions {
            let wanted = format!("{} or more", self.partitions);
            faults.push(fault("partitions", found.partitions.to_string(), wanted));
        }
        if found.replication < self.replication {
            let wanted = format!("{} or more", self.replication);
            faults.push(fault("replication.factor", found.replication.to_string(), wanted));
        }
        for setting in &self.settings {
            let value = found.settings.get(setting.name).map_or("unset", String::as_str);
            if let Some(wanted) = setting.objection(value) {
                faults.push(fault(setting.name, value.to_owned(), wanted));
            }
        }
        faults
    }
}

impl Setting {
    /// What is wanted instead of `value`.
    fn objection(&self, value: &str) -> Option<String> {
        let number = value.parse::<i64>().ok();
        match self.accepted {
            Accepted::Anything => None,
            Accepted::Exactly => (value != self.value).then(|| self.value.clone()),
            Accepted::AtLeast(least) => {
                number.is_none_or(|number| number < least).then(|| format!("{least} or more"))
            }
            Accepted::AtLeastOrUnlimited(least) => number
                .is_none_or(|number| number != -1 && number < least)
                .then(|| format!("{least} or more, or -1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    fn config() -> KafkaConfig {
        KafkaConfig::new("h:1", "controller0", Role::Controller)
    }

    #[test]
    fn what_is_created_passes_its_own_check() {
        for brokers in 1..5 {
            for wanted in wanted(&config(), brokers) {
                assert_eq!(wanted.faults(&wanted.as_created()), [], "{}", wanted.name);
            }
        }
    }

    #[test]
    fn copies_are_as_many_as_there_are_brokers_up_to_three() {
        let of = |brokers| {
            let wanted = wanted(&config(), brokers).remove(0);
            let in_sync =
                wanted.settings.iter().find(|setting| setting.name == "min.insync.replicas").unwrap();
            (wanted.replication, in_sync.value.clone())
        };
        let expected = [(1, (1, "1")), (2, (2, "1")), (3, (3, "2")), (5, (3, "2"))];
        for (brokers, (replication, in_sync)) in expected {
            assert_eq!(of(brokers), (replication, in_sync.to_owned()), "{brokers} brokers");
        }
    }

    #[test]
    fn a_fault_names_topic_setting_and_both_values() {
        let wanted = wanted(&config(), 3).remove(0);
        let mut found = wanted.as_created();
        found.partitions = 1;
        found.replication = 2;
        for (name, value) in [
            ("retention.bytes", "1073741824"),
            ("retention.ms", "172800000"),
            ("cleanup.policy", "compact"),
            ("max.message.bytes", "1000"),
            ("message.timestamp.type", "CreateTime"),
        ] {
            found.settings.insert(name.to_owned(), value.to_owned());
        }
        let said: Vec<String> = wanted.faults(&found).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "the topic 'oxwhisk.activations' has partitions 1, wanted is 64 or more",
                "the topic 'oxwhisk.activations' has replication.factor 2, wanted is 3 or more",
                "the topic 'oxwhisk.activations' has cleanup.policy compact, wanted is delete",
                "the topic 'oxwhisk.activations' has retention.bytes 1073741824, wanted is -1",
                "the topic 'oxwhisk.activations' has retention.ms 172800000, wanted is 604800000 or more, or -1",
                "the topic 'oxwhisk.activations' has max.message.bytes 1000, wanted is 1000000 or more",
                "the topic 'oxwhisk.activations' has message.timestamp.type CreateTime, wanted is LogAppendTime",
            ]
        );
        found = wanted.as_created();
        found.partitions = 640;
        found.settings.insert("retention.ms".to_owned(), "-1".to_owned());
        assert_eq!(wanted.faults(&found), []);
    }

    #[test]
    fn a_name_that_openwhisk_has_too_is_hinted_at() {
        let config = KafkaConfig { prefix: String::new(), ..config() };
        let health = wanted(&config, 1).into_iter().find(|wanted| wanted.name == "health").unwrap();
        let mut found = health.as_created();
        found.settings.insert("cleanup.policy".to_owned(), "compact".to_owned());
        let said = health.faults(&found)[0].to_string();
        assert!(
            said.ends_with("wanted is delete (OpenWhisk has a topic of this name: choose a prefix)"),
            "{said}"
        );
    }
}
