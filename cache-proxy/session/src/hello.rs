//! `HELLO`: version, login and name in one command.

use crate::reply::Protocol;

/// What it asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello<'a> {
    /// As before, if it says none.
    pub(crate) protocol: Option<Protocol>,
    pub(crate) login: Option<(&'a [u8], &'a [u8])>,
    pub(crate) name: Option<&'a [u8]>,
}

/// In the order that Redis finds fault in.
pub(crate) fn read<'a>(arguments: &[&'a [u8]]) -> Result<Hello<'a>, String> {
    let mut hello = Hello::default();
    let Some((version, options)) = arguments.split_first() else { return Ok(hello) };
    hello.protocol = Some(match *version {
        b"2" => Protocol::Resp2,
        b"3" => Protocol::Resp3,
        other if is_integer(other) => return Err("NOPROTO unsupported protocol version".to_owned()),
        _ => return Err("ERR Protocol version is not an integer or out of range".to_owned()),
    });
    let mut rest = options;
    while let Some((option, after)) = rest.split_first() {
        rest = match after {
            [user, token, after @ ..] if option.eq_ignore_ascii_case(b"AUTH") => {
                hello.login = Some((*user, *token));
                after
            }
            [name, after @ ..] if option.eq_ignore_ascii_case(b"SETNAME") => {
                hello.name = Some(*name);
                after
            }
            _ => {
                let shown: String = option.iter().map(|byte| printable(*byte)).take(64).collect();
                return Err(format!("ERR Syntax error in HELLO option '{shown}'"));
            }
        };
    }
    Ok(hello)
}

pub(crate) fn is_integer(text: &[u8]) -> bool {
    std::str::from_utf8(text)
        .is_ok_and(|text| text.parse::<i64>().is_ok_and(|number| number.to_string() == text))
}

fn printable(byte: u8) -> char {
    if (b' '..=b'~').contains(&byte) { char::from(byte) } else { '?' }
}
