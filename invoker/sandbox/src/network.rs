//! The network of the sandboxes: a private subnet, one link to each sandbox, rules that let out what may get out.

pub(crate) mod dns;
mod rules;
mod subnet;
mod tools;

use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use crate::config::NetworkConfig;
use crate::error::SetupError;
pub(crate) use rules::RuleSet;
pub(crate) use subnet::Subnet;
pub(crate) use tools::{Tools, Where};

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Networks in use here, as text for [`Subnet::is_free`].
pub(crate) async fn routes(tools: &Tools) -> Result<String, SetupError> {
    tools.ip(&["-4", "route", "show", "table", "all"]).await
}

/// The server's side of its sandboxes' network.
#[derive(Debug)]
pub(crate) struct Network {
    tools: Tools,
    instance: String,
    subnet: Subnet,
    /// Whether forwarding had to be switched on.
    pub(crate) forwarding_switched_on: bool,
}

impl Network {
    /// Sets up gateway and rules for `subnet`.
    pub(crate) async fn set_up(
        tools: Tools,
        instance: &str,
        config: &NetworkConfig,
        subnet: Subnet,
        max_sandboxes: u32,
    ) -> Result<Self, SetupError> {
        let network = Self { tools, instance: instance.to_owned(), subnet, forwarding_switched_on: false };
        network.make_gateway().await?;
        let rules = RuleSet {
            table: table_name(instance),
            links: links_pattern(instance),
            subnet,
            whole_range: format!("{}/16", config.subnet),
            tcp_ports: std::iter::once(config.api_port).chain(config.extra_ports.iter().copied()).collect(),
            denied: config.denied_destinations.clone(),
            sandboxes: (0..max_sandboxes)
                .map(|slot| (link_name(instance, slot), subnet.address(slot)))
                .collect(),
        };
        network.tools.nft(&rules.to_string()).await?;
        network.switch_forwarding_on()
    }

    /// Whether another firewall of the host drops what it does not know: an accept of ours does not overrule it.
    pub(crate) async fn forwarding_is_dropped_elsewhere(&self) -> Result<bool, SetupError> {
        let chains = self.tools.nft_list(&["list", "chains"]).await?;
        Ok(chains.lines().any(|line| line.contains("hook forward") && line.contains("policy drop")))
    }

    pub(crate) fn gateway(&self) -> Ipv4Addr {
        self.subnet.gateway()
    }

    pub(crate) fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// Where the gateway address is.
    pub(crate) fn place(&self) -> Where {
        self.tools.place()
    }

    /// Host link and sandbox end for a slot; `namespace` is the slot's network namespace.
    pub(crate) async fn link(&self, slot: u32, namespace: &OwnedFd) -> Result<(), SetupError> {
        let (name, gateway, address) =
            (link_name(&self.instance, slot), self.gateway(), self.subnet.address(slot));
        let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
        // Made from the inside: a user namespace's root may not look at the server's descriptors, which is how the
        // inside would have to be named from here.
        let outside_pid = match self.tools.place() {
            Where::Host => std::process::id(),
            Where::Launcher(pid) => pid,
        };
        let inside = format!(
            "link add eth0 type veth peer name {name} netns {outside_pid}\n\
             link set lo up\n\
             addr add {address}/32 dev eth0\n\
             link set eth0 up\n\
             route add {gateway}/32 dev eth0 scope link\n\
             route add default via {gateway} dev eth0\n"
        );
        let outside = format!("addr add {gateway}/32 peer {address}/32 dev {name}\nlink set {name} up\n");
        self.tools.ip_batch_inside(&path, &inside).await?;
        self.tools.ip_batch(&outside).await
    }

    /// A veth pair of which both ends stay here: it needs no driver that the sandboxes' links do not need too. It
    /// carries the gateway's address while no sandbox exists, and its route marks the subnet as taken.
    async fn make_gateway(&self) -> Result<(), SetupError> {
        let (name, peer) = (gateway_name(&self.instance), format!("{}p", gateway_name(&self.instance)));
        let gateway = self.gateway();
        let batch = format!(
            "link add {name} type veth peer name {peer}\n\
             addr add {gateway}/{} dev {name}\n\
             link set {peer} up\nlink set {name} up\n",
            Subnet::PREFIX
        );
        self.tools.ip_batch(&batch).await
    }

    fn switch_forwarding_on(mut self) -> Result<Self, SetupError> {
        if self.tools.place() == Where::Host {
            let path = Path::new(FORWARDING);
            let before = fs::read_to_string(path).map_err(SetupError::path("read", path))?;
            if before.trim() == "0" {
                fs::write(path, "1").map_err(SetupError::path("write", path))?;
                self.forwarding_switched_on = true;
            }
        }
        Ok(self)
    }

    /// As [`Network::tear_down`], for a server that ends without it: blocks for some milliseconds.
    pub(crate) fn tear_down_blocking(&self) {
        let (table, instance) = (table_name(&self.instance), &self.instance);
        self.tools.nft_blocking(&format!("delete table inet {table}\n"));
        // The links of slots go with their network namespaces.
        self.tools.ip_blocking(&["link", "del", &gateway_name(instance)]);
    }

    /// Removes links and rules.
    pub(crate) async fn tear_down(&self) -> Result<(), SetupError> {
        remove_leftovers(&self.tools, &self.instance).await
    }
}

/// Loopback alone, for a slot without a network.
pub(crate) async fn loopback_only(tools: &Tools, namespace: &OwnedFd) -> Result<(), SetupError> {
    let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
    tools.ip_batch_inside(&path, "link set lo up\n").await
}

/// Removes links and rules of this instance, whoever made them.
pub(crate) async fn remove_leftovers(tools: &Tools, instance: &str) -> Result<(), SetupError> {
    let table = table_name(instance);
    // "add" first, so that a table that is not there is no error.
    tools.nft(&format!("add table inet {table}\ndelete table inet {table}\n")).await?;
    let links = tools.ip(&["-o", "link", "show", "type", "veth"]).await?;
    let prefix = format!("ow{instance}");
    let ours = links.lines().filter_map(link_of_line).filter(|name| name.starts_with(&prefix));
    let mut batch = String::new();
    for name in ours.filter(|name| *name != format!("{}p", gateway_name(instance))) {
        batch.push_str(&format!("link del {name}\n"));
    }
    if batch.is_empty() { Ok(()) } else { tools.ip_batch_lenient(&batch).await }
}

/// The name in a line of `ip -o link`: `12: name@peer: <...`.
fn link_of_line(line: &str) -> Option<&str> {
    let name = line.split(": ").nth(1)?;
    Some(name.split('@').next().unwrap_or(name))
}

/// Link names have at most 15 characters: 2, 6 of the instance, 1, and up to 4 of the slot.
fn link_name(instance: &str, slot: u32) -> String {
    format!("ow{instance}s{slot}")
}

fn links_pattern(instance: &str) -> String {
    format!("ow{instance}s*")
}

fn gateway_name(instance: &str) -> String {
    format!("ow{instance}g")
}

fn table_name(instance: &str) -> String {
    format!("oxwhisk-{instance}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernels_limit() {
        assert!(link_name("abc123", crate::config::MAX_SANDBOXES).len() <= 15);
        assert_eq!(gateway_name("abc123").len() + 1, "owabc123gp".len());
    }

    #[test]
    fn names_are_read_from_the_list_of_links() {
        assert_eq!(link_of_line("7: owabc123s4@if2: <BROADCAST> mtu 1500"), Some("owabc123s4"));
        assert_eq!(link_of_line("7: lo: <LOOPBACK>"), Some("lo"));
        assert_eq!(link_of_line(""), None);
    }
}
