//! The keys of tickets: two rings, each in a file, since one of them is shared with cache-proxies.

use std::path::PathBuf;

use oxwhisk_config::Settings;
use oxwhisk_ticket::{KeyRing, TicketIssuer};
use secrecy::SecretString;

const CONTROLLERS: &str = "oxwhisk.tickets.controller-keys-file";
const CACHE_PROXIES: &str = "oxwhisk.tickets.cache-proxy-keys-file";

pub(super) fn read(settings: &mut Settings) -> Option<TicketIssuer> {
    let (controllers, proxies) = (ring(settings, CONTROLLERS), ring(settings, CACHE_PROXIES));
    Some(TicketIssuer::new(controllers?, proxies?))
}

fn ring(settings: &mut Settings, key: &str) -> Option<KeyRing> {
    let Some(path) = settings.optional::<PathBuf>(key) else {
        // After a value at fault, that fault says enough.
        if settings.origin(key) == oxwhisk_config::Origin::Default {
            settings.fault(key, "is not set: 'controller --generate-ticket-keys FILE' makes such a file");
        }
        return None;
    };
    let text = std::fs::read_to_string(&path).map(SecretString::from);
    let text = text.map_err(|error| format!("'{}' cannot be read: {error}", path.display()));
    let ring =
        text.and_then(|text| KeyRing::parse(&text).map_err(|error| format!("'{}': {error}", path.display())));
    ring.map_err(|fault| settings.fault(key, fault)).ok()
}
