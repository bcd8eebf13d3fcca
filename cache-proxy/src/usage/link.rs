//! A connection to the server for what is done in the background.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use oxwhisk_cache_commands::Request;
use oxwhisk_cache_upstream::{Dedicated, Private, UpstreamError};

/// Why a sweep ends. It begins anew.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
    /// In the server's words.
    #[error("it replies '{0}'")]
    Refused(String),
    #[error("another proxy sweeps it")]
    LostLease,
}

/// What is sent at once.
#[derive(Debug, Default)]
pub(super) struct Requests {
    bytes: BytesMut,
    count: usize,
}

impl Requests {
    pub(super) fn one(words: &[&[u8]]) -> Self {
        let mut requests = Self::default();
        requests.push(words);
        requests
    }

    pub(super) fn push(&mut self, words: &[&[u8]]) {
        Request::write(words, &mut self.bytes);
        self.count += 1;
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn freeze(self) -> Bytes {
        self.bytes.freeze()
    }
}

/// One at a time asks.
#[derive(Debug)]
pub(super) struct Link {
    private: Private,
    timeout: Duration,
}

impl Link {
    pub(super) async fn connect(server: &Dedicated, timeout: Duration) -> Result<Self, Failed> {
        Ok(Self { private: server.acquire().await?, timeout })
    }

    /// The reply to each.
    pub(super) async fn ask(&mut self, requests: &Requests) -> Result<Vec<Bytes>, Failed> {
        let exchange = async {
            self.private.send(&requests.bytes, requests.count).await?;
            let mut replies = Vec::with_capacity(requests.count);
            for _ in 0..requests.count {
                replies.push(self.private.receive().await?);
            }
            Ok(replies)
        };
        tokio::time::timeout(self.timeout, exchange).await.unwrap_or(Err(UpstreamError::TimedOut.into()))
    }

    /// The reply to one request, which is no error.
    pub(super) async fn ask_one(&mut self, words: &[&[u8]]) -> Result<Bytes, Failed> {
        let replies = self.ask(&Requests::one(words)).await?;
        let reply = replies.into_iter().next().unwrap_or_default();
        check(&reply)?;
        Ok(reply)
    }
}

/// # Errors
/// When the reply is one.
pub(super) fn check(reply: &[u8]) -> Result<(), Failed> {
    match reply.strip_prefix(b"-") {
        Some(text) => {
            let text = String::from_utf8_lossy(text.get(..200).unwrap_or(text));
            Err(Failed::Refused(text.trim_end().to_owned()))
        }
        None => Ok(()),
    }
}

/// The number that is a whole reply; `None`: it is something else.
pub(super) fn number(reply: &[u8]) -> Option<i64> {
    std::str::from_utf8(reply.strip_prefix(b":")?).ok()?.trim_end().parse().ok()
}

/// The string that is a whole reply; `None`: it is something else.
pub(super) fn text(reply: &[u8]) -> Option<&[u8]> {
    let rest = reply.strip_prefix(b"$")?;
    let start = rest.iter().position(|byte| *byte == b'\n')? + 1;
    rest.get(start..rest.len().checked_sub(2)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read() {
        assert_eq!((number(b":-2\r\n"), number(b"$-1\r\n"), number(b"-ERR x\r\n")), (Some(-2), None, None));
        assert_eq!(
            (text(b"$2\r\n12\r\n"), text(b"$-1\r\n"), text(b"$0\r\n\r\n")),
            (Some(&b"12"[..]), None, Some(&b""[..]))
        );
        assert!(check(b"-NOPERM no\r\n").is_err_and(|failed| failed.to_string() == "it replies 'NOPERM no'"));
        assert!(check(b"+OK\r\n").is_ok());
    }
}
