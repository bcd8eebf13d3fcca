//! Requests of one client that go to the server together, and the replies to them in order.

use std::num::NonZeroUsize;

use bytes::{BufMut as _, Bytes, BytesMut};
use oxwhisk_cache_commands::reply::strip;
use oxwhisk_cache_commands::{Plan, Prefixes, Replies, Request, rewrite};
use oxwhisk_cache_upstream as upstream;

/// Requests and bytes after which a batch goes off.
const MOST: usize = 512;
const LARGE: usize = 256 << 10;

/// What the client is to get next.
#[derive(Clone, Copy, Debug)]
enum Awaited {
    /// So many bytes that are there.
    Local(usize),
    /// The server's reply, and so many behind it that are nobody's.
    Forwarded { replies: Replies, extra: usize },
}

#[derive(Debug, Default)]
pub(super) struct Batch {
    requests: BytesMut,
    replies: usize,
    awaited: Vec<Awaited>,
    local: BytesMut,
    /// Of what was forwarded.
    prefixes: Option<Prefixes>,
}

impl Batch {
    pub(super) const fn is_empty(&self) -> bool {
        self.awaited.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.awaited.len() >= MOST || self.requests.len() >= LARGE
    }

    /// A request that was planned for.
    pub(super) fn forward(
        &mut self,
        (request, buffer): (&Request, &[u8]),
        plan: &Plan,
        replies: Replies,
        prefixes: &Prefixes,
        seconds: u32,
    ) {
        rewrite(request, buffer, plan, prefixes, seconds, &mut self.requests);
        let extra = plan.extra_replies();
        self.replies += 1 + extra;
        self.prefixes = Some(*prefixes);
        self.awaited.push(Awaited::Forwarded { replies, extra });
    }

    /// What `write` writes is the next reply. Says what `write` says.
    pub(super) fn answer<T>(&mut self, write: impl FnOnce(&mut BytesMut) -> T) -> T {
        let before = self.local.len();
        let said = write(&mut self.local);
        let written = self.local.len() - before;
        if written > 0 {
            self.awaited.push(Awaited::Local(written));
        }
        said
    }

    pub(super) fn error(&mut self, text: &dyn std::fmt::Display) {
        self.answer(|out| error(text, out));
    }

    /// What goes to the server, and how many replies to it there will be; `None`: it has nothing to do with this.
    pub(super) fn take_requests(&mut self) -> Option<(Bytes, NonZeroUsize)> {
        let replies = NonZeroUsize::new(std::mem::take(&mut self.replies))?;
        Some((self.requests.split().freeze(), replies))
    }

    /// Writes what the client is to see, and is empty again.
    pub(super) fn finish(
        &mut self,
        replied: Option<Result<upstream::Replies, upstream::UpstreamError>>,
        out: &mut BytesMut,
    ) {
        let local = self.local.split();
        let mut local = &local[..];
        let mut replies = replied.as_ref().map(|replied| replied.as_ref().map(each));
        let prefixes = self.prefixes.take();
        for awaited in self.awaited.drain(..) {
            match (awaited, &mut replies, &prefixes) {
                (Awaited::Local(length), ..) => {
                    let (own, rest) = local.split_at(length);
                    out.put_slice(own);
                    local = rest;
                }
                (Awaited::Forwarded { replies, extra }, Some(Ok(each)), Some(prefixes)) => {
                    show(replies, each.next().unwrap_or_default(), prefixes, out);
                    for _ in 0..extra {
                        each.next();
                    }
                }
                (Awaited::Forwarded { .. }, Some(Err(away)), _) => error(&format_args!("ERR {away}"), out),
                (Awaited::Forwarded { .. }, ..) => error(&"ERR it was not sent", out),
            }
        }
        if self.local.capacity() > LARGE || self.awaited.capacity() > MOST * 2 {
            *self = Self::default();
        }
    }
}

/// One reply after the other.
fn each(replies: &upstream::Replies) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    replies.ends.iter().map(move |end| {
        let reply = replies.bytes.get(start..*end).unwrap_or_default();
        start = *end;
        reply
    })
}

/// Nothing of a reply that is not what the command replies is shown.
fn show(replies: Replies, reply: &[u8], prefixes: &Prefixes, out: &mut BytesMut) {
    let before = out.len();
    if let Err(malformed) = strip(replies, reply, prefixes, out) {
        out.truncate(before);
        error(&format_args!("ERR {malformed}"), out);
    }
}

/// An error in Redis's manner.
pub(super) fn error(text: &dyn std::fmt::Display, out: &mut BytesMut) {
    use std::fmt::Write as _;
    out.put_u8(b'-');
    // Writing to a buffer in memory cannot fail.
    let _ = write!(out, "{text}");
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use oxwhisk_cache_commands::{Asked, Bounds, Prefix, plan};

    use super::*;

    fn forward(batch: &mut Batch, words: &[&str]) {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let (mut buffer, mut request, mut planned) = (BytesMut::new(), Request::default(), Plan::default());
        Request::write(&words, &mut buffer);
        request.read(&buffer, &Bounds::default()).unwrap();
        let Ok(Asked::Forward { replies, .. }) = plan(&request, &buffer, &mut planned) else { panic!() };
        batch.forward((&request, &buffer), &planned, replies, &prefixes(), 60);
    }

    fn prefixes() -> Prefixes {
        Prefixes::alike(Prefix::of_hash([1; 16]))
    }

    fn replies(each: &[&str]) -> upstream::Replies {
        let mut ends = Vec::new();
        let mut bytes = BytesMut::new();
        for reply in each {
            bytes.put_slice(reply.as_bytes());
            ends.push(bytes.len());
        }
        upstream::Replies { bytes: bytes.freeze(), ends }
    }

    #[test]
    fn replies_come_in_the_order_of_requests() {
        let mut batch = Batch::default();
        batch.answer(|out| out.put_slice(b"+first\r\n"));
        forward(&mut batch, &["MSET", "a", "1", "b", "2"]);
        batch.error(&"ERR third");
        forward(&mut batch, &["GET", "a"]);
        let (_, awaited) = batch.take_requests().unwrap();
        assert_eq!(awaited.get(), 4, "MSET gives both keys an expiry");
        let mut out = BytesMut::new();
        let replied = replies(&["+OK\r\n", ":1\r\n", ":1\r\n", "$1\r\n1\r\n"]);
        batch.finish(Some(Ok(replied)), &mut out);
        assert_eq!(&out[..], b"+first\r\n+OK\r\n-ERR third\r\n$1\r\n1\r\n");
        assert!(batch.is_empty());
    }

    #[test]
    fn a_server_that_is_away_answers_nothing_that_was_answered_here() {
        let mut batch = Batch::default();
        forward(&mut batch, &["GET", "a"]);
        batch.answer(|out| out.put_slice(b"+PONG\r\n"));
        batch.take_requests();
        let mut out = BytesMut::new();
        batch.finish(Some(Err(upstream::UpstreamError::Away)), &mut out);
        assert_eq!(&out[..], b"-ERR the cache's server is away\r\n+PONG\r\n");
    }

    #[test]
    fn a_reply_with_names_of_others_is_not_shown() {
        let mut batch = Batch::default();
        forward(&mut batch, &["SCAN", "0"]);
        forward(&mut batch, &["GET", "a"]);
        batch.take_requests();
        let mut out = BytesMut::new();
        let replied = replies(&["*2\r\n$1\r\n0\r\n*1\r\n$6\r\nothers\r\n", "$1\r\n1\r\n"]);
        batch.finish(Some(Ok(replied)), &mut out);
        assert_eq!(&out[..], b"-ERR a reply cannot be understood\r\n$1\r\n1\r\n");
    }
}
