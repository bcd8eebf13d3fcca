//! What actions get of the cache that say nothing themselves, where their namespace says nothing either.

use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_core::cache::CacheDefault;

struct CacheDefaultSetting(CacheDefault);

impl Setting for CacheDefaultSetting {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: oxwhisk_core::cache::CacheDefaultError| error.to_string())
    }

    fn literal(&self) -> String {
        setting::quoted(&self.0.to_string())
    }
}

pub(super) fn read(settings: &mut Settings) -> CacheDefault {
    settings.value("oxwhisk.cache.default", CacheDefaultSetting(CacheDefault::default())).0
}
