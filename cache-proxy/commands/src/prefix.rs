//! What stands before everything that a scope names.

use std::fmt;

/// Of a fixed length, and without a character that means something in a pattern of Redis: so nothing has to be escaped, and
/// no scope's prefix is the beginning of another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix([u8; Self::LENGTH]);

impl Prefix {
    pub const LENGTH: usize = 24;

    /// Of 16 bytes, of which the first six are a hash of whom the scope is of, and the rest one of the scope and its
    /// generation: 22 characters of base 64 (with `-` and `_`), and a colon after one that says which way it was made.
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

    /// Whom it is of, as far as its characters tell.
    #[must_use]
    pub fn owner(&self) -> Owner {
        let mut owner = [0; Owner::LENGTH];
        owner.copy_from_slice(&self.0[1..=Owner::LENGTH]);
        Owner(owner)
    }

    /// What a key of the server's begins with; `None` if it is no scope's.
    #[must_use]
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let prefix: [u8; Self::LENGTH] = key.get(..Self::LENGTH)?.try_into().ok()?;
        (prefix[0] == b'1' && prefix[Self::LENGTH - 1] == b':').then_some(Self(prefix))
    }
}

/// The part of a prefix that all scopes of one namespace have alike: 44 bits of a hash, by which keys are counted for whom they
/// are of. What keeps scopes apart is the whole prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner([u8; Self::LENGTH]);

impl Owner {
    const LENGTH: usize = 8;

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// What stands before what a scope names. Channels outlive what empties a scope, keys do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    pub keys: Prefix,
    pub channels: Prefix,
}

impl Prefixes {
    /// One for everything.
    #[must_use]
    pub const fn alike(prefix: Prefix) -> Self {
        Self { keys: prefix, channels: prefix }
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

    #[test]
    fn keys_tell_whose_they_are() {
        let of = |owner: u8, scope: u8| {
            let mut hash = [scope; 16];
            hash[..6].fill(owner);
            Prefix::of_hash(hash)
        };
        assert_eq!(of(1, 1).owner(), of(1, 2).owner());
        assert_ne!(of(1, 1).owner(), of(2, 1).owner());
        let key = [of(3, 4).as_bytes(), b"k"].concat();
        assert_eq!(Prefix::of_key(&key), Some(of(3, 4)));
        for other in [&b"0generation"[..], b"k", &key[..23], &key[1..]] {
            assert_eq!(Prefix::of_key(other), None);
        }
    }
}
