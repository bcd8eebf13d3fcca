//! What is told and counted, from the configuration.

use std::sync::Arc;

use oxwhisk_config::Settings;
use oxwhisk_messaging::Bus;
use oxwhisk_metrics::Metrics;

use crate::{ActionMetrics, Outlets, Publisher, UserEvents};

/// Which events there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsConfig {
    /// Whether events go on the bus.
    pub published: bool,
    /// How many actions have metrics of their own; 0 is none.
    pub actions: usize,
}

impl EventsConfig {
    /// The events of `source` (`controller0`), and who publishes them, which is for a task of the caller's. What both
    /// count is added to `metrics`. `None`: nobody is to be told anything.
    pub fn open(self, source: &str, bus: Arc<dyn Bus>, metrics: &Metrics) -> Option<(UserEvents, Publisher)> {
        let actions = (self.actions > 0).then(|| Arc::new(ActionMetrics::new(self.actions)));
        if let Some(actions) = &actions {
            metrics.add(Arc::clone(actions) as _);
        }
        let outlets = Outlets { bus: self.published.then_some(bus), actions };
        if outlets.are_none() {
            return None;
        }
        let (events, publisher) = Publisher::new(source, outlets);
        metrics.add(publisher.counts());
        Some((events, publisher))
    }
}

const ACTIONS: u32 = 500;

/// Reads `whisk.user-events.enabled` and `oxwhisk.metrics.actions`.
pub fn read(settings: &mut Settings) -> EventsConfig {
    let published = settings.value("whisk.user-events.enabled", false);
    let actions: u32 = settings.value("oxwhisk.metrics.actions", ACTIONS);
    EventsConfig { published, actions: usize::try_from(actions).unwrap_or(usize::MAX) }
}

#[cfg(test)]
mod tests {
    use oxwhisk_config::Layers;

    use super::*;

    #[test]
    fn events_are_off_and_actions_are_counted_unless_said_otherwise() {
        let load = |variables: &[(&str, &str)]| {
            let mut layers = Layers::new(&[]);
            let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            layers.add_environment(variables);
            let mut settings = layers.into_settings();
            let config = read(&mut settings);
            settings.finish().map(|_| config)
        };
        assert_eq!(load(&[]).unwrap(), EventsConfig { published: false, actions: 500 });
        let set = [("CONFIG_whisk_userEvents_enabled", "true"), ("CONFIG_oxwhisk_metrics_actions", "0")];
        assert_eq!(load(&set).unwrap(), EventsConfig { published: true, actions: 0 });
        assert!(load(&[("CONFIG_oxwhisk_metrics_actions", "many")]).is_err());
    }
}
