//! What containers are called, and the labels by which their invoker knows them again. Pure.

use std::collections::HashMap;

use crate::config::DockerConfig;

const CLUSTER: &str = "org.oxwhisk.cluster";
const INVOKER: &str = "org.oxwhisk.invoker";
const KIND: &str = "org.oxwhisk.kind";

/// Whose containers they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    cluster: String,
    invoker: String,
    unique_name: String,
}

impl Owner {
    pub(crate) fn of(config: &DockerConfig) -> Self {
        Self {
            cluster: config.cluster.clone(),
            invoker: config.invoker.0.to_string(),
            unique_name: config.unique_name.clone(),
        }
    }

    pub(crate) fn labels(&self, kind: &str) -> HashMap<String, String> {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        [label(CLUSTER, &self.cluster), label(INVOKER, &self.invoker), label(KIND, kind)].into()
    }

    /// For a list or a stream of events that is about containers of this invoker alone.
    pub(crate) fn filter(&self) -> HashMap<String, Vec<String>> {
        let labels = vec![format!("{CLUSTER}={}", self.cluster), format!("{INVOKER}={}", self.invoker)];
        [("label".to_owned(), labels)].into()
    }

    /// `wsk` and the deployment's name before what the pool calls it, as OpenWhisk puts them together.
    pub(crate) fn name_of(&self, container: &str) -> String {
        let rest = container.strip_prefix("wsk").unwrap_or(container);
        format!("wsk{}{rest}", self.unique_name)
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_core::id::InvokerId;

    use super::*;

    #[test]
    fn names_and_labels_tell_whose_a_container_is() {
        let mut config = DockerConfig::new(Default::default(), "blue", InvokerId(7));
        let owner = Owner::of(&config);
        assert_eq!(owner.name_of("wsk7_1_prewarm_nodejs_20"), "wsk7_1_prewarm_nodejs_20");
        assert_eq!(owner.labels("nodejs:20")["org.oxwhisk.kind"], "nodejs:20");
        assert_eq!(owner.filter()["label"], ["org.oxwhisk.cluster=blue", "org.oxwhisk.invoker=7"]);
        config.unique_name = "green".to_owned();
        assert_eq!(Owner::of(&config).name_of("wsk7_1_cold_x"), "wskgreen7_1_cold_x");
    }
}
