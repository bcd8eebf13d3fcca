//! What a broken run may cost.

use serde::{Deserialize, Serialize};

/// What a broken run may cost: run it once more, or lose it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    #[default]
    AtLeastOnce,
    AtMostOnce,
}
