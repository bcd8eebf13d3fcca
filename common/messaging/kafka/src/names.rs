//! What topics and groups are called on Kafka.

use oxwhisk_messaging::{Channel, Topic};

use crate::KafkaConfig;

/// Characters of Kafka's longest topic name.
const LONGEST: usize = 249;

/// Names with the prefixes of one deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: String,
    events_prefix: String,
}

impl Names {
    #[must_use]
    pub fn of(config: &KafkaConfig) -> Self {
        Self::new(&config.prefix, &config.events_prefix)
    }

    #[must_use]
    pub fn new(prefix: &str, events_prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), events_prefix: events_prefix.to_owned() }
    }

    #[must_use]
    pub fn topic(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    #[must_use]
    pub fn channel(&self, channel: Channel) -> String {
        let prefix = if channel == Channel::Events { &self.events_prefix } else { &self.prefix };
        format!("{prefix}{}", channel.name())
    }

    /// The consumer group that shares a queue: as OpenWhisk does, it is called like its topic. The group of `activations`
    /// has the lanes, so what is done on the other topics of lanes is committed there, too.
    #[must_use]
    pub fn group(&self, topic: Topic) -> String {
        self.topic(if topic.has_lanes() { Topic::Activations } else { topic })
    }

    /// The group name of the client that reads lanes. It never joins, but Kafka's clients want one.
    #[must_use]
    pub fn reader(&self, instance: &str) -> String {
        format!("{}lanes.{instance}", self.prefix)
    }

    /// The group name of a listener. It never joins, but Kafka's clients want one.
    #[must_use]
    pub fn listener(&self, channel: Channel, instance: &str) -> String {
        format!("{}{}.{instance}", self.prefix, channel.name())
    }

    /// What all groups begin with.
    #[must_use]
    pub fn group_prefix(&self) -> &str {
        &self.prefix
    }
}

/// # Errors
/// A text for people when names with this prefix are none that Kafka takes.
pub fn check_prefix(prefix: &str) -> Result<(), String> {
    let longest = Topic::ALL.map(|topic| topic.name().len()).into_iter().max().unwrap_or(0);
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(illegal) = prefix.chars().find(|c| !is_legal(*c)) {
        return Err(format!(
            "'{prefix}' contains '{}': topics are named with letters, digits, '.', '_' and '-'",
            illegal.escape_debug()
        ));
    }
    if prefix.len() + longest > LONGEST {
        return Err(format!("'{prefix}' is longer than {} characters", LONGEST - longest));
    }
    Ok(())
}
