//! The store where actions reach it. Sandboxes reach no address of their host, so it is put onto a machine of its own as they see it:
//! a network namespace at the other end of a link, with an address of the range that is kept for measurements (RFC 2544).

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::duration::milliseconds;
use super::requests::Tile;
use super::store::StoreOptions;
use crate::client::{Connection, Endpoint, request};

const PORT: u16 = 8080;

/// Which store is asked, and how it is asked how much it did.
#[derive(Debug)]
pub(crate) struct Store {
    /// As actions call it.
    pub(crate) url: String,
    endpoint: Endpoint,
    _own: Option<OwnStore>,
}

impl Store {
    /// Starts one beside this machine.
    pub(crate) fn start(options: &StoreOptions) -> anyhow::Result<Self> {
        let own = OwnStore::start(options)?;
        let mut store = Self::at(&format!("http://{}:{PORT}", own.address))?;
        store._own = Some(own);
        Ok(store)
    }

    /// One that runs already.
    pub(crate) fn at(url: &str) -> anyhow::Result<Self> {
        let url = url.trim_end_matches('/');
        let address = url.strip_prefix("http://").and_then(|address| address.parse::<SocketAddr>().ok());
        let address = address.with_context(|| format!("'{url}' is not http://address:port"))?;
        Ok(Self { url: url.to_owned(), endpoint: Endpoint::Tcp(address), _own: None })
    }

    /// Has it draw these tiles, which takes some milliseconds each, so that it is not measured.
    pub(crate) fn prepare(&self, tiles: &HashSet<Tile>) -> anyhow::Result<()> {
        let mut connection = Connection::open(&self.endpoint)?;
        for tile in tiles {
            let answer = connection.call(&request("PUT", &format!("/{tile}.png"), None, b""))?;
            ensure!(answer.status == 200, "the store cannot draw {tile}: {}", answer.status);
        }
        Ok(())
    }

    /// Requests for tiles that it has served until now.
    pub(crate) fn served(&self) -> anyhow::Result<u64> {
        let answer = Connection::open(&self.endpoint)?.call(&request("GET", "/stats", None, b""))?;
        let stats: Value = serde_json::from_slice(&answer.body)?;
        stats["served"].as_u64().context("how many tiles the store has served")
    }
}

#[derive(Debug)]
struct OwnStore {
    program: Child,
    address: Ipv4Addr,
}

impl OwnStore {
    fn start(options: &StoreOptions) -> anyhow::Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "only root can put a store where actions reach it; start `oxwhisk-bench tiles store` on another machine, \
             and name it with --store"
        );
        let mut program = command(options)?.spawn().context("start unshare (Debian package util-linux)")?;
        let output = program.stdout.take().context("the store's output")?;
        let (host, address) = addresses(std::process::id());
        let store = Self { program, address };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.contains("\"store\""), "the store does not start");
        store.link(host)?;
        Ok(store)
    }

    /// The link goes with the namespace.
    fn link(&self, host: Ipv4Addr) -> anyhow::Result<()> {
        let (pid, address) = (self.program.id(), self.address);
        let link = format!("owbench{}", std::process::id() % 10_000_000);
        let inside = format!("nsenter --target {pid} --net ip");
        for line in [
            format!("ip link add {link} type veth peer name eth0 netns {pid}"),
            format!("ip addr add {host}/30 dev {link}"),
            format!("ip link set {link} up"),
            format!("{inside} addr add {address}/30 dev eth0"),
            format!("{inside} link set eth0 up"),
            format!("{inside} route add default via {host}"),
        ] {
            let mut words = line.split(' ');
            let status = Command::new(words.next().unwrap_or_default()).args(words).status();
            ensure!(status.with_context(|| format!("run {line}"))?.success(), "{line}: it failed");
        }
        Ok(())
    }
}

impl Drop for OwnStore {
    fn drop(&mut self) {
        // It has nothing to lose.
        self.program.kill().ok();
        self.program.wait().ok();
    }
}

/// This program again, in a network of its own that ends with it, and it with us. `unshare` and `setpriv` become it, so that their
/// process id is the store's.
fn command(options: &StoreOptions) -> anyhow::Result<Command> {
    let mut command = Command::new("unshare");
    command.args(["--net", "setpriv", "--pdeathsig", "KILL"]);
    command.arg(std::env::current_exe()?).args(["tiles", "store"]);
    command.arg("--listen").arg(format!("0.0.0.0:{PORT}"));
    command.arg("--store-delay").arg(format!("{}ms", milliseconds(options.store_delay)));
    command.arg("--store-jitter").arg(format!("{}ms", milliseconds(options.store_jitter)));
    command.arg("--store-concurrency").arg(options.store_concurrency.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

/// Of the host and of the store: a network of four addresses, another for each process that measures.
fn addresses(pid: u32) -> (Ipv4Addr, Ipv4Addr) {
    // 198.18.0.0/15 has 2^15 such networks.
    let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + pid % (1 << 15) * 4;
    (Ipv4Addr::from(first + 1), Ipv4Addr::from(first + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_range_for_measurements() {
        assert_eq!(addresses(0), (Ipv4Addr::new(198, 18, 0, 1), Ipv4Addr::new(198, 18, 0, 2)));
        assert_eq!(addresses(32_767).1, Ipv4Addr::new(198, 19, 255, 254));
        assert_eq!(addresses(32_768), addresses(0));
    }
}
