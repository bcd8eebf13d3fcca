//! Ports for processes that must be told theirs.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Below those that the kernel gives to clients, so that none of these has one meanwhile.
const FIRST: u16 = 11_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of loopback that nobody has, and that no other call in this process gave before. Other processes begin their
/// search elsewhere.
///
/// # Panics
/// When all ports are taken.
#[track_caller]
pub fn free() -> u16 {
    for _ in 0..COUNT {
        let port = FIRST + (start() + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

fn start() -> u16 {
    static START: std::sync::OnceLock<u16> = std::sync::OnceLock::new();
    *START.get_or_init(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let place = (u64::from(std::process::id()) * 37 + now * 11) % u64::from(COUNT);
        u16::try_from(place).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free()).collect();
        assert_eq!(ports.len(), 50);
    }
}
