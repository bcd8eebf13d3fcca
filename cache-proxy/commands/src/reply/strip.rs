//! Takes the prefix off.

use bytes::{BufMut as _, BytesMut};

use super::frame::{Item, MalformedReply, item};
use crate::rewrite::decimal;
use crate::{Prefix, Prefixes, Replies};

/// A reply of a transaction's, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Of a command that the client has sent.
    Own(Replies),
    /// Of what was added.
    Extra,
}

/// Writes a whole reply as the client is to see it.
///
/// # Errors
/// When it is not what the command replies; nothing of it must be sent then.
pub fn strip(
    replies: Replies,
    reply: &[u8],
    prefixes: &Prefixes,
    out: &mut BytesMut,
) -> Result<(), MalformedReply> {
    let mut copy = Copy { rest: reply, prefixes, out };
    copy.reply(replies)?;
    copy.is_over()
}

/// Writes the reply of `EXEC` without what was added to the transaction.
///
/// # Errors
/// As [`strip`].
pub fn strip_exec(
    elements: &[Element],
    reply: &[u8],
    prefixes: &Prefixes,
    out: &mut BytesMut,
) -> Result<(), MalformedReply> {
    let mut copy = Copy { rest: reply, prefixes, out };
    match copy.peek()? {
        Item::Items(kind, count) => {
            if count != elements.len() {
                return Err(MalformedReply);
            }
            copy.skip_header()?;
            let own = elements.iter().filter(|element| **element != Element::Extra).count();
            copy.header(kind, own);
            for element in elements {
                match element {
                    Element::Own(replies) => copy.reply(*replies)?,
                    Element::Extra => copy.skip()?,
                }
            }
        }
        _ => copy.reply(Replies::Plain)?,
    }
    copy.is_over()
}

/// Writes what a subscription brings: a message, or word of how many subscriptions there are.
///
/// # Errors
/// As [`strip`].
pub fn strip_message(message: &[u8], prefixes: &Prefixes, out: &mut BytesMut) -> Result<(), MalformedReply> {
    let mut copy = Copy { rest: message, prefixes, out };
    let Item::Items(kind, count) = copy.peek()? else { return Err(MalformedReply) };
    copy.skip_header()?;
    copy.header(kind, count);
    let Item::Text(what) = copy.peek()? else { return Err(MalformedReply) };
    let channels = match what {
        b"pmessage" => 2,
        b"message" | b"smessage" | b"subscribe" | b"unsubscribe" | b"psubscribe" | b"punsubscribe"
        | b"ssubscribe" | b"sunsubscribe" => 1,
        _ => return Err(MalformedReply),
    };
    copy.reply(Replies::Plain)?;
    for place in 1..count {
        if place <= channels { copy.name(&prefixes.channels)? } else { copy.reply(Replies::Plain)? }
    }
    copy.is_over()
}

/// Word of a change: the command that brought it about, and how many subscriptions there are now. `None` for what is published.
///
/// # Errors
/// When it is neither.
pub fn subscription(message: &[u8]) -> Result<Option<(&[u8], u64)>, MalformedReply> {
    let Some((Item::Items(_, count), header)) = item(message)? else { return Err(MalformedReply) };
    let rest = message.get(header..).unwrap_or_default();
    let Some((Item::Text(what), length)) = item(rest)? else { return Err(MalformedReply) };
    if count != 3 || !what.ends_with(b"subscribe") {
        return Ok(None);
    }
    let rest = rest.get(length..).unwrap_or_default();
    let (_, channel) = item(rest)?.ok_or(MalformedReply)?;
    let rest = rest.get(channel..).unwrap_or_default();
    let number = rest.strip_prefix(b":").and_then(|number| number.strip_suffix(b"\r\n"));
    let count = number.and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
    count.map(|count| Some((what, count))).ok_or(MalformedReply)
}

/// The strings of a reply, in order and however deep.
///
/// # Errors
/// When it is no whole reply.
pub fn texts(reply: &[u8]) -> Result<Vec<&[u8]>, MalformedReply> {
    let (mut texts, mut rest) = (Vec::new(), reply);
    while !rest.is_empty() {
        let (item, length) = item(rest)?.ok_or(MalformedReply)?;
        if let Item::Text(text) = item {
            texts.push(text);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(texts)
}

struct Copy<'a> {
    rest: &'a [u8],
    prefixes: &'a Prefixes,
    out: &'a mut BytesMut,
}

impl<'a> Copy<'a> {
    fn peek(&self) -> Result<Item<'a>, MalformedReply> {
        item(self.rest)?.map(|(item, _)| item).ok_or(MalformedReply)
    }

    fn take(&mut self) -> Result<(Item<'a>, &'a [u8]), MalformedReply> {
        let (item, length) = item(self.rest)?.ok_or(MalformedReply)?;
        let (own, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok((item, own))
    }

    fn skip_header(&mut self) -> Result<(), MalformedReply> {
        self.take().map(drop)
    }

    fn is_over(&self) -> Result<(), MalformedReply> {
        if self.rest.is_empty() { Ok(()) } else { Err(MalformedReply) }
    }

    fn header(&mut self, kind: u8, items: usize) {
        self.out.put_u8(kind);
        decimal(self.out, if kind == b'%' { items / 2 } else { items });
        self.out.put_slice(b"\r\n");
    }

    fn reply(&mut self, replies: Replies) -> Result<(), MalformedReply> {
        match (replies, self.peek()?) {
            (_, Item::Error(_)) => self.error(),
            (Replies::Plain, _) | (_, Item::Other | Item::Text(_)) => self.plain(),
            (Replies::KeyFirst, Item::Items(kind, count)) => {
                self.open(kind, count)?;
                self.name(&self.prefixes.keys)?;
                self.plains(count - 1)
            }
            (Replies::Scan, Item::Items(kind, 2)) => {
                self.open(kind, 2)?;
                self.plain()?;
                self.names(1, &self.prefixes.keys)
            }
            (Replies::Channels, Item::Items(..)) => self.names(1, &self.prefixes.channels),
            (Replies::ChannelNumbers, Item::Items(..)) => self.names(2, &self.prefixes.channels),
            (Replies::ByStream, Item::Items(b'%', count)) => {
                self.open(b'%', count)?;
                (0..count / 2).try_for_each(|_| {
                    self.name(&self.prefixes.keys)?;
                    self.plain()
                })
            }
            (Replies::ByStream, Item::Items(kind, count)) => {
                self.open(kind, count)?;
                (0..count).try_for_each(|_| self.reply(Replies::KeyFirst))
            }
            (Replies::Scan, Item::Items(..)) => Err(MalformedReply),
        }
    }

    /// The header of something that has items.
    fn open(&mut self, kind: u8, count: usize) -> Result<(), MalformedReply> {
        if count == 0 {
            return Err(MalformedReply);
        }
        self.skip_header()?;
        self.header(kind, count);
        Ok(())
    }

    /// Names in a list, of which every so many-th item is one.
    fn names(&mut self, every: usize, prefix: &Prefix) -> Result<(), MalformedReply> {
        let Item::Items(kind, count) = self.peek()? else { return Err(MalformedReply) };
        self.skip_header()?;
        self.header(kind, count);
        (0..count).try_for_each(|place| if place % every == 0 { self.name(prefix) } else { self.plain() })
    }

    /// A key or channel. What stands here without the prefix is nobody's to see.
    fn name(&mut self, prefix: &Prefix) -> Result<(), MalformedReply> {
        match self.take()? {
            (Item::Text(name), _) => {
                let name = name.strip_prefix(prefix.as_bytes()).ok_or(MalformedReply)?;
                self.out.put_u8(b'$');
                decimal(self.out, name.len());
                self.out.put_slice(b"\r\n");
                self.out.put_slice(name);
                self.out.put_slice(b"\r\n");
                Ok(())
            }
            // Whoever ends all subscriptions and has none.
            (Item::Other, null) => {
                self.out.put_slice(null);
                Ok(())
            }
            _ => Err(MalformedReply),
        }
    }

    /// Errors may name keys.
    fn error(&mut self) -> Result<(), MalformedReply> {
        let (Item::Error(text), own) = self.take()? else { return Err(MalformedReply) };
        let prefix = self.prefixes.keys.as_bytes();
        if !text.windows(Prefix::LENGTH).any(|part| part == prefix) {
            self.out.put_slice(own);
            return Ok(());
        }
        let mut shown = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.first() {
            match rest.strip_prefix(prefix) {
                Some(after) => rest = after,
                None => {
                    shown.push(*first);
                    rest = &rest[1..];
                }
            }
        }
        if own.starts_with(b"!") {
            self.out.put_u8(b'!');
            decimal(self.out, shown.len());
            self.out.put_slice(b"\r\n");
        } else {
            self.out.put_u8(b'-');
        }
        self.out.put_slice(&shown);
        self.out.put_slice(b"\r\n");
        Ok(())
    }

    fn plains(&mut self, count: usize) -> Result<(), MalformedReply> {
        (0..count).try_for_each(|_| self.plain())
    }

    /// As it is, but for errors in it.
    fn plain(&mut self) -> Result<(), MalformedReply> {
        let mut open = 1usize;
        while open > 0 {
            if let Item::Error(_) = self.peek()? {
                self.error()?;
                open -= 1;
                continue;
            }
            let (item, own) = self.take()?;
            self.out.put_slice(own);
            open -= 1;
            if let Item::Items(_, count) = item {
                open = open.checked_add(count).ok_or(MalformedReply)?;
            }
        }
        Ok(())
    }

    fn skip(&mut self) -> Result<(), MalformedReply> {
        let mut open = 1usize;
        while open > 0 {
            open -= 1;
            if let (Item::Items(_, count), _) = self.take()? {
                open = open.checked_add(count).ok_or(MalformedReply)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `~` is the prefix, `|` the end of a line.
    fn raw(text: &str, prefix: &Prefix) -> Vec<u8> {
        let prefix = std::str::from_utf8(prefix.as_bytes()).unwrap();
        text.replace('~', prefix).replace('|', "\r\n").into_bytes()
    }

    fn shown(
        with: impl Fn(&[u8], &Prefixes, &mut BytesMut) -> Result<(), MalformedReply>,
        text: &str,
    ) -> Option<String> {
        let prefix = Prefix::of_hash([7; 16]);
        let mut out = BytesMut::new();
        with(&raw(text, &prefix), &Prefixes::alike(prefix), &mut out).ok()?;
        Some(String::from_utf8_lossy(&out).replace("\r\n", "|"))
    }

    fn stripped(replies: Replies, text: &str) -> Option<String> {
        shown(|reply, prefix, out| strip(replies, reply, prefix, out), text)
    }

    #[test]
    fn keys_are_found_where_a_reply_has_them() {
        for (replies, text, expected) in [
            (Replies::Plain, "$25|~k|", "$25|~k|"),
            (Replies::KeyFirst, "*2|$25|~k|$25|~v|", "*2|$1|k|$25|~v|"),
            (Replies::KeyFirst, "*-1|", "*-1|"),
            (Replies::KeyFirst, "_|", "_|"),
            (Replies::Scan, "*2|$1|0|*2|$25|~a|$24|~|", "*2|$1|0|*2|$1|a|$0||"),
            (Replies::Scan, "*2|$1|7|*0|", "*2|$1|7|*0|"),
            (Replies::ByStream, "*1|*2|$25|~s|*1|*2|$3|1-1|*0|", "*1|*2|$1|s|*1|*2|$3|1-1|*0|"),
            (Replies::ByStream, "%1|$25|~s|*1|*2|$3|1-1|*0|", "%1|$1|s|*1|*2|$3|1-1|*0|"),
            (Replies::Channels, "*1|$25|~c|", "*1|$1|c|"),
            (Replies::ChannelNumbers, "*4|$25|~c|:1|$25|~d|:0|", "*4|$1|c|:1|$1|d|:0|"),
            (Replies::ByStream, "-NOGROUP No such key '~k' or group|", "-NOGROUP No such key 'k' or group|"),
            (Replies::Plain, "!27|ERR '~|", "!27|ERR '~|"),
        ] {
            let expected =
                expected.replace('~', std::str::from_utf8(Prefix::of_hash([7; 16]).as_bytes()).unwrap());
            let got = stripped(replies, text);
            if text.starts_with('!') {
                assert_eq!(got, None, "its length is wrong");
            } else {
                assert_eq!(got.as_deref(), Some(expected.as_str()), "{replies:?} {text}");
            }
        }
        assert_eq!(stripped(Replies::Plain, "!29|ERR '~'|").as_deref(), None);
        assert_eq!(stripped(Replies::Plain, "!30|ERR '~'|").unwrap(), "!6|ERR ''|");
    }

    #[test]
    fn what_has_no_prefix_is_not_shown() {
        assert_eq!(stripped(Replies::Scan, "*2|$1|0|*1|$1|a|"), None);
        assert_eq!(stripped(Replies::KeyFirst, "*2|$1|a|$1|b|"), None);
        assert_eq!(stripped(Replies::Scan, "*3|$1|0|*0|*0|"), None);
        assert_eq!(stripped(Replies::Plain, "+OK|+OK|"), None, "two");
    }

    #[test]
    fn a_transaction_shows_what_the_client_asked_for() {
        let elements = [
            Element::Own(Replies::Plain),
            Element::Extra,
            Element::Own(Replies::KeyFirst),
            Element::Own(Replies::Plain),
            Element::Extra,
        ];
        let exec = |text: &str| shown(|reply, prefix, out| strip_exec(&elements, reply, prefix, out), text);
        let reply = "*5|+OK|:1|*2|$25|~k|+v|-ERR ~k|:0|";
        assert_eq!(exec(reply).unwrap(), "*3|+OK|*2|$1|k|+v|-ERR k|");
        assert_eq!(exec("*-1|").unwrap(), "*-1|");
        assert_eq!(exec("-EXECABORT no|").unwrap(), "-EXECABORT no|");
        assert_eq!(exec("*4|+OK|:1|+a|:1|"), None);
    }

    #[test]
    fn messages_lose_the_prefix_and_keep_what_they_bring() {
        let message = |text: &str| shown(strip_message, text);
        assert_eq!(message("*3|$7|message|$25|~c|$25|~x|").unwrap().matches("$25|").count(), 1);
        assert_eq!(message(">4|+pmessage|$26|~c*|$26|~cc|$1|x|").unwrap(), ">4|+pmessage|$2|c*|$2|cc|$1|x|");
        assert_eq!(message("*3|$9|subscribe|$25|~c|:1|").unwrap(), "*3|$9|subscribe|$1|c|:1|");
        assert_eq!(message("*3|$11|unsubscribe|$-1|:0|").unwrap(), "*3|$11|unsubscribe|$-1|:0|");
        assert_eq!(message(">2|+invalidate|*1|$25|~k|"), None);
        assert_eq!(message("*3|$7|message|$1|c|$1|x|"), None);
    }

    #[test]
    fn changes_of_subscriptions_say_how_many_there_are() {
        let told = |text: &str| {
            let raw = raw(text, &Prefix::of_hash([7; 16]));
            subscription(&raw).map(|told| told.map(|(what, count)| (what.to_vec(), count)))
        };
        assert_eq!(told("*3|$9|subscribe|$25|~c|:12|"), Ok(Some((b"subscribe".to_vec(), 12))));
        assert_eq!(told(">3|$12|punsubscribe|_|:0|"), Ok(Some((b"punsubscribe".to_vec(), 0))));
        assert_eq!(told("*3|$7|message|$25|~c|$9|subscribe|"), Ok(None));
        assert!(told("+OK|").is_err() && told("*3|$9|subscribe|$25|~c|$1|x|").is_err());
    }

    #[test]
    fn strings_are_found_however_deep() {
        let reply = b"*2\r\n$1\r\n0\r\n*3\r\n$1\r\na\r\n:1\r\n+b\r\n";
        assert_eq!(texts(reply).unwrap(), [&b"0"[..], b"a", b"b"]);
        assert!(texts(&reply[..20]).is_err());
    }
}
