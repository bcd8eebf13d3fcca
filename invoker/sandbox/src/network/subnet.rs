//! Which addresses a server's sandboxes have.

use std::fmt;
use std::net::Ipv4Addr;

/// A /22 out of the configured /16: gateway first, then one address for each slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    base: Ipv4Addr,
    index: u32,
}

impl Subnet {
    pub(crate) const PREFIX: u32 = 22;
    /// Addresses in it, and uids that go with it.
    pub(crate) const SIZE: u32 = 1 << (32 - Self::PREFIX);

    /// Number `index` of the subnets of `base`/16.
    pub(crate) fn new(base: Ipv4Addr, index: u32) -> Self {
        Self { base: Ipv4Addr::from(u32::from(base) & 0xffff_0000), index }
    }

    fn first(self) -> u32 {
        u32::from(self.base) + self.index * Self::SIZE
    }

    /// The host's address for the sandboxes.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(self.first() + 1)
    }

    /// A slot's address; slots count from 0.
    pub(crate) fn address(self, slot: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.first() + 2 + slot)
    }

    /// Whether this overlaps no route of `routes` (the output of `ip route`) but the default.
    pub(crate) fn is_free(self, routes: &str) -> bool {
        routes
            .split_whitespace()
            .filter_map(parse_network)
            .filter(|(_, prefix)| *prefix > 0)
            .all(|(network, prefix)| !self.overlaps(network, prefix))
    }

    fn overlaps(self, network: u32, prefix: u32) -> bool {
        let common = prefix.min(Self::PREFIX);
        let mask = u32::MAX.checked_shl(32 - common).unwrap_or(0);
        self.first() & mask == network & mask
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first()), Self::PREFIX)
    }
}

fn parse_network(word: &str) -> Option<(u32, u32)> {
    let (address, prefix) = word.split_once('/').unwrap_or((word, "32"));
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
    Some((u32::from(address.parse::<Ipv4Addr>().ok()?), prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Ipv4Addr = Ipv4Addr::new(10, 107, 0, 0);

    #[test]
    fn addresses_count_from_the_gateway() {
        let subnet = Subnet::new(BASE, 2);
        assert_eq!(subnet.to_string(), "10.107.8.0/22");
        assert_eq!(subnet.gateway(), Ipv4Addr::new(10, 107, 8, 1));
        assert_eq!(subnet.address(0), Ipv4Addr::new(10, 107, 8, 2));
        assert_eq!(subnet.address(crate::config::MAX_SANDBOXES - 1), Ipv4Addr::new(10, 107, 11, 233));
    }

    #[test]
    fn a_subnet_in_use_is_not_free() {
        let subnet = Subnet::new(BASE, 5);
        assert!(
            subnet.is_free("default via 192.0.2.1 dev eth0\n10.107.0.0/22 dev x\nlocal 10.107.24.1 dev x")
        );
        assert!(!subnet.is_free("10.107.20.0/22 dev owabcg proto kernel scope link src 10.107.20.1"));
        assert!(!subnet.is_free("local 10.107.23.4 dev x"));
        assert!(!subnet.is_free("10.0.0.0/8 via 192.0.2.9 dev eth0"));
    }
}
