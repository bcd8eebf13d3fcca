//! What the image or the sandbox tells the proxy by its environment.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use crate::protocol::Protocol;

/// The variable that names the listener; actions never see it.
pub(crate) const LISTEN: &str = "OW_LISTEN";
const PROTOCOL: &str = "OW_ACTION_PROTOCOL";
const START_GRACE: &str = "OW_START_GRACE_MS";
const DEFAULT_LISTEN: &str = "0.0.0.0:8080";
/// As long as OpenWhisk's own proxy watches a fresh ActionLoop process for an early exit.
const DEFAULT_START_GRACE: Duration = Duration::from_millis(5);

/// Where the proxy listens: `unix:/path/to.sock` or `tcp:HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A unix socket; a stale socket file at that path is replaced.
    Unix(PathBuf),
    /// A TCP address as `HOST:PORT`.
    Tcp(String),
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// The listener is neither `unix:PATH` nor `tcp:HOST:PORT`.
    #[error("OW_LISTEN is {0:?}, expected unix:/path/to.sock or tcp:HOST:PORT")]
    Listen(String),
    /// The action protocol is not one of the three.
    #[error("OW_ACTION_PROTOCOL is {0:?}, expected auto, actionloop or skeleton")]
    Protocol(String),
    /// The start grace is no number of milliseconds.
    #[error("OW_START_GRACE_MS is {0:?}, expected a number of milliseconds")]
    StartGrace(String),
}

impl FromStr for Listen {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || SettingsError::Listen(text.to_owned());
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(PathBuf::from(path))),
            Some(("tcp", address)) if address.rsplit_once(':').is_some_and(is_host_and_port) => {
                Ok(Self::Tcp(address.to_owned()))
            }
            _ => Err(bad()),
        }
    }
}

fn is_host_and_port((host, port): (&str, &str)) -> bool {
    !host.is_empty() && port.parse::<u16>().is_ok()
}

/// Everything the proxy reads from its environment, read once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `OW_LISTEN`, by default `tcp:0.0.0.0:8080`.
    pub listen: Listen,
    /// `OW_WAIT_FOR_ACK`: a fresh ActionLoop process says `{"ok":true}` on descriptor 3 before `/init` is answered.
    pub wait_for_ack: bool,
    /// `OW_EXECUTION_ENV`: an archive's `exec.env` must start with this.
    pub execution_env: Option<String>,
    /// `OW_LOG_INIT_ERROR`: the reason of a failed start goes to the log instead of the response.
    pub log_init_error: bool,
    /// `OW_ACTION_PROTOCOL`: overrides the detection; none for `auto`.
    pub protocol: Option<Protocol>,
    /// `OW_START_GRACE_MS`: how long a declared ActionLoop process is watched for an early exit when no ack is awaited.
    pub start_grace: Duration,
    /// Where actions are unpacked: `TMPDIR`, by default `/tmp`.
    pub temp_dir: PathBuf,
    /// The environment that actions inherit.
    pub inherited_env: Vec<(OsString, OsString)>,
}

impl Settings {
    /// Reads the settings from the process environment.
    ///
    /// # Errors
    /// A [`SettingsError`] that names the first variable that cannot be used.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_vars(env::vars_os().collect())
    }

    /// Reads the settings from the given variables.
    ///
    /// # Errors
    /// As [`Settings::from_env`].
    pub fn from_vars(vars: Vec<(OsString, OsString)>) -> Result<Self, SettingsError> {
        let text = |name: &str| {
            let value = vars.iter().find(|(key, _)| key == name).map(|(_, value)| value);
            value.map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
        };
        let listen = match text(LISTEN) {
            Some(listen) => listen.parse()?,
            None => Listen::Tcp(DEFAULT_LISTEN.to_owned()),
        };
        let protocol = match text(PROTOCOL) {
            Some(name) => Protocol::parse_override(&name).ok_or(SettingsError::Protocol(name))?,
            None => None,
        };
        let start_grace = match text(START_GRACE) {
            Some(ms) => Duration::from_millis(ms.parse().map_err(|_| SettingsError::StartGrace(ms))?),
            None => DEFAULT_START_GRACE,
        };
        let temp_dir = text("TMPDIR").map_or_else(|| Path::new("/tmp").to_path_buf(), PathBuf::from);
        let (wait_for_ack, execution_env) = (text("OW_WAIT_FOR_ACK").is_some(), text("OW_EXECUTION_ENV"));
        let log_init_error = text("OW_LOG_INIT_ERROR").is_some();
        let mut inherited_env: Vec<_> = vars.into_iter().filter(|(key, _)| key != LISTEN).collect();
        inherited_env.push(("__OW_PROXY_VERSION".into(), env!("CARGO_PKG_VERSION").into()));
        if wait_for_ack {
            inherited_env.push(("__OW_WAIT_FOR_ACK".into(), "1".into()));
        }
        if let Some(execution_env) = &execution_env {
            inherited_env.push(("__OW_EXECUTION_ENV".into(), execution_env.into()));
        }
        Ok(Self {
            listen,
            wait_for_ack,
            execution_env,
            log_init_error,
            protocol,
            start_grace,
            temp_dir,
            inherited_env,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_vars(vars.iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    #[test]
    fn listener_is_unix_or_tcp() {
        assert_eq!("unix:/a/b.sock".parse(), Ok(Listen::Unix("/a/b.sock".into())));
        assert_eq!("tcp:127.0.0.1:80".parse(), Ok(Listen::Tcp("127.0.0.1:80".to_owned())));
        assert_eq!("tcp:[::1]:80".parse(), Ok(Listen::Tcp("[::1]:80".to_owned())));
        for bad in ["", "unix:", "tcp:80", "tcp:host:", "tcp::80", "tcp:host:99999", "/a/b.sock"] {
            assert_eq!(bad.parse::<Listen>(), Err(SettingsError::Listen(bad.to_owned())));
        }
    }

    #[test]
    fn actions_inherit_all_but_the_listener() {
        let settings =
            settings(&[("OW_LISTEN", "unix:/s"), ("PATH", "/bin"), ("OW_WAIT_FOR_ACK", "1")]).unwrap();
        let names: Vec<_> = settings.inherited_env.iter().map(|(key, _)| key.to_str().unwrap()).collect();
        assert_eq!(names, ["PATH", "OW_WAIT_FOR_ACK", "__OW_PROXY_VERSION", "__OW_WAIT_FOR_ACK"]);
        assert!(settings.wait_for_ack);
    }

    #[test]
    fn bad_settings_name_their_variable() {
        assert_eq!(
            settings(&[("OW_ACTION_PROTOCOL", "x")]).unwrap_err(),
            SettingsError::Protocol("x".to_owned())
        );
        assert_eq!(
            settings(&[("OW_START_GRACE_MS", "-1")]).unwrap_err(),
            SettingsError::StartGrace("-1".to_owned())
        );
        assert_eq!(settings(&[]).unwrap().listen, Listen::Tcp("0.0.0.0:8080".to_owned()));
    }
}
