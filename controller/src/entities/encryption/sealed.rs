//! One encrypted value, byte for byte as OpenWhisk writes it: base64 of the IV's length (four bytes, big endian), the
//! IV, and the ciphertext with its tag of 16 bytes.

use aes_gcm::KeyInit;
use aes_gcm::aead::array::typenum::Unsigned as _;
use aes_gcm::aead::{Aead, AeadCore, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore as _;

/// Bytes of the IV's length.
const LENGTH: usize = size_of::<u32>();

/// Why a value cannot be opened. Says nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("it is not base64")]
    NotBase64,
    #[error("its initialisation vector is not {expected} bytes long")]
    WrongIv { expected: usize },
    #[error("the key is another one, or the value was changed")]
    NotAuthentic,
    #[error("it holds no JSON text")]
    NotText,
}

/// Encrypts under a new random IV.
///
/// # Errors
/// When the text is longer than the cipher can take, which is 64 GiB.
pub(crate) fn seal<C: Aead + KeyInit>(cipher: &C, text: &str) -> Result<String, aes_gcm::Error> {
    let mut iv = Nonce::<C>::default();
    rand::rng().fill_bytes(&mut iv);
    seal_with(cipher, &iv, text)
}

fn seal_with<C: Aead>(cipher: &C, iv: &Nonce<C>, text: &str) -> Result<String, aes_gcm::Error> {
    let sealed = cipher.encrypt(iv, text.as_bytes())?;
    let length = <C as AeadCore>::NonceSize::U32.to_be_bytes();
    Ok(STANDARD.encode([&length, iv.as_slice(), &sealed].concat()))
}

/// The text that [`seal`] was given.
pub(crate) fn open<C: Aead>(cipher: &C, value: &str) -> Result<String, OpenError> {
    let expected = <C as AeadCore>::NonceSize::USIZE;
    let bytes = STANDARD.decode(value).map_err(|_| OpenError::NotBase64)?;
    let (length, rest) = bytes.split_at_checked(LENGTH).ok_or(OpenError::WrongIv { expected })?;
    let (iv, sealed) = rest.split_at_checked(expected).ok_or(OpenError::WrongIv { expected })?;
    if length != <C as AeadCore>::NonceSize::U32.to_be_bytes() {
        return Err(OpenError::WrongIv { expected });
    }
    let iv = <&Nonce<C>>::try_from(iv).map_err(|_| OpenError::WrongIv { expected })?;
    let text = cipher.decrypt(iv, sealed).map_err(|_| OpenError::NotAuthentic)?;
    String::from_utf8(text).map_err(|_| OpenError::NotText)
}

#[cfg(test)]
mod tests {
    use aes_gcm::aead::consts::{U12, U128};
    use aes_gcm::aes::{Aes128, Aes256};
    use aes_gcm::{Aes128Gcm, AesGcm};

    use super::*;

    type Aes256Gcm128 = AesGcm<Aes256, U128>;

    // Made with Python's `cryptography` 50.0.2: keys 00 01 02 ..., IVs 64 65 ... 6f and 00 01 ... 7f.
    const TEXT: &str = r#"{"a":[1,2.5,"é"],"b":null}"#;
    const SEALED_128: &str =
        "AAAADGRlZmdoaWprbG1ub2FAL4fhWYnWqRBiPKQJgs5tpFqdsJOzL5gDzO8+qw2reod0m0XWDq4jY3g=";
    const SEALED_256: &str = "AAAAgAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9AQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1eX2BhYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ent8fX5/4fSBBgt6/XE2aRQzml5AyNDcNbKtguzeh1NPpsna8/b1rCYeyYimDAJarw==";
    /// `"plain"` under the first key and an IV of 16 bytes.
    const IV_OF_16: &str = "AAAAEAAAAAAAAAAAAAAAAAAAAAAiZheXgtDWqoaxrWwvEFXV2MxITRJ8ZQ==";

    fn bytes(range: std::ops::Range<u8>) -> Vec<u8> {
        range.collect()
    }

    fn aes_128() -> Aes128Gcm {
        AesGcm::<Aes128, U12>::new_from_slice(&bytes(0..16)).unwrap()
    }

    fn aes_256() -> Aes256Gcm128 {
        Aes256Gcm128::new_from_slice(&bytes(0..32)).unwrap()
    }

    #[test]
    fn values_are_those_of_another_implementation() {
        let iv = bytes(100..112);
        assert_eq!(seal_with(&aes_128(), iv.as_slice().try_into().unwrap(), TEXT).unwrap(), SEALED_128);
        let iv = bytes(0..128);
        assert_eq!(seal_with(&aes_256(), iv.as_slice().try_into().unwrap(), TEXT).unwrap(), SEALED_256);
        assert_eq!(open(&aes_128(), SEALED_128).unwrap(), TEXT);
        assert_eq!(open(&aes_256(), SEALED_256).unwrap(), TEXT);
    }

    #[test]
    fn no_two_values_are_sealed_alike() {
        let sealed = [0; 2].map(|_| seal(&aes_256(), TEXT).unwrap());
        assert_ne!(sealed[0], sealed[1]);
        assert!(sealed.iter().all(|value| open(&aes_256(), value).unwrap() == TEXT));
    }

    #[test]
    fn what_is_not_a_sealed_value_is_refused() {
        let cipher = aes_128();
        for (value, error) in [
            ("not base64!", OpenError::NotBase64),
            ("", OpenError::WrongIv { expected: 12 }),
            ("AAAA", OpenError::WrongIv { expected: 12 }),
            (IV_OF_16, OpenError::WrongIv { expected: 12 }),
            (SEALED_256, OpenError::WrongIv { expected: 12 }),
            // Nothing behind the IV.
            ("AAAADGRlZmdoaWprbG1ubw==", OpenError::NotAuthentic),
        ] {
            assert_eq!(open(&cipher, value), Err(error), "{value}");
        }
    }

    #[test]
    fn a_value_that_was_changed_anywhere_is_refused() {
        let sealed = STANDARD.decode(SEALED_128).unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(open(&aes_128(), &STANDARD.encode(changed)).is_err(), "byte {place}");
        }
    }
}
