//! What `/init` brought: the kind of executable in the `code` string, found by its first bytes.

use std::borrow::Cow;

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Standard base64, with or without padding: clients differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Code by what has to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeKind {
    /// An ELF program: the executable itself.
    Elf,
    /// A script with a `#!` line: the executable itself.
    Script,
    /// A zip or jar archive with a file `exec` at its root.
    Zip,
    /// A gzipped tar archive with a file `exec` at its root.
    TarGz,
}

/// Why code is no executable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum CodeError {
    #[error("cannot decode the code as base64: {0}")]
    Base64(base64::DecodeError),
    #[error("the code is a program for another operating system, not an ELF executable")]
    Foreign,
    #[error(
        "the code is neither an ELF executable, a zip or tar.gz archive, nor a script that begins with #!"
    )]
    Unknown,
}

impl CodeKind {
    /// Recognises code by its first bytes.
    ///
    /// # Errors
    /// [`CodeError::Foreign`] or [`CodeError::Unknown`].
    pub(crate) fn of(code: &[u8]) -> Result<Self, CodeError> {
        match code {
            [0x7f, b'E', b'L', b'F', ..] => Ok(Self::Elf),
            [b'#', b'!', ..] => Ok(Self::Script),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, ..] => Ok(Self::Zip),
            [0x1f, 0x8b, 8, ..] => Ok(Self::TarGz),
            // Mach-O of both byte orders and universal; PE.
            [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] | [b'M', b'Z', ..] => {
                Err(CodeError::Foreign)
            }
            _ => Err(CodeError::Unknown),
        }
    }
}

/// Decodes the `code` string. Text is taken as it stands if it is a script, and otherwise as base64 even where
/// `binary` is false, since clients that build the request themselves often leave that out.
///
/// # Errors
/// The reason why it is no executable.
pub(crate) fn decode(code: &str, binary: bool) -> Result<(CodeKind, Cow<'_, [u8]>), CodeError> {
    if let Ok(CodeKind::Script) = CodeKind::of(code.as_bytes()) {
        return Ok((CodeKind::Script, Cow::Borrowed(code.as_bytes())));
    }
    let decoded = BASE64.decode(code.trim_ascii()).map_err(|error| match binary {
        true => CodeError::Base64(error),
        false => CodeError::Unknown,
    })?;
    Ok((CodeKind::of(&decoded)?, Cow::Owned(decoded)))
}

/// The interpreter that a script's first line names.
pub(crate) fn interpreter(script: &[u8]) -> Option<&str> {
    let line = script.strip_prefix(b"#!")?;
    let line = &line[..memchr::memchr(b'\n', line).unwrap_or(line.len())];
    std::str::from_utf8(line).ok()?.split_ascii_whitespace().next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kinds_are_known_by_their_first_bytes() {
        assert_eq!(CodeKind::of(b"\x7fELF\x02\x01"), Ok(CodeKind::Elf));
        assert_eq!(CodeKind::of(b"#!/bin/sh\n"), Ok(CodeKind::Script));
        assert_eq!(CodeKind::of(b"PK\x03\x04rest"), Ok(CodeKind::Zip));
        assert_eq!(CodeKind::of(b"\x1f\x8b\x08\x00"), Ok(CodeKind::TarGz));
        assert_eq!(CodeKind::of(b"MZ\x90"), Err(CodeError::Foreign));
        assert_eq!(CodeKind::of(b"echo hello"), Err(CodeError::Unknown));
    }

    #[test]
    fn text_and_base64_of_a_script_are_the_same() {
        let script = "#!/bin/sh\necho '{}'\n";
        let encoded = BASE64.encode(script);
        for binary in [true, false] {
            assert_eq!(decode(script, binary).unwrap(), (CodeKind::Script, script.as_bytes().into()));
            assert_eq!(decode(&encoded, binary).unwrap(), (CodeKind::Script, script.as_bytes().into()));
        }
    }

    #[test]
    fn what_is_no_executable_is_refused() {
        assert_eq!(decode("print('hello')", false), Err(CodeError::Unknown));
        assert!(matches!(decode("print('hello')", true), Err(CodeError::Base64(_))));
        assert_eq!(decode(&BASE64.encode("hello"), true), Err(CodeError::Unknown));
    }

    #[test]
    fn interpreters() {
        assert_eq!(interpreter(b"#!/bin/sh\n"), Some("/bin/sh"));
        assert_eq!(interpreter(b"#! /usr/bin/env python3\nx"), Some("/usr/bin/env"));
        assert_eq!(interpreter(b"#!"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_decided_without_panic(code in "\\PC{0,60}", binary: bool) {
            if let Ok((kind, bytes)) = decode(&code, binary) {
                prop_assert_eq!(CodeKind::of(&bytes), Ok(kind));
            }
        }
    }
}
