//! What actions promise that say nothing themselves.

use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_core::delivery::Delivery;

struct DeliverySetting(Delivery);

impl Setting for DeliverySetting {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "at-least-once" => Ok(Self(Delivery::AtLeastOnce)),
            "at-most-once" => Ok(Self(Delivery::AtMostOnce)),
            _ => Err(format!("'{text}' is neither 'at-least-once' nor 'at-most-once'")),
        }
    }

    fn literal(&self) -> String {
        setting::quoted(match self.0 {
            Delivery::AtLeastOnce => "at-least-once",
            Delivery::AtMostOnce => "at-most-once",
        })
    }
}

pub(super) fn read(settings: &mut Settings) -> Delivery {
    settings.value("oxwhisk.dispatch.delivery", DeliverySetting(Delivery::default())).0
}
