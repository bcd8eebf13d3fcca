//! Where the pages are served, from the configuration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use oxwhisk_config::{Setting, Settings, setting};

const LISTEN: &str = "oxwhisk.ops.listen";
const LOG_ADMINS: &str = "oxwhisk.ops.log-admins";

/// Where, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpsConfig {
    pub listen: SocketAddr,
    /// Who may read and set the log filter, beside loopback.
    pub log_admins: Vec<IpAddr>,
}

struct Listen(SocketAddr);

impl Setting for Listen {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("'{text}' is not an address such as '127.0.0.1:8081'"))
    }

    fn literal(&self) -> String {
        setting::quoted(&self.0.to_string())
    }
}

/// Reads `oxwhisk.ops.*`. Without a setting the pages are on loopback, at `port`.
pub fn read(settings: &mut Settings, port: u16) -> OpsConfig {
    let default = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let Listen(listen) = settings.value(LISTEN, Listen(default));
    let mut log_admins = Vec::new();
    for text in settings.list(LOG_ADMINS) {
        match text.parse() {
            Ok(address) => log_admins.push(address),
            Err(_) => settings.fault(LOG_ADMINS, format!("'{text}' is not an IP address")),
        }
    }
    OpsConfig { listen, log_admins }
}

#[cfg(test)]
mod tests {
    use oxwhisk_config::Layers;

    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<OpsConfig, String> {
        let mut layers = Layers::new(&[]);
        layers.add_environment(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let mut settings = layers.into_settings();
        let config = read(&mut settings, 8081);
        settings.finish().map(|_| config).map_err(|faults| faults.to_string())
    }

    #[test]
    fn pages_are_on_loopback_unless_said_otherwise() {
        let config = load(&[]).unwrap();
        assert_eq!((config.listen.to_string().as_str(), config.log_admins.len()), ("127.0.0.1:8081", 0));
        let config = load(&[
            ("CONFIG_oxwhisk_ops_listen", "0.0.0.0:9"),
            ("CONFIG_oxwhisk_ops_logAdmins_0", "10.0.0.7"),
        ])
        .unwrap();
        assert_eq!(config.listen.to_string(), "0.0.0.0:9");
        assert_eq!(config.log_admins, [IpAddr::from([10, 0, 0, 7])]);
    }

    #[test]
    fn faults_name_the_setting() {
        let faults = load(&[("CONFIG_oxwhisk_ops_listen", "here"), ("CONFIG_oxwhisk_ops_logAdmins_0", "me")]);
        let text = faults.unwrap_err();
        assert!(
            text.contains("'here' is not an address") && text.contains("'me' is not an IP address"),
            "{text}"
        );
    }
}
