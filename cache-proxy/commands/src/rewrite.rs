//! A request as it goes to Redis.

use bytes::{BufMut as _, BytesMut};

use crate::keys::LARGEST_COUNT;
use crate::plan::{Added, Plan};
use crate::request::header_start;
use crate::{Prefix, Prefixes, Request};

/// Writes a request that was planned for with the prefix before all that it names, and behind it what gives an expiry of
/// `seconds` to keys that it may have made. What stands between keys is copied as it came.
pub fn rewrite(
    request: &Request,
    buffer: &[u8],
    plan: &Plan,
    prefixes: &Prefixes,
    seconds: u32,
    out: &mut BytesMut,
) {
    let prefix = if plan.names_channels() { &prefixes.channels } else { &prefixes.keys };
    let body = request.body();
    let more = match plan.added {
        Added::Nothing => 0,
        Added::Pattern => 1,
        Added::Expiry | Added::Match => 2,
    };
    out.reserve(body.len() + 64 + plan.found.keys.len() * (Prefix::LENGTH + 8));
    length(out, b'*', request.len() + more);
    let mut copied = body.start;
    let (mut keys, mut clamped) = (plan.found.keys.as_slice(), plan.found.clamped.as_slice());
    loop {
        let is_key = match (keys, clamped) {
            ([], []) => break,
            ([key, ..], [other, ..]) => key < other,
            (keys, _) => !keys.is_empty(),
        };
        let changed = if is_key { &mut keys } else { &mut clamped };
        let Some((index, rest)) = changed.split_first() else { break };
        *changed = rest;
        let range = request.range(*index);
        out.put_slice(&buffer[copied..header_start(&range)]);
        if is_key {
            length(out, b'$', Prefix::LENGTH + range.len());
            out.put_slice(prefix.as_bytes());
            copied = range.start;
        } else {
            number(out, LARGEST_COUNT.into());
            copied = range.end + 2;
        }
    }
    out.put_slice(&buffer[copied..body.end]);
    match plan.added {
        Added::Nothing => {}
        Added::Expiry => {
            out.put_slice(b"$2\r\nEX\r\n");
            number(out, seconds);
        }
        Added::Match => {
            out.put_slice(b"$5\r\nMATCH\r\n");
            everything(out, prefix);
        }
        Added::Pattern => everything(out, prefix),
    }
    for key in &plan.expire {
        let range = request.range(*key);
        out.put_slice(b"*4\r\n$6\r\nEXPIRE\r\n");
        length(out, b'$', Prefix::LENGTH + range.len());
        out.put_slice(prefix.as_bytes());
        out.put_slice(&buffer[range]);
        out.put_slice(b"\r\n");
        number(out, seconds);
        out.put_slice(b"$2\r\nNX\r\n");
    }
}

fn everything(out: &mut BytesMut, prefix: &Prefix) {
    length(out, b'$', Prefix::LENGTH + 1);
    out.put_slice(prefix.as_bytes());
    out.put_slice(b"*\r\n");
}

/// A number as an argument.
fn number(out: &mut BytesMut, number: u32) {
    let digits = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    length(out, b'$', digits);
    decimal(out, number as usize);
    out.put_slice(b"\r\n");
}

pub(crate) fn length(out: &mut BytesMut, kind: u8, length: usize) {
    out.put_u8(kind);
    decimal(out, length);
    out.put_slice(b"\r\n");
}

pub(crate) fn decimal(out: &mut BytesMut, mut number: usize) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, plan};

    fn rewritten(line: &str) -> Result<String, String> {
        let buffer = Request::of_line(line.as_bytes()).unwrap();
        let (mut request, mut planned, mut out) = (Request::default(), Plan::default(), BytesMut::new());
        request.read(&buffer, &Bounds::default()).unwrap();
        plan(&request, &buffer, &mut planned).map_err(|error| error.to_string())?;
        let prefix = Prefix::of_hash([0; 16]);
        let channels = Prefix::of_hash([1; 16]);
        rewrite(&request, &buffer, &planned, &Prefixes { keys: prefix, channels }, 3600, &mut out);
        Ok(readable(&out, &prefix).replace(std::str::from_utf8(channels.as_bytes()).unwrap(), "@"))
    }

    /// Commands on a line, `~` for the prefix.
    fn readable(mut bytes: &[u8], prefix: &Prefix) -> String {
        let mut commands = Vec::new();
        while !bytes.is_empty() {
            let mut request = Request::default();
            let crate::Progress::Complete(end) = request.read(bytes, &Bounds::default()).unwrap() else {
                panic!("cut short: {bytes:?}")
            };
            let words = request.arguments(bytes).map(|word| String::from_utf8_lossy(word).into_owned());
            commands.push(words.collect::<Vec<_>>().join(" "));
            bytes = &bytes[end..];
        }
        commands.join("; ").replace(std::str::from_utf8(prefix.as_bytes()).unwrap(), "~")
    }

    #[test]
    fn keys_get_the_prefix_and_what_is_made_an_expiry() {
        for (asked, goes) in [
            ("get k", "get ~k"),
            ("GET ''", "GET ~"),
            ("SET k v", "SET ~k v EX 3600"),
            ("SET k v NX GET", "SET ~k v NX GET EX 3600"),
            ("SET k v PX 5 XX", "SET ~k v PX 5 XX"),
            ("SET k v KEEPTTL", "SET ~k v KEEPTTL; EXPIRE ~k 3600 NX"),
            ("SET k v KEEPTTL EX 5", "SET ~k v KEEPTTL EX 5; EXPIRE ~k 3600 NX"),
            ("SET k v WHAT", "SET ~k v WHAT; EXPIRE ~k 3600 NX"),
            ("SET k v EX", "SET ~k v EX"),
            ("SETEX k 5 v", "SETEX ~k 5 v"),
            ("MSET a 1 b 2", "MSET ~a 1 ~b 2; EXPIRE ~a 3600 NX; EXPIRE ~b 3600 NX"),
            ("GETEX k EX 5", "GETEX ~k EX 5"),
            ("GETEX k persist", "GETEX ~k persist; EXPIRE ~k 3600 NX"),
            ("PERSIST k", "PERSIST ~k; EXPIRE ~k 3600 NX"),
            ("RENAME a b", "RENAME ~a ~b; EXPIRE ~b 3600 NX"),
            ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "ZUNIONSTORE ~d 2 ~a ~b WEIGHTS 1 2; EXPIRE ~d 3600 NX"),
            ("BITOP AND d a b", "BITOP AND ~d ~a ~b; EXPIRE ~d 3600 NX"),
            (
                "SORT k BY nosort GET # GET o_* STORE d",
                "SORT ~k BY ~nosort GET # GET ~o_* STORE ~d; EXPIRE ~d 3600 NX",
            ),
            ("SORT k", "SORT ~k"),
            ("SCAN 0", "SCAN 0 MATCH ~*"),
            ("SCAN 0 MATCH a?", "SCAN 0 MATCH ~a?"),
            ("SCAN 0 COUNT 10000", "SCAN 0 COUNT 10000 MATCH ~*"),
            ("SCAN 0 COUNT 10001 MATCH a* COUNT 999999999", "SCAN 0 COUNT 10000 MATCH ~a* COUNT 10000"),
            ("PUBSUB CHANNELS", "PUBSUB CHANNELS @*"),
            ("PUBSUB NUMSUB", "PUBSUB NUMSUB"),
            ("PUBLISH c m", "PUBLISH @c m"),
            ("SUBSCRIBE a b", "SUBSCRIBE @a @b"),
            ("XREADGROUP GROUP STREAMS c STREAMS k >", "XREADGROUP GROUP STREAMS c STREAMS ~k >"),
            ("OBJECT ENCODING k", "OBJECT ENCODING ~k"),
            ("COMMAND", "COMMAND"),
        ] {
            assert_eq!(rewritten(asked).unwrap(), goes, "{asked}");
        }
    }

    #[test]
    fn what_is_not_to_be_had_says_why() {
        for (asked, says) in [
            ("KEYS *", "NOPERM KEYS is not available in a cache: it looks at keys of everybody. Use SCAN"),
            ("CONFIG SET a b", "NOPERM CONFIG SET is not available in a cache: the server is shared"),
            (
                "EVAL x 0",
                "NOPERM EVAL is not available in a cache: scripts and functions may name keys of others",
            ),
            ("SCAN 0 COUNT +5", "ERR value is not an integer or out of range"),
            ("MSET a", "ERR wrong number of arguments for 'mset' command"),
        ] {
            assert_eq!(rewritten(asked).unwrap_err(), says, "{asked}");
        }
    }
}
