//! Where a Redis is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `unix:/path`: nobody but who may open the file.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

/// It is neither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no address of a Redis: unix:/path or host:port")]
pub struct NoAddress(String);

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let no = || NoAddress(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') { Ok(Self::Unix(path.into())) } else { Err(no()) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(no)?;
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        // A secret in a URL would be shown with the address.
        let is_host = !host.is_empty() && !host.contains(['/', '@', ' ']);
        if is_port && is_host { Ok(Self::Tcp(text.to_owned())) } else { Err(no()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_alike() {
        for text in ["unix:/run/redis.sock", "localhost:6379", "[::1]:6379"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for bad in
            ["", "redis", "unix:redis", ":6379", "a:0", "a:99999", "redis://u:secret@a:1", "u:secret@a:1"]
        {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
