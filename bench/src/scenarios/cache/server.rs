//! The proxy that is measured, as a process of its own: this program, asked to be one.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_cache_proxy::{Order, Proxy, ProxyConfig, Servers};
use oxwhisk_cache_tokens::{ContainerId, Issue, Token};
use oxwhisk_cache_upstream::{Address, Login, Protocol, UpstreamConfig};
use oxwhisk_core::cache::CacheGrant;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use serde_json::json;

/// Longer than any measurement.
const LASTS: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The Redis behind it.
    #[arg(long)]
    socket: PathBuf,
    /// Tokens that are alive.
    #[arg(long)]
    tokens: usize,
}

/// Serves until its standard input ends; says where, and by which token, on its standard output.
pub(crate) fn serve(options: &Options) -> anyhow::Result<()> {
    let address = Address::Unix(options.socket.clone());
    let local = UpstreamConfig::new(address, Login::default(), Protocol::Resp2);
    let servers = Servers { local: Arc::new(local), global: None };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let mut config = ProxyConfig::default();
    // What is measured writes more than a namespace may have.
    (config.budget.bytes, config.budget.keys) = (u64::MAX, u64::MAX);
    let proxy = Proxy::start(config, &servers, &[listener.into()], 1)?;
    for number in 1..options.tokens {
        issue(&proxy, number)?;
    }
    let token = issue(&proxy, 0)?;
    println!("{}", json!({"port": port, "token": token.reveal()}));
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    proxy.stop();
    Ok(())
}

fn issue(proxy: &Proxy, number: usize) -> anyhow::Result<Token> {
    let guest = EntityName::new("guest")?;
    let order = Order {
        issue: Issue::default(),
        activation_id: ActivationId::generate(),
        namespace_uuid: "of the measurement".into(),
        action: FullyQualifiedName::parse(&format!("/guest/action{number}"), &guest)?,
        grant: CacheGrant::default(),
        container: ContainerId(number.to_string()),
        address: None,
        is_alone: true,
        lasts: LASTS,
    };
    Ok(proxy.control().issue(order)?)
}
