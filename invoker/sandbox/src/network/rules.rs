//! The packet rules of one server, as text for `nft`.

use std::fmt;
use std::net::Ipv4Addr;

use super::Subnet;

/// What the rules are made from.
#[derive(Clone, Debug)]
pub(crate) struct RuleSet {
    pub(crate) table: String,
    /// Name pattern of the host ends of the sandboxes' links.
    pub(crate) links: String,
    pub(crate) subnet: Subnet,
    /// The range all servers take their subnets from.
    pub(crate) whole_range: String,
    /// Ports of the gateway address that sandboxes may use.
    pub(crate) tcp_ports: Vec<u16>,
    /// Destinations beyond the host that are dropped.
    pub(crate) denied: Vec<String>,
    /// Link and address of each slot: a packet with another source address does not pass.
    pub(crate) sandboxes: Vec<(String, Ipv4Addr)>,
}

impl fmt::Display for RuleSet {
    /// `guard` stops forged senders before anything else looks at the packet. `to_host` leaves open only the gateway's
    /// named ports, whatever else listens on whatever address. `through` lets out what is not denied and in only
    /// answers; sandboxes of this and other servers are in the denied range. Rules of the host's own firewall still
    /// apply: an accept here does not overrule a drop there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, links, subnet, .. } = self;
        let sandboxes = list(self.sandboxes.iter().map(|(link, address)| format!("\"{link}\" . {address}")));
        let denied = list(std::iter::once(&self.whole_range).chain(&self.denied));
        let tcp_ports = list(std::iter::once(&53).chain(&self.tcp_ports));
        let gateway = subnet.gateway();
        write!(
            f,
            "table inet {table} {{
  set sandboxes {{
    type ifname . ipv4_addr
    elements = {sandboxes}
  }}
  set denied {{
    type ipv4_addr
    flags interval
    auto-merge
    elements = {denied}
  }}
  chain guard {{
    type filter hook prerouting priority raw; policy accept;
    iifname \"{links}\" meta nfproto != ipv4 drop
    iifname \"{links}\" iifname . ip saddr != @sandboxes drop
  }}
  chain to_host {{
    type filter hook input priority filter - 10; policy accept;
    iifname \"{links}\" ip daddr {gateway} tcp dport {tcp_ports} accept
    iifname \"{links}\" ip daddr {gateway} udp dport 53 accept
    iifname \"{links}\" drop
  }}
  chain through {{
    type filter hook forward priority filter - 10; policy accept;
    oifname \"{links}\" ct state established,related accept
    oifname \"{links}\" drop
    iifname \"{links}\" ip daddr @denied drop
    iifname \"{links}\" accept
  }}
  chain translate {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {subnet} oifname != \"{links}\" masquerade
  }}
}}
"
        )
    }
}

fn list(items: impl Iterator<Item = impl fmt::Display>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    format!("{{ {} }}", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_of_the_configuration_is_in_the_text() {
        let subnet = Subnet::new(Ipv4Addr::new(10, 107, 0, 0), 1);
        let text = RuleSet {
            table: "oxwhisk-t".into(),
            links: "owts*".into(),
            subnet,
            whole_range: "10.107.0.0/16".into(),
            tcp_ports: vec![3233, 6379],
            denied: vec!["169.254.0.0/16".into()],
            sandboxes: vec![("owts0".into(), subnet.address(0))],
        }
        .to_string();
        assert!(text.contains("tcp dport { 53, 3233, 6379 } accept"), "{text}");
        assert!(text.contains("elements = { 10.107.0.0/16, 169.254.0.0/16 }"), "{text}");
        assert!(text.contains(&format!("\"owts0\" . {}", subnet.address(0))), "{text}");
        // What is neither accepted by name nor an answer is dropped, in both chains.
        assert!(text.contains("iifname \"owts*\" drop") && text.contains("oifname \"owts*\" drop"), "{text}");
    }
}
