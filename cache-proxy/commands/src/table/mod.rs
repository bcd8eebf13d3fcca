//! Every command of Redis 7, and what becomes of it here. In order of their names.

mod data;
mod server;
mod streams;

use std::sync::LazyLock;

use crate::{Command, Handling, Refusal};

/// Longer than any name.
const LONGEST: usize = 24;

static COMMANDS: LazyLock<Box<[Command]>> = LazyLock::new(|| {
    let parts = [data::STRINGS, data::KEYSPACE, data::COLLECTIONS, data::SORTED, data::GEO];
    let parts =
        parts.into_iter().chain([streams::STREAMS, streams::CHANNELS, server::CONNECTION, server::SERVER]);
    let mut all: Vec<Command> = parts.flatten().copied().collect();
    all.sort_unstable_by_key(|command| key(command.name));
    all.into()
});

/// Short names first: most of a search is comparing lengths.
const fn key(name: &'static str) -> (usize, &'static [u8]) {
    (name.len(), name.as_bytes())
}

/// All of them.
#[must_use]
pub fn all() -> &'static [Command] {
    &COMMANDS
}

fn find(among: &'static [Command], name: &[u8]) -> Option<&'static Command> {
    let mut upper = [0; LONGEST];
    let upper = upper.get_mut(..name.len())?;
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    let wanted = (upper.len(), &*upper);
    let at = among.binary_search_by(|command| key(command.name).cmp(&wanted)).ok()?;
    among.get(at)
}

/// The command, or sub-command, that arguments call. In upper or lower case.
///
/// # Errors
/// When there is none of that name.
pub fn look_up<'a>(arguments: impl ExactSizeIterator<Item = &'a [u8]>) -> Result<&'static Command, Refusal> {
    let count = arguments.len();
    let mut arguments = arguments;
    let name = arguments.next().unwrap_or_default();
    let command = find(all(), name).ok_or_else(|| Refusal::Unknown(name.to_vec()))?;
    let found = match (command.handling, arguments.next()) {
        (Handling::Container(subs), Some(sub)) => {
            let by_name = |known: &&Command| known.name.as_bytes().eq_ignore_ascii_case(sub);
            let unknown = || Refusal::UnknownSub { container: command.name, name: sub.to_vec() };
            subs.iter().find(by_name).ok_or_else(unknown)?
        }
        _ => command,
    };
    if !found.takes(count) {
        return Err(Refusal::Arity(full_name(command, found).to_ascii_lowercase()));
    }
    Ok(found)
}

fn full_name(command: &Command, found: &Command) -> String {
    if std::ptr::eq(command, found) {
        command.name.to_owned()
    } else {
        format!("{}|{}", command.name, found.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(words: &[&str]) -> Result<&'static str, String> {
        let arguments: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        look_up(arguments.into_iter()).map(|command| command.name).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_found_in_any_case_and_with_their_sub_commands() {
        assert_eq!(called(&["get", "k"]).unwrap(), "GET");
        assert_eq!(called(&["GeoRadiusByMember_RO", "k", "m", "1", "km"]).unwrap(), "GEORADIUSBYMEMBER_RO");
        assert_eq!(called(&["object", "Encoding", "k"]).unwrap(), "ENCODING");
        assert_eq!(called(&["xread"]).unwrap_err(), "ERR wrong number of arguments for 'xread' command");
        assert_eq!(
            called(&["OBJECT", "freq"]).unwrap_err(),
            "ERR wrong number of arguments for 'object|freq' command"
        );
        assert_eq!(called(&["object"]).unwrap_err(), "ERR wrong number of arguments for 'object' command");
        assert_eq!(called(&["object", "x"]).unwrap_err(), "ERR unknown subcommand 'x'. Try OBJECT HELP.");
        assert_eq!(called(&["GETT", "k"]).unwrap_err(), "ERR unknown command 'GETT'");
        assert_eq!(called(&[&"X".repeat(100)]).unwrap_err().len(), "ERR unknown command ''".len() + 64);
        assert_eq!(called(&[]).unwrap_err(), "ERR unknown command ''");
    }

    #[test]
    fn no_name_is_there_twice() {
        let names: std::collections::HashSet<_> = all().iter().map(|command| command.name).collect();
        assert_eq!(names.len(), all().len());
    }
}
