//! Which activation records are kept.

use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_controller::Storing;
use oxwhisk_core::entity::StoreLevel;

struct Level(StoreLevel);

impl Setting for Level {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: oxwhisk_core::entity::StoreLevelError| error.to_string())
    }

    fn literal(&self) -> String {
        setting::quoted(self.0.name())
    }
}

/// Reads the levels. `disable-store-result` is from before them: it means failures only, for blocking invocations,
/// where no level is set.
pub(super) fn read(settings: &mut Settings) -> Storing {
    let failures_only = settings.value("whisk.activation.disable-store-result", false);
    let blocking = if failures_only { StoreLevel::Failures } else { StoreLevel::Always };
    let Level(blocking) = settings.value("whisk.activation.store-blocking-result-level", Level(blocking));
    let Level(non_blocking) =
        settings.value("whisk.activation.store-non-blocking-result-level", Level(StoreLevel::Always));
    let log_unstored = settings.value("whisk.activation.unstored-logs-enabled", false);
    Storing { blocking, non_blocking, log_unstored }
}
