//! Where gRPC is served: `host:port`, or `unix:/path`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// An address as people write it. Names are resolved when a connection is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an address: 'host:port', '[ipv6]:port' or 'unix:/path'")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || AddressError(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?.to_string(),
            None => host.to_owned(),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_known = host.parse::<IpAddr>().is_ok() || (!host.is_empty() && host.chars().all(is_name));
        if is_known { Ok(Self::Tcp { host, port }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp { host: address.ip().to_string(), port: address.port() }
    }
}

impl Address {
    /// Whether only this machine can be there, as far as the text tells: `localhost` is believed.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => {
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

/// Plain text where others could read it, and nobody has admitted that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "plain text is refused on {0}, which is not this machine alone: give TLS files, or set 'insecure-plaintext = true'"
)]
pub struct PlaintextRefused(Address);

/// Whether plain text may be spoken at `address`; `insecure` is the configuration's admission in so many words.
///
/// # Errors
/// When it may not.
pub fn check_plaintext(address: &Address, insecure: bool) -> Result<(), PlaintextRefused> {
    if insecure || address.is_local() { Ok(()) } else { Err(PlaintextRefused(address.clone())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_they_print() {
        for text in ["127.0.0.1:10", "controller-0.svc:443", "[::1]:5", "unix:/run/a b.sock", "localhost:0"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_quoted() {
        for text in ["", "host", "host:", ":5", "host:70000", "unix:", "http://host:5", "[x]:5", "::1:5x"] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.starts_with(&format!("'{text}' is not an address")), "{error}");
        }
    }

    #[test]
    fn plain_text_stays_on_this_machine_unless_admitted() {
        let check = |text: &str, insecure| check_plaintext(&text.parse().unwrap(), insecure);
        for local in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:/a"] {
            assert_eq!(check(local, false), Ok(()), "{local}");
        }
        for remote in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "controller:1", "localhost.example.org:1"] {
            let refused = check(remote, false).expect_err(remote).to_string();
            assert!(refused.contains(remote) && refused.contains("insecure-plaintext = true"), "{refused}");
            assert_eq!(check(remote, true), Ok(()));
        }
    }
}
