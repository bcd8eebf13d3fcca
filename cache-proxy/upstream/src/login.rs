//! The first words on a connection: who we are, and in which protocol.

use std::io;

use bytes::BytesMut;
use oxwhisk_cache_commands::reply::{MalformedReply, Scanner};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

use crate::stream::Stream;
use crate::{Login, Protocol};

/// Why there is no connection. Its text never has the secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it did not answer in time")]
    TimedOut,
    /// The server's own words, which name no secret.
    #[error("it refuses the login: {0}")]
    Refused(String),
    #[error("{0}")]
    Malformed(#[from] MalformedReply),
}

/// What is read of a refusal.
const LONGEST: usize = 200;

pub(crate) async fn log_in(
    stream: &mut dyn Stream,
    login: &Login,
    protocol: Protocol,
) -> Result<(), ConnectError> {
    stream.write_all(&greeting(login, protocol)).await?;
    stream.flush().await?;
    let (mut buffer, mut scanner) = (BytesMut::new(), Scanner::default());
    let end = loop {
        if let Some(end) = scanner.end(&buffer)? {
            break end;
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    };
    let reply = buffer.split_to(end);
    if reply.starts_with(b"-") {
        let text = String::from_utf8_lossy(&reply[1..reply.len().min(LONGEST)]);
        return Err(ConnectError::Refused(text.trim_end().to_owned()));
    }
    // Nothing was asked for yet.
    if buffer.is_empty() { Ok(()) } else { Err(MalformedReply.into()) }
}

/// One command, so that nothing is done before the login.
fn greeting(login: &Login, protocol: Protocol) -> Zeroizing<Vec<u8>> {
    let version = match protocol {
        Protocol::Resp2 => "2",
        Protocol::Resp3 => "3",
    };
    let mut words = vec!["HELLO", version];
    if let Some(password) = &login.password {
        words.extend(["AUTH", login.user.as_deref().unwrap_or("default"), password.expose_secret()]);
    }
    let length: usize = words.iter().map(|word| word.len() + 32).sum();
    // As large as it gets, so that no part of the secret is left where it grew.
    let mut greeting = Zeroizing::new(Vec::with_capacity(length + 32));
    greeting.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        greeting.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        greeting.extend_from_slice(word.as_bytes());
        greeting.extend_from_slice(b"\r\n");
    }
    greeting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_has_the_login_and_does_not_grow() {
        let login = Login { user: Some("proxy".to_owned()), password: Some("s3cret".into()) };
        let greeting = greeting(&login, Protocol::Resp3);
        let expected = "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$5\r\nproxy\r\n$6\r\ns3cret\r\n";
        assert_eq!(greeting.as_slice(), expected.as_bytes());
        assert!(!format!("{login:?}").contains("s3cret"));
        let bare = super::greeting(&Login::default(), Protocol::Resp2);
        assert_eq!(bare.as_slice(), b"*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n");
    }
}
