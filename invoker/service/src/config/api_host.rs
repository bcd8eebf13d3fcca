//! Where actions reach the API: what they are told as `__OW_API_HOST`.

use std::fmt;

use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_grpc::Address;

const URL: &str = "whisk.config.whisk-api-host-url";
const NAME: &str = "whisk.config.whisk-api-host-name";
const RELAY: &str = "oxwhisk.sandbox.api-relay";

/// Reads OpenWhisk's settings: a URL, or its parts.
pub(super) fn read(settings: &mut Settings) -> Option<String> {
    let url: Option<String> = settings.optional(URL);
    let protocol = settings.value("whisk.config.whisk-api-host-proto", "https".to_owned());
    let usual = if protocol == "http" { 80 } else { 443 };
    let port: u16 = settings.value("whisk.config.whisk-api-host-port", usual);
    let name: Option<String> = settings.optional(NAME);
    url.or_else(|| Some(format!("{protocol}://{}:{port}", name?)))
}

/// What is wrong when nobody says where the API is.
pub(super) fn missing(settings: &mut Settings) {
    settings.fault(NAME, "is not set: actions are told where the API is (WHISK_API_HOST_NAME)");
}

/// An API on this very machine, which the network of sandboxes does not reach: the invoker passes their bytes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRelay {
    /// `http` or `https`; the bytes are passed on as they are.
    scheme: &'static str,
    pub host: String,
    pub port: u16,
}

pub(super) fn read_relay(settings: &mut Settings) -> Option<ApiRelay> {
    settings.optional(RELAY)
}

impl ApiRelay {
    /// The API's URL on another host, the same port.
    #[must_use]
    pub fn on(&self, host: impl fmt::Display) -> String {
        format!("{}://{host}:{}", self.scheme, self.port)
    }
}

impl Setting for ApiRelay {
    fn read(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("'{text}' is not the API's URL with its port, such as 'https://127.0.0.1:443'");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme = ["http", "https"].into_iter().find(|known| *known == scheme).ok_or_else(wrong)?;
        match rest.trim_end_matches('/').parse() {
            Ok(Address::Tcp { host, port }) if port != 0 => Ok(Self { scheme, host, port }),
            _ => Err(wrong()),
        }
    }

    fn literal(&self) -> String {
        setting::quoted(&self.on(&self.host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_a_url_with_a_port() {
        let relay = ApiRelay::read("https://127.0.0.1:3443/").unwrap();
        assert_eq!((relay.host.as_str(), relay.port), ("127.0.0.1", 3443));
        assert_eq!(relay.on("10.107.0.1"), "https://10.107.0.1:3443");
        assert_eq!(relay.literal(), "\"https://127.0.0.1:3443\"");
        for wrong in
            ["127.0.0.1:3443", "ftp://h:1", "http://h", "http://h:0", "http://unix:/a", "http://h:1/x"]
        {
            assert!(ApiRelay::read(wrong).unwrap_err().contains(wrong));
        }
    }
}
