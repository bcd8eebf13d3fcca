//! The keys by which tickets are checked.

use std::path::PathBuf;

use oxwhisk_config::Settings;
use oxwhisk_ticket::{Audience, KeyRing, TicketVerifier};
use secrecy::SecretString;

const KEYS: &str = "oxwhisk.tickets.cache-proxy-keys-file";

pub(super) fn read(settings: &mut Settings) -> Option<TicketVerifier> {
    let Some(path) = settings.optional::<PathBuf>(KEYS) else {
        // After a value at fault, that fault says enough.
        if settings.origin(KEYS) == oxwhisk_config::Origin::Default {
            settings
                .fault(KEYS, "is not set: the same file that controllers make tickets with (--ticket-keys)");
        }
        return None;
    };
    let text = std::fs::read_to_string(&path).map(SecretString::from);
    let text = text.map_err(|error| format!("'{}' cannot be read: {error}", path.display()));
    let ring =
        text.and_then(|text| KeyRing::parse(&text).map_err(|error| format!("'{}': {error}", path.display())));
    let ring = ring.map_err(|fault| settings.fault(KEYS, fault)).ok()?;
    Some(TicketVerifier::new(Audience::CacheProxies, ring))
}
