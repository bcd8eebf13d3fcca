//! Which server to ask, and how.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_grpc::{Address, Channel, ChannelOptions, Expected, Role, TlsFiles, TlsSource, Trust, channel};

use crate::Environment;
use crate::arguments::ConnectionArguments;

/// Where a standalone server has its socket, in its data directory.
const SOCKET: &str = "admin.sock";
/// Where standalone servers have their data directories, in the home directory.
const SERVERS: &str = ".openwhisk/standalone";

/// A server that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    address: Address,
    tls: Option<TlsFiles>,
    expected: Expected,
    insecure: bool,
    timeout: Duration,
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.tls.is_some() { format!(" as {}", self.expected) } else { String::new() };
        write!(f, "{}{how}", self.address)
    }
}

/// Flags, then the environment, then what is on this machine.
///
/// # Errors
/// A text for people when there is no server to be found.
pub(crate) fn choose(
    arguments: &ConnectionArguments,
    environment: Environment<'_>,
) -> Result<Connection, String> {
    let address = address(arguments, environment)?;
    Ok(Connection {
        tls: tls_files(arguments, environment)?,
        expected: arguments.expect.clone().map_or(Expected::Role(Role::Controller), Expected::Peer),
        insecure: arguments.insecure_plaintext,
        timeout: arguments.timeout.unwrap_or(Duration::from_secs(30)),
        address,
    })
}

fn address(arguments: &ConnectionArguments, environment: Environment<'_>) -> Result<Address, String> {
    let in_directory = |directory: &Path| Address::Unix(directory.join(SOCKET));
    if let Some(address) = &arguments.endpoint {
        return Ok(address.clone());
    }
    if let Some(directory) = &arguments.data_dir {
        return Ok(in_directory(directory));
    }
    if let Some(text) = set(environment, "OXWHISK_ADMIN_ENDPOINT") {
        let text = text.to_string_lossy();
        return text.parse().map_err(|error| format!("OXWHISK_ADMIN_ENDPOINT: {error}"));
    }
    if let Some(directory) = set(environment, "CONFIG_oxwhisk_dataDir") {
        return Ok(in_directory(Path::new(&directory)));
    }
    let home = set(environment, "HOME")
        .ok_or("HOME is not set, so a server must be named (--endpoint or --data-dir)")?;
    of_this_user(&Path::new(&home).join(SERVERS)).map(Address::Unix)
}

/// The one standalone server that runs for this user.
fn of_this_user(servers: &Path) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(servers).into_iter().flatten().flatten();
    let mut sockets: Vec<PathBuf> =
        entries.map(|entry| entry.path().join(SOCKET)).filter(|path| path.exists()).collect();
    sockets.sort();
    match sockets.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(format!("no server runs in {}: name one (--endpoint or --data-dir)", servers.display())),
        several => {
            let names: Vec<String> =
                several.iter().filter_map(|path| Some(path.parent()?.display().to_string())).collect();
            Err(format!(
                "several servers run, name one of them: --data-dir {}",
                names.join(" or --data-dir ")
            ))
        }
    }
}

fn tls_files(
    arguments: &ConnectionArguments,
    environment: Environment<'_>,
) -> Result<Option<TlsFiles>, String> {
    let path = |flag: &Option<PathBuf>, variable: &str| {
        flag.clone().or_else(|| set(environment, variable).map(PathBuf::from))
    };
    let directory = path(&arguments.tls_dir, "OXWHISK_ADMIN_TLS_DIR").map(|dir| TlsFiles::in_directory(&dir));
    let authority = path(&arguments.tls_ca, "OXWHISK_ADMIN_TLS_CA");
    let certificate = path(&arguments.tls_cert, "OXWHISK_ADMIN_TLS_CERT");
    let key = path(&arguments.tls_key, "OXWHISK_ADMIN_TLS_KEY");
    match (directory, authority, certificate, key) {
        (None, None, None, None) => Ok(None),
        (Some(files), authority, certificate, key) => Ok(Some(TlsFiles {
            authority: authority.unwrap_or(files.authority),
            certificate: certificate.unwrap_or(files.certificate),
            key: key.unwrap_or(files.key),
        })),
        (None, Some(authority), Some(certificate), Some(key)) => {
            Ok(Some(TlsFiles { authority, certificate, key }))
        }
        _ => Err("mutual TLS takes all of --tls-ca, --tls-cert and --tls-key, or --tls-dir".to_owned()),
    }
}

fn set(environment: Environment<'_>, name: &str) -> Option<OsString> {
    environment(name).filter(|value| !value.is_empty())
}

impl Connection {
    /// A channel to it; nothing is connected yet.
    ///
    /// # Errors
    /// A text for people.
    pub(crate) fn open(&self) -> Result<Channel, String> {
        let trust = match &self.tls {
            Some(files) => {
                let tls = Arc::new(TlsSource::open(files.clone()).map_err(|error| error.to_string())?);
                Trust::MutualTls { tls, expected: self.expected.clone() }
            }
            None => Trust::Plaintext { insecure: self.insecure },
        };
        let options = ChannelOptions { request_timeout: Some(self.timeout), ..ChannelOptions::default() };
        channel::connect(self.address.clone(), trust, &options).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn chosen(arguments: &ConnectionArguments, variables: &[(&str, &str)]) -> Result<Connection, String> {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        choose(arguments, &|name| variables.get(name).map(OsString::from))
    }

    fn address(arguments: &ConnectionArguments, variables: &[(&str, &str)]) -> Result<String, String> {
        chosen(arguments, variables).map(|connection| connection.address.to_string())
    }

    #[test]
    fn flags_come_before_the_environment() {
        let none = ConnectionArguments::default();
        let variables = [
            ("OXWHISK_ADMIN_ENDPOINT", "c:1"),
            ("CONFIG_oxwhisk_dataDir", "/data"),
            ("HOME", "/nonexistent"),
        ];
        let given = ConnectionArguments { endpoint: Some("d:2".parse().unwrap()), ..none.clone() };
        assert_eq!(address(&given, &variables).unwrap(), "d:2");
        let given = ConnectionArguments { data_dir: Some("/given".into()), ..none.clone() };
        assert_eq!(address(&given, &variables).unwrap(), "unix:/given/admin.sock");
        assert_eq!(address(&none, &variables).unwrap(), "c:1");
        assert_eq!(address(&none, &variables[1..]).unwrap(), "unix:/data/admin.sock");
        let text =
            "no server runs in /nonexistent/.openwhisk/standalone: name one (--endpoint or --data-dir)";
        assert_eq!(address(&none, &variables[2..]).unwrap_err(), text);
        assert!(address(&none, &[]).unwrap_err().starts_with("HOME is not set"));
        assert!(
            address(&none, &[("OXWHISK_ADMIN_ENDPOINT", "x")])
                .unwrap_err()
                .starts_with("OXWHISK_ADMIN_ENDPOINT:")
        );
    }

    #[test]
    fn the_only_server_of_the_user_is_found() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let variables = [("HOME", home.path().to_str().expect("UTF-8"))];
        let none = ConnectionArguments::default();
        let start = |port: u16| {
            let data = home.path().join(SERVERS).join(format!("server-{port}"));
            std::fs::create_dir_all(&data).expect("writable");
            std::fs::write(data.join(SOCKET), "").expect("writable");
            data
        };
        let first = start(3233);
        assert_eq!(address(&none, &variables).unwrap(), format!("unix:{}/admin.sock", first.display()));
        let second = start(3234);
        let error = address(&none, &variables).unwrap_err();
        assert!(
            error.contains(&format!("--data-dir {} or --data-dir {}", first.display(), second.display())),
            "{error}"
        );
    }

    #[test]
    fn tls_takes_all_three_files() {
        let variables = [("OXWHISK_ADMIN_ENDPOINT", "c:1")];
        let some = ConnectionArguments { tls_ca: Some("a".into()), ..ConnectionArguments::default() };
        assert!(chosen(&some, &variables).unwrap_err().starts_with("mutual TLS takes all"));
        let all = ConnectionArguments { tls_dir: Some("/d".into()), ..some };
        let files = chosen(&all, &variables).unwrap().tls.expect("TLS");
        assert_eq!((files.authority, files.key), ("a".into(), "/d/tls.key".into()));
    }
}
