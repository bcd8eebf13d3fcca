//! What stands before everything that a scope names.

use std::fmt;

/// Of a fixed length, and without a character that means something in a pattern of Redis: so nothing has to be escaped, and
/// no scope's prefix is the beginning of another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix([u8; Self::LENGTH]);

impl Prefix {
    pub const LENGTH: usize = 24;

    /// Of 16 bytes of a hash of the scope and its generation: 22 characters of base 64 (with `-` and `_`), and a colon after
    /// one that says which way it was made.
    #[must_use]
    pub fn of_hash(hash: [u8; 16]) -> Self {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut prefix = [b':'; Self::LENGTH];
        prefix[0] = b'1';
        let number = u128::from_be_bytes(hash);
        for (place, digit) in prefix[1..23].iter_mut().enumerate() {
            let shift = 6 * (21 - place);
            *digit = DIGITS[usize::try_from((number >> shift) & 63).unwrap_or_default()];
        }
        Self(prefix)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_told_apart_and_nothing_in_them_is_a_pattern() {
        let all = Prefix::of_hash([255; 16]);
        assert_eq!(all.as_bytes(), b"1D_____________________:");
        assert_eq!(Prefix::of_hash([0; 16]).as_bytes(), b"1AAAAAAAAAAAAAAAAAAAAAA:");
        for bit in 0..128 {
            let prefix = Prefix::of_hash((1u128 << bit).to_be_bytes());
            assert_ne!(prefix, Prefix::of_hash([0; 16]), "{bit}");
            assert!(!prefix.as_bytes().iter().any(|byte| b"*?[]\\^#{}".contains(byte)));
        }
    }
}
