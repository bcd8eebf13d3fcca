//! Where the daemon listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A daemon's address, as `DOCKER_HOST` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineAddress {
    Unix(PathBuf),
    /// `HOST:PORT`, without encryption: for a network that nobody else is on.
    Tcp(String),
}

impl Default for EngineAddress {
    fn default() -> Self {
        Self::Unix(PathBuf::from("/var/run/docker.sock"))
    }
}

impl FromStr for EngineAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(PathBuf::from(path))),
            Some(("tcp" | "http", host)) if is_host_and_port(host.trim_end_matches('/')) => {
                Ok(Self::Tcp(host.trim_end_matches('/').to_owned()))
            }
            _ => Err(format!("'{text}' is neither 'unix:///path/to/docker.sock' nor 'tcp://HOST:PORT'")),
        }
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_docker_client_reads_them() {
        for (text, shown) in [
            ("unix:///run/docker.sock", "unix:///run/docker.sock"),
            ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375"),
            ("http://engine:2375/", "tcp://engine:2375"),
        ] {
            assert_eq!(text.parse::<EngineAddress>().unwrap().to_string(), shown);
        }
        for bad in ["", "/run/docker.sock", "unix://docker.sock", "tcp://host", "ssh://a:1", "tcp://:1"] {
            assert!(bad.parse::<EngineAddress>().unwrap_err().contains(bad), "{bad}");
        }
    }
}
