//! Where spans go, from the configuration.

use std::path::PathBuf;

use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_trace::SampleRate;

use crate::Collector;

const ENDPOINT: &str = "oxwhisk.tracing.endpoint";
const AUTHORITY: &str = "oxwhisk.tracing.authority";
const RATE: &str = "oxwhisk.tracing.sample-rate";

struct Endpoint(String);

impl Setting for Endpoint {
    fn read(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        match rest {
            Some(rest) if !rest.is_empty() => Ok(Self(text.to_owned())),
            _ => Err(format!("'{text}' is not the address of a collector such as 'http://localhost:4317'")),
        }
    }

    fn literal(&self) -> String {
        setting::quoted(&self.0)
    }
}

struct Rate(SampleRate);

impl Setting for Rate {
    fn read(text: &str) -> Result<Self, String> {
        let share = text.trim().parse().ok().and_then(SampleRate::new);
        share.map(Self).ok_or_else(|| format!("'{text}' is not a share from 0 to 1"))
    }

    fn literal(&self) -> String {
        self.0.share().to_string()
    }
}

/// Reads `oxwhisk.tracing.*`. Without an endpoint nothing is traced.
pub fn read(settings: &mut Settings) -> Option<Collector> {
    let endpoint: Option<Endpoint> = settings.optional(ENDPOINT);
    let path: Option<PathBuf> = settings.optional(AUTHORITY);
    // A hundredth, as OpenWhisk has it.
    let default = SampleRate::new(0.01).unwrap_or(SampleRate::NONE);
    let Rate(rate) = settings.value(RATE, Rate(default));
    let Endpoint(endpoint) = endpoint?;
    let authority = path.and_then(|path| match std::fs::read_to_string(&path) {
        Ok(pem) => Some(pem),
        Err(error) => {
            settings.fault(AUTHORITY, format!("'{}' cannot be read: {error}", path.display()));
            None
        }
    });
    let origin = settings.origin(AUTHORITY);
    if endpoint.starts_with("https://") && authority.is_none() && origin == oxwhisk_config::Origin::Default {
        settings.fault(ENDPOINT, format!("'https' needs {AUTHORITY}"));
    }
    Some(Collector { endpoint, authority, rate })
}

#[cfg(test)]
mod tests {
    use oxwhisk_config::Layers;

    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Option<Collector>, String> {
        let mut layers = Layers::new(&[]);
        layers.add_environment(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let mut settings = layers.into_settings();
        let collector = read(&mut settings);
        settings.finish().map(|_| collector).map_err(|faults| faults.to_string())
    }

    #[test]
    fn without_an_endpoint_nothing_is_traced() {
        assert_eq!(load(&[]), Ok(None));
        let collector = load(&[
            ("CONFIG_oxwhisk_tracing_endpoint", "http://127.0.0.1:4317"),
            ("CONFIG_oxwhisk_tracing_sampleRate", "0.5"),
        ]);
        let collector = collector.unwrap().unwrap();
        assert_eq!(collector.endpoint, "http://127.0.0.1:4317");
        assert_eq!(Some(collector.rate), SampleRate::new(0.5));
    }

    #[test]
    fn faults_name_the_setting() {
        for (name, value, expected) in [
            ("endpoint", "localhost:4317", "is not the address of a collector"),
            ("endpoint", "https://localhost:4317", "'https' needs oxwhisk.tracing.authority"),
            ("sampleRate", "2", "'2' is not a share from 0 to 1"),
        ] {
            let text = load(&[(&format!("CONFIG_oxwhisk_tracing_{name}"), value)]).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
        let text = load(&[
            ("CONFIG_oxwhisk_tracing_endpoint", "https://localhost:4317"),
            ("CONFIG_oxwhisk_tracing_authority", "/nowhere/ca.pem"),
        ])
        .unwrap_err();
        assert!(text.contains("'/nowhere/ca.pem' cannot be read") && !text.contains("needs"), "{text}");
    }
}
