//! Which of the two contracts an executable follows, and how the proxy finds out.
//!
//! # The difficulty
//! Both kinds read stdin, but expect different things there: an ActionLoop process a line with the whole `/run` body
//! and then silence until the next activation, a skeleton process the bare `value` and then end of file. A program
//! that is handed the other kind's input computes rubbish, and running a program twice to find out would double its
//! side effects.
//!
//! # The rule
//! 1. An explicit word wins: a file `exec.protocol` in the archive, else the init parameter `OW_ACTION_PROTOCOL`, else
//!    that variable in the proxy's environment (`actionloop`, `skeleton`, or `auto`). `OW_WAIT_FOR_ACK` means
//!    `actionloop`: no skeleton program acknowledges.
//! 2. A script that nowhere speaks of descriptor 3 (nor does an archive's file that it names) cannot answer as an
//!    ActionLoop: [`Presumption::Skeleton`].
//! 3. Anything else is [`Presumption::Undecided`], and its first activation decides. That process gets `argv[1]` as a
//!    skeleton would, and descriptor 3 and the line on an open stdin as an ActionLoop would:
//!    - a byte on descriptor 3 makes it an ActionLoop, and it is kept;
//!    - an exit without one makes it a skeleton. If it left stdin alone (nearly all do: they use `argv[1]`), its last
//!      line of stdout is the result. If it did read stdin it was misled, and the run fails and says how to declare
//!      the protocol;
//!    - a single-threaded process that has read the line, has said nothing and is blocked reading more stdin waits for
//!      an end of file: certain deadlock, so it is a skeleton that has not begun its work. It is killed and started
//!      again as one.
//!
//! No rule depends on elapsed time, and none costs anything once the protocol is known.

/// The contract between the proxy and an executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A long-lived process: lines on stdin, answers on descriptor 3.
    ActionLoop,
    /// A process for each activation: `argv[1]` and stdin, the result in the last line of stdout.
    Skeleton,
}

impl Protocol {
    /// Reads an explicit word: `Some(None)` is `auto`, `None` is not a word of this setting.
    pub fn parse_override(word: &str) -> Option<Option<Self>> {
        match word.trim().to_ascii_lowercase().as_str() {
            "actionloop" => Some(Some(Self::ActionLoop)),
            "skeleton" => Some(Some(Self::Skeleton)),
            "auto" => Some(None),
            _ => None,
        }
    }
}

/// What is known of an executable before it first ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presumption {
    /// Told by the user or the image.
    Declared(Protocol),
    /// A script without a sign of descriptor 3.
    Skeleton,
    /// The first activation decides.
    Undecided,
}

/// How far back from a `3` its meaning is looked for.
const REACH: usize = 24;
/// Words near a `3` that make it a descriptor: `os.fdopen(3`, `/dev/fd/3`, `IO.for_fd 3`, `fs.writeSync(3`, ...
const DESCRIPTOR_WORDS: [&[u8]; 6] = [b"fd", b"open", b"write", b"file", b"io.", b"descriptor"];

/// Presumes the protocol of a script from its text and the files of its archive that it names.
pub(crate) fn of_script<'a>(script: &[u8], named_files: impl IntoIterator<Item = &'a [u8]>) -> Presumption {
    let may_answer =
        |file: &[u8]| !file.starts_with(b"#!") && is_machine_code(file) || mentions_descriptor_3(file);
    if mentions_descriptor_3(script) || named_files.into_iter().any(may_answer) {
        Presumption::Undecided
    } else {
        Presumption::Skeleton
    }
}

fn is_machine_code(file: &[u8]) -> bool {
    file.starts_with(b"\x7fELF")
}

/// Whether a text speaks of file descriptor 3 in one of the ways shells and scripting languages have for it.
///
/// Errs on the side of yes: a wrong yes only means that the first activation decides.
pub(crate) fn mentions_descriptor_3(text: &[u8]) -> bool {
    memchr::memchr_iter(b'3', text).any(|at| is_lone_digit(text, at) && is_descriptor(text, at))
}

fn is_lone_digit(text: &[u8], at: usize) -> bool {
    let part_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'.';
    let joined_before = at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(part_of_word);
    // `-u3` is how ksh and bash name a descriptor to `print` and `read`.
    let option = text[..at].ends_with(b"-u");
    (!joined_before || option) && !text.get(at + 1).is_some_and(part_of_word)
}

fn is_descriptor(text: &[u8], at: usize) -> bool {
    let line_start = memchr::memrchr(b'\n', &text[..at]).map_or(0, |newline| newline + 1);
    let before = text[line_start.max(at.saturating_sub(REACH))..at].to_ascii_lowercase();
    let trimmed = before.trim_ascii_end();
    if trimmed.ends_with(b"&") || trimmed.ends_with(b"&=") || trimmed.ends_with(b"-u") {
        return true;
    }
    DESCRIPTOR_WORDS.iter().any(|word| memchr::memmem::find(&before, word).is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_usual_ways_to_descriptor_3_are_seen() {
        for line in [
            "echo \"$result\" >&3",
            "printf '%s' x 1>& 3",
            "print -u3 hello",
            "out = os.fdopen(3, \"wb\")",
            "out = open(3, 'w')",
            "with open('/dev/fd/3', 'w') as out:",
            "$out = fopen('php://fd/3', 'w');",
            "open(my $out, '>&=3')",
            "out = IO.new(3)",
            "out = IO.for_fd 3",
            "fs.writeSync(3, text)",
            "fs.createWriteStream(null, {fd: 3})",
            "FD = 3",
        ] {
            assert!(mentions_descriptor_3(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn other_threes_are_no_descriptor() {
        for line in [
            "#!/usr/bin/python3",
            "for i in 1 2 3; do",
            "sleep 3",
            "x = v3",
            "pi = 3.14",
            "echo 31 13",
            "a[3]",
        ] {
            assert!(!mentions_descriptor_3(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn presumptions() {
        let plain: &[u8] = b"#!/bin/sh\necho '{}'\n";
        assert_eq!(of_script(plain, []), Presumption::Skeleton);
        assert_eq!(of_script(plain, [plain]), Presumption::Skeleton);
        assert_eq!(of_script(b"#!/bin/sh\necho '{}' >&3\n", []), Presumption::Undecided);
        assert_eq!(of_script(plain, [&b"fdopen(3, 'wb')"[..]]), Presumption::Undecided);
        assert_eq!(of_script(plain, [&b"\x7fELF\x02"[..]]), Presumption::Undecided);
    }

    #[test]
    fn explicit_words() {
        assert_eq!(Protocol::parse_override(" ActionLoop\n"), Some(Some(Protocol::ActionLoop)));
        assert_eq!(Protocol::parse_override("skeleton"), Some(Some(Protocol::Skeleton)));
        assert_eq!(Protocol::parse_override("auto"), Some(None));
        assert_eq!(Protocol::parse_override("both"), None);
    }

    proptest! {
        #[test]
        fn a_redirection_to_3_is_seen_wherever_it_stands(before in "[a-z \n]{0,40}", after in "[ \n;][a-z \n]{0,40}") {
            let text = format!("{before}>&3{after}");
            prop_assert!(mentions_descriptor_3(text.as_bytes()));
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            mentions_descriptor_3(&text);
        }
    }
}
