//! Seals what must not be readable in the database, and opens it: payout details, tax numbers and providers' credentials. Knows keys and bytes;
//! `details.rs`, `tax_number.rs` and `credentials.rs` beside it have the plain values. Knows no store and no wire.
//!
//! Sealed bytes are a version, the id of the key, a nonce, and AES-256-GCM's output. The account and the purpose are authenticated with them,
//! so that bytes that are copied to another row of another account or purpose do not open.

pub mod credentials;
pub mod details;
pub mod tax_number;

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;

use crate::clock;
use crate::domain::id::AccountId;
use crate::domain::payout_method::Sealed;

/// The first byte of what is sealed.
const VERSION: u8 = 1;

/// The length of a key's id.
const KEY_ID_LENGTH: usize = 4;

/// Where the ciphertext begins.
const HEAD_LENGTH: usize = 1 + KEY_ID_LENGTH + NONCE_LEN;

/// The most keys of a file.
const KEYS_MAX: usize = 16;

/// What something is sealed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The details of a payout method.
    PayoutDetails,
    /// The credentials of a connection to a provider.
    ProviderCredentials,
    /// The number of a tax profile.
    TaxNumber,
    /// A file of payouts.
    PayoutFile,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::PayoutDetails => "payout details",
            Self::ProviderCredentials => "provider credentials",
            Self::TaxNumber => "tax number",
            Self::PayoutFile => "payout file",
        }
    }
}

/// The server has no secrets key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server has no secrets key")]
pub struct KeyMissing;

/// Sealed bytes do not open. The texts have nothing of the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotOpen {
    /// No key has this id.
    #[error("it was sealed with the key {0}, which the server does not have")]
    OtherKey(String),
    /// The bytes are not those that were sealed for this account and purpose.
    #[error("it was changed after it was sealed, or sealed for another account or purpose")]
    Changed,
}

/// Text that is no list of keys. The texts have nothing of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextProblem {
    /// No line has a key.
    #[error("it has no key; write 64 hexadecimal digits into it, such as those of `openssl rand -hex 32`")]
    Empty,
    /// A line is no key.
    #[error(
        "line {0} is no key: a key is 64 hexadecimal digits, such as those of `openssl rand -hex 32`, and a comment begins with #"
    )]
    Line(usize),
    /// Two lines are the same key.
    #[error("line {0} has a key of an earlier line")]
    Repeated(usize),
    /// Too many lines.
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
}

/// One key.
struct Key {
    id: [u8; KEY_ID_LENGTH],
    sealing: LessSafeKey,
    fingerprinting: [u8; 32],
}

impl Key {
    fn new(master: &[u8; 32]) -> Option<Self> {
        let id = derived(master, "headwater key id")?;
        let sealing = UnboundKey::new(&AES_256_GCM, &derived(master, "headwater sealing")?).ok()?;
        let fingerprinting = derived(master, "headwater fingerprints")?;
        Some(Self { id: [id[0], id[1], id[2], id[3]], sealing: LessSafeKey::new(sealing), fingerprinting })
    }

    /// `None` is impossible, because HMAC takes keys of any length.
    fn fingerprint(&self, account_id: AccountId, text: &str) -> Option<[u8; 32]> {
        let mut hmac = Hmac::<Sha256>::new_from_slice(&self.fingerprinting).ok()?;
        hmac.update(account_id.uuid().as_bytes());
        hmac.update(text.as_bytes());
        Some(hmac.finalize().into_bytes().into())
    }
}

/// A key of its own for each use. `None` is impossible, because HMAC takes keys of any length.
fn derived(master: &[u8; 32], name: &str) -> Option<[u8; 32]> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(master).ok()?;
    hmac.update(name.as_bytes());
    Some(hmac.finalize().into_bytes().into())
}

/// The server's keys. The first one, which is the newest, seals and makes fingerprints. All of them open.
#[derive(Default)]
pub struct Secrets {
    keys: Vec<Key>,
}

/// Without the keys.
impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Secrets").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Secrets {
    /// No key: nothing can be sealed or opened.
    pub const NONE: &'static Self = &Self { keys: Vec::new() };

    /// The keys of a file: one in each line, the newest first. Empty lines and comments are skipped.
    ///
    /// # Errors
    /// [`KeyTextProblem`].
    pub fn parse(text: &str) -> Result<Self, KeyTextProblem> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = master(line).and_then(|master| Key::new(&master)).ok_or(KeyTextProblem::Line(index + 1))?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeyTextProblem::Repeated(index + 1));
            }
            keys.push(key);
        }
        match keys.len() {
            0 => Err(KeyTextProblem::Empty),
            1..=KEYS_MAX => Ok(Self { keys }),
            _ => Err(KeyTextProblem::TooMany),
        }
    }

    /// The text of a new random key, for a file.
    pub fn new_key_text() -> String {
        clock::random_bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether something can be sealed.
    pub fn has_key(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether there are further keys beside the one that seals.
    pub fn has_older_keys(&self) -> bool {
        self.keys.len() > 1
    }

    /// Whether bytes were sealed with the key that seals now.
    pub fn is_newest(&self, sealed: &Sealed) -> bool {
        let id = sealed.bytes().get(1..1 + KEY_ID_LENGTH);
        self.keys.first().is_some_and(|key| id == Some(&key.id[..]))
    }

    /// Seals bytes for this purpose of an account.
    ///
    /// # Errors
    /// [`KeyMissing`].
    pub fn seal(&self, purpose: Purpose, account_id: AccountId, plain: &[u8]) -> Result<Sealed, KeyMissing> {
        let key = self.keys.first().ok_or(KeyMissing)?;
        let nonce: [u8; NONCE_LEN] = clock::random_bytes();
        let mut content = plain.to_vec();
        let context = Aad::from(context(purpose, account_id));
        let nonce_value = Nonce::assume_unique_for_key(nonce);
        // It fails only for more than 64 GiB.
        key.sealing.seal_in_place_append_tag(nonce_value, context, &mut content).map_err(|_| KeyMissing)?;
        let mut sealed = Vec::with_capacity(HEAD_LENGTH + content.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut content);
        Ok(Sealed::new(sealed))
    }

    /// Opens what was sealed for this purpose of an account.
    ///
    /// # Errors
    /// [`CannotOpen`].
    pub fn open(&self, purpose: Purpose, account_id: AccountId, sealed: &Sealed) -> Result<Vec<u8>, CannotOpen> {
        let Some((head, content)) = sealed.bytes().split_at_checked(HEAD_LENGTH) else {
            return Err(CannotOpen::Changed);
        };
        let (start, nonce) = head.split_at(1 + KEY_ID_LENGTH);
        if start[0] != VERSION {
            return Err(CannotOpen::Changed);
        }
        let id = &start[1..];
        let key = self.keys.iter().find(|key| key.id == id);
        let key = key.ok_or_else(|| CannotOpen::OtherKey(id.iter().map(|byte| format!("{byte:02x}")).collect()))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CannotOpen::Changed)?;
        let mut content = content.to_vec();
        let context = Aad::from(context(purpose, account_id));
        let plain = key.sealing.open_in_place(nonce, context, &mut content).map_err(|_| CannotOpen::Changed)?;
        Ok(plain.to_vec())
    }

    /// A keyed hash by which an account recognises equal texts. Without the key, texts cannot be guessed from it.
    ///
    /// # Errors
    /// [`KeyMissing`].
    pub fn fingerprint(&self, account_id: AccountId, text: &str) -> Result<[u8; 32], KeyMissing> {
        let key = self.keys.first().ok_or(KeyMissing)?;
        key.fingerprint(account_id, text).ok_or(KeyMissing)
    }

    /// The same hashes with the older keys, for rows that were not sealed anew yet.
    pub fn older_fingerprints(&self, account_id: AccountId, text: &str) -> Vec<[u8; 32]> {
        self.keys.iter().skip(1).filter_map(|key| key.fingerprint(account_id, text)).collect()
    }
}

/// What is authenticated beside the content.
fn context(purpose: Purpose, account_id: AccountId) -> Vec<u8> {
    let mut context = purpose.name().as_bytes().to_vec();
    context.extend_from_slice(account_id.uuid().as_bytes());
    context
}

/// The bytes of 64 hexadecimal digits.
fn master(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const PURPOSE: Purpose = Purpose::PayoutDetails;

    fn account(number: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(number))
    }

    fn key(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    #[test]
    fn what_is_sealed_opens_for_its_account_and_purpose_alone() {
        let secrets = Secrets::parse(&key('1')).unwrap();
        let sealed = secrets.seal(PURPOSE, account(1), b"DE89370400440532013000").unwrap();
        assert_eq!(secrets.open(PURPOSE, account(1), &sealed).unwrap(), b"DE89370400440532013000");
        assert_eq!(secrets.open(PURPOSE, account(2), &sealed), Err(CannotOpen::Changed));
        assert_eq!(secrets.open(Purpose::ProviderCredentials, account(1), &sealed), Err(CannotOpen::Changed));
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_is() {
        let secrets = Secrets::parse(&key('1')).unwrap();
        let sealed = secrets.seal(PURPOSE, account(1), b"secret").unwrap();
        for place in 0..sealed.bytes().len() {
            let mut bytes = sealed.bytes().to_vec();
            bytes[place] ^= 1;
            assert!(secrets.open(PURPOSE, account(1), &Sealed::new(bytes)).is_err(), "byte {place}");
        }
        for length in 0..sealed.bytes().len() {
            let short = Sealed::new(&sealed.bytes()[..length]);
            assert!(secrets.open(PURPOSE, account(1), &short).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn the_same_text_is_sealed_differently_each_time_and_has_one_fingerprint() {
        let secrets = Secrets::parse(&key('1')).unwrap();
        let seal = || secrets.seal(PURPOSE, account(1), b"secret").unwrap();
        assert_ne!(seal(), seal());
        let print = |number| secrets.fingerprint(account(number), "l@example.com").unwrap();
        assert_eq!(print(1), print(1));
        assert_ne!(print(1), print(2));
    }

    #[test]
    fn a_new_key_seals_and_the_old_one_still_opens() {
        let old = Secrets::parse(&key('1')).unwrap();
        let both = Secrets::parse(&format!("# from today on\n{}\n\n{}\n", key('2'), key('1'))).unwrap();
        let new = Secrets::parse(&key('2')).unwrap();
        let before = old.seal(PURPOSE, account(1), b"before").unwrap();
        let after = both.seal(PURPOSE, account(1), b"after").unwrap();
        assert_eq!(both.open(PURPOSE, account(1), &before).unwrap(), b"before");
        assert_eq!(both.open(PURPOSE, account(1), &after).unwrap(), b"after");
        assert_eq!(new.open(PURPOSE, account(1), &after).unwrap(), b"after");
        assert!(matches!(new.open(PURPOSE, account(1), &before), Err(CannotOpen::OtherKey(_))));
        let print = |secrets: &Secrets| secrets.fingerprint(account(1), "x").unwrap();
        assert_eq!(print(&both), print(&new), "what is sealed anew needs the new key alone");
        assert_eq!(both.older_fingerprints(account(1), "x"), [print(&old)], "rows of the old key are recognised");
        assert!(new.older_fingerprints(account(1), "x").is_empty());
        assert!(both.is_newest(&after) && !both.is_newest(&before) && old.is_newest(&before));
        assert!(both.has_older_keys() && !new.has_older_keys() && !Secrets::NONE.is_newest(&after));
    }

    #[test]
    fn a_file_that_is_no_list_of_keys_says_which_line_is_wrong() {
        let problem = |text: &str| Secrets::parse(text).unwrap_err();
        assert_eq!(problem(""), KeyTextProblem::Empty);
        assert_eq!(problem("# nothing\n"), KeyTextProblem::Empty);
        assert_eq!(problem(&format!("{}\nabc", key('1'))), KeyTextProblem::Line(2));
        assert_eq!(problem(&key('g')), KeyTextProblem::Line(1));
        assert_eq!(problem(&format!("{0}\n{0}", key('1'))), KeyTextProblem::Repeated(2));
        let many: Vec<String> = (0..17).map(|number| format!("{number:064x}")).collect();
        assert_eq!(problem(&many.join("\n")), KeyTextProblem::TooMany);
    }

    #[test]
    fn without_a_key_nothing_is_sealed_and_nothing_is_shown() {
        assert_eq!(Secrets::NONE.seal(PURPOSE, account(1), b"x"), Err(KeyMissing));
        assert_eq!(Secrets::NONE.fingerprint(account(1), "x"), Err(KeyMissing));
        let text = Secrets::new_key_text();
        let secrets = Secrets::parse(&text).unwrap();
        assert!(secrets.has_key() && !format!("{secrets:?}").contains(&text[..8]));
    }
}
