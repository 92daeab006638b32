//! The text of an API key: `hw_<kind>_<12 characters, public><43 characters, secret><6 characters, checksum>`.
//!
//! The brand at the beginning lets scanners find leaked keys. The public part finds the key in the database. The checksum detects
//! a typo without asking the database. Knows nothing of which keys exist.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::clock;
use crate::domain::account::KeyKind;
use crate::domain::rule::NewApiKey;

const BRAND: &str = "hw_";
const PUBLIC_LENGTH: usize = 12;
/// 43 characters of 62 hold 256 bits.
const SECRET_LENGTH: usize = 43;
/// 6 characters of 62 hold the 32 bits of a CRC-32.
const CHECKSUM_LENGTH: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Makes a key: its text, which is shown once, and the parts that are stored.
pub fn generate(kind: KeyKind) -> (SecretString, NewApiKey) {
    let text_prefix = format!("{BRAND}{kind}_{}", clock::random_base62(PUBLIC_LENGTH));
    let unchecked = format!("{text_prefix}{}", clock::random_base62(SECRET_LENGTH));
    let text = SecretString::from(format!("{unchecked}{}", checksum(&unchecked)));
    let secret_hash = hash(text.expose_secret());
    (text, NewApiKey { text_prefix, secret_hash })
}

/// Makes the text of a token that verifies an email address.
pub fn verification_token() -> String {
    clock::random_base62(SECRET_LENGTH)
}

/// The public beginning of a key's text, by which the key is looked up. None if the text is not a key or has a typo.
pub fn prefix(text: &str) -> Option<&str> {
    let (kind, rest) = text.strip_prefix(BRAND)?.rsplit_once('_')?;
    kind.parse::<KeyKind>().ok()?;
    let is_whole = rest.len() == PUBLIC_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_whole {
        return None;
    }
    let (unchecked, given) = text.split_at(text.len() - CHECKSUM_LENGTH);
    (checksum(unchecked) == given).then(|| &unchecked[..unchecked.len() - SECRET_LENGTH])
}

/// SHA-256 of a key's text, stored in place of the secret. Keys are long and random, so a slower hash would add nothing.
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The CRC-32 of the text before the checksum, as six characters.
fn checksum(unchecked: &str) -> String {
    let mut rest = crc32fast::hash(unchecked.as_bytes()) as usize;
    let mut characters = [0_u8; CHECKSUM_LENGTH];
    for character in characters.iter_mut().rev() {
        *character = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    characters.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_its_kind_and_is_found_by_its_beginning() {
        for kind in KeyKind::ALL {
            let (text, kept) = generate(*kind);
            let text = text.expose_secret();
            assert!(text.starts_with(&format!("hw_{kind}_")), "{kind}");
            assert_eq!(prefix(text), Some(kept.text_prefix.as_str()));
            assert_eq!(hash(text), kept.secret_hash);
            assert_eq!(kept.text_prefix.len(), "hw__".len() + kind.as_str().len() + PUBLIC_LENGTH);
        }
    }

    #[test]
    fn no_two_keys_are_alike() {
        let (one, one_kept) = generate(KeyKind::Admin);
        let (other, other_kept) = generate(KeyKind::Admin);
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert_ne!(one_kept.text_prefix, other_kept.text_prefix);
    }

    #[test]
    fn a_typo_anywhere_is_noticed() {
        let (text, _) = generate(KeyKind::Tracking);
        let text = text.expose_secret();
        for place in 0..text.len() {
            let mut wrong = text.to_owned().into_bytes();
            wrong[place] = if wrong[place] == b'x' { b'y' } else { b'x' };
            assert_eq!(prefix(std::str::from_utf8(&wrong).unwrap()), None, "at {place}");
        }
        for wrong in
            ["", "hw_", "hw_admin_", &text[1..], &text[..text.len() - 1], &format!("{text}0"), &format!(" {text}")]
        {
            assert_eq!(prefix(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_of_another_kind_is_no_key() {
        let (text, _) = generate(KeyKind::Read);
        assert_eq!(prefix(&text.expose_secret().replace("read", "admin")), None);
    }

    #[test]
    fn the_format_is_fixed() {
        // Keys that exist must work for ever, so the checksum must not change.
        let unchecked = format!("hw_admin_{}{}", "A".repeat(PUBLIC_LENGTH), "b".repeat(SECRET_LENGTH));
        let text = format!("{unchecked}{}", checksum(&unchecked));
        assert_eq!(text, "hw_admin_AAAAAAAAAAAAbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb3INU9A");
        assert_eq!(prefix(&text), Some("hw_admin_AAAAAAAAAAAA"));
    }
}
