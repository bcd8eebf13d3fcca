//! A connection on which a test decides every byte, for requests that no client library would send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use oxwhisk_e2e::{Api, Tenant};

/// Longer than the server takes for anything a test asks of it.
const PATIENCE: Duration = Duration::from_secs(100);

pub(crate) struct Wire(TcpStream);

impl Wire {
    pub(crate) fn open(api: &Api) -> Self {
        let url = api.url();
        let authority = url.strip_prefix("http://").expect("an http url");
        let stream = TcpStream::connect(authority).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_nodelay(true).expect("a socket option");
        Self(stream)
    }

    /// Sends bytes; a server that has hung up already may still be heard.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).is_ok()
    }

    /// Reads until `end` has come.
    #[track_caller]
    pub(crate) fn read_until(&mut self, end: &str) -> String {
        let mut got = Vec::new();
        while !String::from_utf8_lossy(&got).contains(end) {
            let mut byte = [0];
            let count = self.0.read(&mut byte).expect("an answer in time");
            assert!(count == 1, "hung up before '{end}', after '{}'", String::from_utf8_lossy(&got));
            got.push(byte[0]);
        }
        String::from_utf8_lossy(&got).into_owned()
    }

    /// Everything until the server hangs up.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> String {
        let mut got = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match self.0.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => got.extend_from_slice(&chunk[..count]),
                // Hung up with bytes unread, which resets the connection; what came before counts.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error} after '{}'", String::from_utf8_lossy(&got)),
            }
        }
        String::from_utf8_lossy(&got).into_owned()
    }
}

/// What the server says to `bytes` until it hangs up.
#[track_caller]
pub(crate) fn exchange(api: &Api, bytes: impl AsRef<[u8]>) -> String {
    let mut wire = Wire::open(api);
    wire.send(bytes);
    wire.read_to_end()
}

/// The head of a request to `/api/v1/namespaces/_/{rest}` with the owner's key, without the empty line that ends it.
pub(crate) fn head(tenant: &Tenant, method: &str, rest: &str) -> String {
    use base64::Engine;
    let credentials = base64::engine::general_purpose::STANDARD.encode(tenant.user().auth());
    format!(
        "{method} /api/v1/namespaces/_/{rest} HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {credentials}\r\n\
         Content-Type: application/json\r\n"
    )
}

/// How many answers are in what the server said; interim ones do not count.
pub(crate) fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count() - text.matches("HTTP/1.1 1").count()
}
