//! Making a file with a key for tickets.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

/// Bytes of a key: as many as the code made with it has.
const KEY_BYTES: usize = 32;

/// Writes a new key, as `oxwhisk_ticket::KeyRing` reads it, to a file that is not there yet, for its owner only.
///
/// # Errors
/// When the file is there or cannot be written, or the system gives no random bytes.
pub fn generate(path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    OsRng.try_fill_bytes(key.as_mut()).map_err(io::Error::other)?;
    let line = Zeroizing::new(format!("0:{}\n", STANDARD.encode(key)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use oxwhisk_ticket::KeyRing;

    use super::*;

    #[test]
    fn a_key_is_its_owners_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        generate(&one).unwrap();
        generate(&other).unwrap();
        let text = fs::read_to_string(&one).unwrap();
        assert_ne!(text, fs::read_to_string(&other).unwrap());
        assert_eq!(fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o600);
        KeyRing::parse(&text.clone().into()).unwrap();
        assert_eq!(generate(&one).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&one).unwrap(), text);
    }
}
