//! Where the keys of a request are: taken apart exactly as Redis does, or refused.

use crate::request::number;
use crate::{Keys, Reason, Refusal};

/// The arguments of a request by their places.
pub(crate) trait Arguments {
    fn count(&self) -> usize;
    fn at(&self, index: usize) -> &[u8];

    fn is(&self, index: usize, word: &str) -> bool {
        self.at(index).eq_ignore_ascii_case(word.as_bytes())
    }
}

/// What is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Places of keys, channels and patterns, in order.
    pub(crate) keys: Vec<usize>,
    /// Places of keys that a read is stored in.
    pub(crate) stored: Vec<usize>,
    /// There is no pattern where one belongs.
    pub(crate) lacks_pattern: bool,
    /// Places of numbers that are too large: [`LARGEST_COUNT`] stands in for them.
    pub(crate) clamped: Vec<usize>,
    /// It may wait: only with `BLOCK` does a read of streams.
    pub(crate) blocks: bool,
}

/// Keys that one `SCAN` looks at. It goes through those of all scopes, and nobody else is served meanwhile; the number is a
/// hint anyway.
pub(crate) const LARGEST_COUNT: u16 = 10_000;

impl Found {
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.stored.clear();
        self.lacks_pattern = false;
        self.clamped.clear();
        self.blocks = false;
    }
}

/// # Errors
/// When Redis would not take it either, or it is not to be had here.
pub(crate) fn find(
    name: &str,
    keys: Keys,
    arguments: &impl Arguments,
    found: &mut Found,
) -> Result<(), Refusal> {
    let count = arguments.count();
    match keys {
        Keys::None => {}
        Keys::One(at) => found.keys.push(at),
        Keys::Two(first, second) => found.keys.extend([first, second]),
        Keys::From(first) => found.keys.extend(first..count),
        Keys::AllButLast(first) => found.keys.extend(first..count.saturating_sub(1)),
        Keys::Pairs(first) => {
            if !(count - first).is_multiple_of(2) {
                return Err(Refusal::Arity(name.to_ascii_lowercase()));
            }
            found.keys.extend((first..count).step_by(2));
        }
        Keys::Counted(at) => counted(arguments, at, found)?,
        Keys::IntoCounted => {
            found.keys.push(1);
            counted(arguments, 2, found)?;
        }
        Keys::Streams { group } => streams(name, arguments, group, found)?,
        Keys::Radius(options) => radius(arguments, options, found)?,
        Keys::Sort { may_store } => sort(arguments, may_store, found)?,
        Keys::Copy => {
            if (3..count).any(|index| arguments.is(index, "DB")) {
                let (command, reason) = ("COPY with DB".to_owned(), Reason::OtherDatabases);
                return Err(Refusal::Refused { command, reason });
            }
            found.keys.extend([1, 2]);
        }
        Keys::ScanPattern => scan(arguments, found)?,
        Keys::ChannelPattern(at) => match count - at {
            0 => found.lacks_pattern = true,
            1 => found.keys.push(at),
            _ => return Err(Refusal::Syntax),
        },
    }
    Ok(())
}

/// `n key...`, of which there are no fewer.
fn counted(arguments: &impl Arguments, at: usize, found: &mut Found) -> Result<(), Refusal> {
    let keys = number(arguments.at(at)).filter(|keys| *keys > 0).ok_or(Refusal::NumKeys)?;
    let end = (at + 1).checked_add(keys).filter(|end| *end <= arguments.count()).ok_or(Refusal::Syntax)?;
    found.keys.extend(at + 1..end);
    Ok(())
}

fn streams(name: &str, arguments: &impl Arguments, group: bool, found: &mut Found) -> Result<(), Refusal> {
    let count = arguments.count();
    let mut at = 1;
    let mut has_group = false;
    while at < count {
        let left = count - at - 1;
        if (arguments.is(at, "COUNT") || arguments.is(at, "BLOCK")) && left >= 1 {
            found.blocks |= arguments.is(at, "BLOCK");
            at += 2;
        } else if group && arguments.is(at, "GROUP") && left >= 2 {
            has_group = true;
            at += 3;
        } else if group && arguments.is(at, "NOACK") {
            at += 1;
        } else if arguments.is(at, "STREAMS") && left >= 1 {
            if !left.is_multiple_of(2) {
                return Err(Refusal::Unbalanced(name.to_ascii_lowercase()));
            }
            if group && !has_group {
                return Err(Refusal::Syntax);
            }
            found.keys.extend(at + 1..at + 1 + left / 2);
            return Ok(());
        } else {
            break;
        }
    }
    Err(Refusal::Syntax)
}

fn radius(arguments: &impl Arguments, options: usize, found: &mut Found) -> Result<(), Refusal> {
    let count = arguments.count();
    found.keys.push(1);
    let mut at = options;
    while at < count {
        let has_more = at + 1 < count;
        if ["WITHDIST", "WITHHASH", "WITHCOORD", "ANY", "ASC", "DESC"]
            .iter()
            .any(|word| arguments.is(at, word))
        {
            at += 1;
        } else if arguments.is(at, "COUNT") && has_more {
            at += 2;
        } else if (arguments.is(at, "STORE") || arguments.is(at, "STOREDIST")) && has_more {
            found.keys.push(at + 1);
            found.stored.push(at + 1);
            at += 2;
        } else {
            return Err(Refusal::Syntax);
        }
    }
    Ok(())
}

/// What a pattern of `BY` or `GET` stands for begins as the pattern does, so the prefix before it holds it in the scope. `GET #`
/// is the element itself.
fn sort(arguments: &impl Arguments, may_store: bool, found: &mut Found) -> Result<(), Refusal> {
    let count = arguments.count();
    found.keys.push(1);
    let mut at = 2;
    while at < count {
        let left = count - at - 1;
        if ["ASC", "DESC", "ALPHA"].iter().any(|word| arguments.is(at, word)) {
            at += 1;
        } else if arguments.is(at, "LIMIT") && left >= 2 {
            at += 3;
        } else if arguments.is(at, "BY") && left >= 1 {
            found.keys.push(at + 1);
            at += 2;
        } else if arguments.is(at, "GET") && left >= 1 {
            if arguments.at(at + 1) != b"#" {
                found.keys.push(at + 1);
            }
            at += 2;
        } else if may_store && arguments.is(at, "STORE") && left >= 1 {
            found.keys.push(at + 1);
            found.stored.push(at + 1);
            at += 2;
        } else {
            return Err(Refusal::Syntax);
        }
    }
    Ok(())
}

fn scan(arguments: &impl Arguments, found: &mut Found) -> Result<(), Refusal> {
    let count = arguments.count();
    found.lacks_pattern = true;
    let mut at = 2;
    while at < count {
        if at + 1 == count {
            return Err(Refusal::Syntax);
        }
        if arguments.is(at, "MATCH") {
            found.keys.push(at + 1);
            found.lacks_pattern = false;
        } else if arguments.is(at, "COUNT") {
            let count = number(arguments.at(at + 1)).ok_or(Refusal::Integer)?;
            if count > usize::from(LARGEST_COUNT) {
                found.clamped.push(at + 1);
            }
        } else if !arguments.is(at, "TYPE") {
            return Err(Refusal::Syntax);
        }
        at += 2;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Arguments for Vec<&[u8]> {
        fn count(&self) -> usize {
            self.len()
        }

        fn at(&self, index: usize) -> &[u8] {
            self.get(index).copied().unwrap_or_default()
        }
    }

    fn of(text: &str, keys: Keys) -> Result<Found, String> {
        let arguments: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        let mut found = Found::default();
        find("X", keys, &arguments, &mut found).map(|()| found).map_err(|error| error.to_string())
    }

    fn places(text: &str, keys: Keys) -> Vec<usize> {
        of(text, keys).unwrap().keys
    }

    #[test]
    fn the_word_streams_may_be_a_name() {
        let (read, group) = (Keys::Streams { group: false }, Keys::Streams { group: true });
        assert_eq!(places("XREAD COUNT 2 BLOCK 0 streams a b 0 0", read), [6, 7]);
        assert_eq!(places("X GROUP STREAMS c STREAMS k >", group), [5]);
        assert_eq!(places("X GROUP g STREAMS NOACK COUNT 1 STREAMS STREAMS >", group), [8]);
        assert_eq!(places("X STREAMS STREAMS a 0 0", read), [2, 3]);
        for bad in
            ["X COUNT STREAMS k 0", "X STREAMS", "X BLOCK", "X NOACK STREAMS k 0", "X GROUP g c STREAMS k 0"]
        {
            assert_eq!(of(bad, read).unwrap_err(), "ERR syntax error", "{bad}");
        }
        assert_eq!(of("X STREAMS k >", group).unwrap_err(), "ERR syntax error");
        assert!(of("X STREAMS a b 0", read).unwrap_err().starts_with("ERR Unbalanced 'x' list of streams"));
    }

    #[test]
    fn numbers_of_keys_are_taken_at_their_word() {
        assert_eq!(places("ZUNION 2 a b WEIGHTS 1 2", Keys::Counted(1)), [2, 3]);
        assert_eq!(places("ZUNIONSTORE d 2 a b", Keys::IntoCounted), [1, 3, 4]);
        assert_eq!(places("BLMPOP 0 1 a LEFT", Keys::Counted(2)), [3]);
        for bad in ["X 0 a", "X -1 a", "X 01 a", "X +1 a", "X a a", "X 1.0 a"] {
            assert_eq!(
                of(bad, Keys::Counted(1)).unwrap_err(),
                "ERR numkeys should be greater than 0",
                "{bad}"
            );
        }
        for bad in ["X 3 a b", "X 18446744073709551615 a"] {
            assert_eq!(of(bad, Keys::Counted(1)).unwrap_err(), "ERR syntax error", "{bad}");
        }
    }

    #[test]
    fn options_that_name_keys_are_found_among_others() {
        let sort = Keys::Sort { may_store: true };
        let found = of("SORT k BY w_* LIMIT 0 1 GET # get o_*->f STORE d ALPHA", sort).unwrap();
        assert_eq!((found.keys, found.stored), (vec![1, 3, 10, 12], vec![12]));
        assert!(of("SORT_RO k STORE d", Keys::Sort { may_store: false }).is_err());
        let found = of("GEORADIUS k 0 0 1 km COUNT 1 ANY STORE a STOREDIST b", Keys::Radius(6)).unwrap();
        assert_eq!((found.keys, found.stored), (vec![1, 10, 12], vec![10, 12]));
        assert!(of("GEORADIUS k 0 0 1 km STORE", Keys::Radius(6)).is_err());
        assert_eq!(places("COPY a b REPLACE", Keys::Copy), [1, 2]);
        assert!(of("COPY a b DB 1", Keys::Copy).unwrap_err().contains("is not available"));
        assert_eq!(places("MSET a 1 b 2", Keys::Pairs(1)), [1, 3]);
        assert!(of("MSET a 1 b", Keys::Pairs(1)).unwrap_err().contains("wrong number of arguments for 'x'"));
    }

    #[test]
    fn a_scan_without_a_pattern_gets_one() {
        let found = of("SCAN 0 COUNT 5 MATCH a* TYPE string", Keys::ScanPattern).unwrap();
        assert_eq!((found.keys, found.lacks_pattern), (vec![5], false));
        assert!(of("SCAN 0", Keys::ScanPattern).unwrap().lacks_pattern);
        assert!(of("SCAN 0 MATCH", Keys::ScanPattern).is_err());
        assert!(of("SCAN 0 NOVALUES", Keys::ScanPattern).is_err());
        assert!(of("PUBSUB CHANNELS", Keys::ChannelPattern(2)).unwrap().lacks_pattern);
        assert_eq!(places("PUBSUB CHANNELS a*", Keys::ChannelPattern(2)), [2]);
    }
}
