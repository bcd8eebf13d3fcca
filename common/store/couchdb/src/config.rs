//! Where the databases are, and how they are used.

mod read;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

/// Connection, databases and bounds. The defaults are OpenWhisk's where it has them.
#[derive(Clone, Debug)]
pub struct CouchConfig {
    pub protocol: Protocol,
    pub host: String,
    pub port: u16,
    /// `None` sends no credentials.
    pub username: Option<String>,
    pub password: Option<SecretString>,
    pub databases: Databases,
    /// PEM file of the authority that signed the server's certificate; `None` trusts the system's authorities.
    pub certificate_authority: Option<PathBuf>,
    /// Databases that are not there are made. Otherwise that is an error: an empty database in place of a mistyped
    /// one would look like lost data.
    pub create: bool,
    /// How up to date lists and counts of activations are.
    pub activation_lists: Lists,
    /// Requests under way at the same time, and connections kept, at most.
    pub max_connections: usize,
    /// Longest wait for the answer to one request.
    pub request_timeout: Duration,
    /// Longest wait for a view that may have to be built first, and for code to be sent or read.
    pub slow_request_timeout: Duration,
    pub connect_timeout: Duration,
    pub retries: Retries,
    /// Records in one request, at most.
    pub max_bulk_records: usize,
    /// Bytes of one request with records. A request with a single record may be larger.
    pub max_bulk_bytes: usize,
    /// Bytes of one document, as the server's `couchdb/max_document_size`: 8 000 000 since CouchDB 3.0.
    pub max_document_bytes: usize,
    /// Code smaller than this many bytes is kept in the document itself, as OpenWhisk's `whisk.db.max-inline-size`.
    pub max_inline_bytes: usize,
    /// Bytes of code that wait for their documents to be written, at most; beyond that code is not taken.
    pub max_staged_bytes: usize,
    /// Bytes of one answer, at most.
    pub max_answer_bytes: usize,
}

impl Default for CouchConfig {
    fn default() -> Self {
        Self {
            protocol: Protocol::Http,
            host: "localhost".to_owned(),
            port: 5984,
            username: None,
            password: None,
            databases: Databases::with_prefix("whisk_local_"),
            certificate_authority: None,
            create: false,
            activation_lists: Lists::Lagging,
            max_connections: 64,
            request_timeout: Duration::from_secs(10),
            slow_request_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            retries: Retries::default(),
            max_bulk_records: 500,
            max_bulk_bytes: 8 * 1024 * 1024,
            max_document_bytes: 8_000_000,
            max_inline_bytes: 16 * 1024,
            max_staged_bytes: 256 * 1024 * 1024,
            max_answer_bytes: 256 * 1024 * 1024,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Https,
}

impl Protocol {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => Err(format!("'{text}' is neither 'http' nor 'https'")),
        }
    }
}

/// Names of the databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Databases {
    /// Actions, triggers, rules and packages (OpenWhisk: `WhiskEntity`).
    pub entities: String,
    /// Records (`WhiskActivation`).
    pub activations: String,
    /// Subjects and limits (`WhiskAuth`).
    pub subjects: String,
}

impl Databases {
    /// As OpenWhisk's deployment names them: `<prefix>whisks`, `<prefix>activations`, `<prefix>subjects`.
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        let name = |what: &str| format!("{prefix}{what}");
        Self { entities: name("whisks"), activations: name("activations"), subjects: name("subjects") }
    }
}

/// How lists and counts of activations are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// At once, from an index that is brought up to date afterwards: `stale=update_after`, as OpenWhisk does.
    Lagging,
    /// With all records that are in the database, however long the index takes.
    UpToDate,
}

/// Requests that fail and may succeed later are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Times a request is sent, at most; 1 never sends one again.
    pub attempts: u32,
    /// Longest time until a request is given up, its retries and pauses included.
    pub time: Duration,
    /// Pause before the first retry, half of it to all of it by chance; it doubles with each.
    pub first_pause: Duration,
    pub longest_pause: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 4,
            time: Duration::from_secs(30),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
        }
    }
}

/// Why a text is no address of a CouchDB.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{url}' is no address of a CouchDB: {reason}")]
pub struct UrlError {
    /// Without credentials.
    url: String,
    reason: &'static str,
}

impl CouchConfig {
    /// The defaults, with the server that `url` names: `http://host:port`. Credentials do not belong in it.
    ///
    /// # Errors
    /// When it is no such URL.
    pub fn at(url: &str) -> Result<Self, UrlError> {
        let error = |reason| UrlError { url: url.to_owned(), reason };
        let (protocol, rest) = url.split_once("://").ok_or_else(|| error("it has no protocol"))?;
        if rest.contains('@') {
            return Err(UrlError { url: format!("{protocol}://..."), reason: "it has credentials in it" });
        }
        let protocol: Protocol = protocol.parse().map_err(|_| error("it is neither http nor https"))?;
        let rest = rest.trim_end_matches('/');
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| error("it has no port"))?;
        let port = port.parse().map_err(|_| error("its port is no number from 0 to 65535"))?;
        if host.is_empty() || host.contains('/') {
            return Err(error("it has no host"));
        }
        Ok(Self { protocol, host: host.to_owned(), port, ..Self::default() })
    }

    /// The server, for messages: without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}:{}", self.protocol, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_shown() {
        for url in ["http://127.0.0.1:5984", "https://couch.example:6984"] {
            assert_eq!(CouchConfig::at(url).unwrap().url(), url);
        }
        assert_eq!(CouchConfig::at("http://h:1/").unwrap().url(), "http://h:1");
        for (url, reason) in [
            ("127.0.0.1:5984", "no protocol"),
            ("ftp://h:1", "neither http nor https"),
            ("http://h", "no port"),
            ("http://h:x", "no number"),
            ("http://:1", "no host"),
        ] {
            let error = CouchConfig::at(url).unwrap_err().to_string();
            assert!(error.contains(url) && error.contains(reason), "{error}");
        }
        let error = CouchConfig::at("http://me:secret@h:1").unwrap_err().to_string();
        assert!(error.contains("credentials") && !error.contains("secret"), "{error}");
    }
}
