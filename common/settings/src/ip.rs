//! Addresses to listen on.

use std::net::{IpAddr, Ipv4Addr};

use oxwhisk_config::{Setting, setting};

/// An IP address, or `localhost` as OpenWhisk's configuration has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpSetting(pub IpAddr);

impl IpSetting {
    pub const LOOPBACK: Self = Self(IpAddr::V4(Ipv4Addr::LOCALHOST));
    /// Every address of the machine.
    pub const ALL: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
}

impl Setting for IpSetting {
    fn read(text: &str) -> Result<Self, String> {
        if text == "localhost" {
            return Ok(Self::LOOPBACK);
        }
        text.parse().map(Self).map_err(|_| format!("'{text}' is not an IP address to listen on"))
    }

    fn literal(&self) -> String {
        setting::quoted(&self.0.to_string())
    }
}
