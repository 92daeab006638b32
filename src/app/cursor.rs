//! Cursors of the feed: opaque to clients, who may keep them for ever.
//!
//! A cursor names its database, its account and a place in that account's feed. It does not depend on the filter. The place has a
//! check of the events before it, so that a cursor of events that a restore from a backup undid is noticed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::domain::event::FeedPlace;
use crate::domain::id::AccountId;
use crate::store::Identity;

/// Makes and reads the cursors of one database.
pub struct Cursors {
    database_id: Uuid,
    /// The HMAC with the secret already set, because every event of the feed gets a cursor.
    keyed: Option<Hmac<Sha256>>,
}

/// Version 1: version byte, database id, account id, sequence, check, 8 bytes of HMAC-SHA256, CRC-32 of all before.
const VERSION: u8 = 1;
const MAC_LENGTH: usize = 8;
const SIGNED_LENGTH: usize = CHECK_START + 4;
const SEQUENCE_START: usize = 1 + 16 + 16;
const CHECK_START: usize = SEQUENCE_START + 8;
const BODY_LENGTH: usize = SIGNED_LENGTH + MAC_LENGTH;
const LENGTH: usize = BODY_LENGTH + 4;
/// The length of a cursor's text.
const TEXT_LENGTH: usize = LENGTH.div_ceil(3) * 4;

/// Why a cursor cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorError {
    /// It is not one of ours, or was changed on the way.
    Malformed,
    /// It belongs to another database or another account.
    Foreign,
}

impl Cursors {
    /// The cursors of a database.
    pub fn new(identity: &Identity) -> Self {
        // HMAC takes a key of any length, so this cannot fail.
        Self { database_id: identity.database_id, keyed: Hmac::new_from_slice(&identity.secret).ok() }
    }

    /// The cursor of a place in the account's feed.
    pub fn encode(&self, account_id: AccountId, place: FeedPlace) -> String {
        let mut text = String::with_capacity(TEXT_LENGTH);
        self.encode_into(account_id, place, &mut text);
        text
    }

    /// Appends a cursor to a text.
    pub fn encode_into(&self, account_id: AccountId, place: FeedPlace, text: &mut String) {
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(self.database_id.as_bytes());
        bytes[17..33].copy_from_slice(account_id.uuid().as_bytes());
        bytes[SEQUENCE_START..CHECK_START].copy_from_slice(&place.sequence.to_be_bytes());
        bytes[CHECK_START..SIGNED_LENGTH].copy_from_slice(&place.check.to_be_bytes());
        let mac = self.mac(&bytes[..SIGNED_LENGTH]);
        bytes[SIGNED_LENGTH..BODY_LENGTH].copy_from_slice(&mac);
        let checksum = crc32fast::hash(&bytes[..BODY_LENGTH]).to_be_bytes();
        bytes[BODY_LENGTH..].copy_from_slice(&checksum);
        URL_SAFE_NO_PAD.encode_string(bytes, text);
    }

    /// The place in a cursor. Only its signature was checked: the feed may have other events there by now.
    ///
    /// # Errors
    /// See [`CursorError`].
    pub fn decode(&self, account_id: AccountId, cursor: &str) -> Result<FeedPlace, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| CursorError::Malformed)?;
        let bytes: &[u8; LENGTH] = bytes.as_slice().try_into().map_err(|_| CursorError::Malformed)?;
        let (body, checksum) = bytes.split_at(BODY_LENGTH);
        if bytes[0] != VERSION || checksum != crc32fast::hash(body).to_be_bytes() {
            return Err(CursorError::Malformed);
        }
        let (signed, given_mac) = body.split_at(SIGNED_LENGTH);
        // The database id is compared before the signature, because another database signs with another secret.
        if signed[1..17] != *self.database_id.as_bytes() {
            return Err(CursorError::Foreign);
        }
        if self.keyed.is_none() || !bool::from(self.mac(signed).ct_eq(given_mac)) {
            return Err(CursorError::Malformed);
        }
        let owner = Uuid::from_slice(&signed[17..SEQUENCE_START]).map_err(|_| CursorError::Malformed)?;
        if owner != account_id.uuid() {
            return Err(CursorError::Foreign);
        }
        let (sequence, check) = signed[SEQUENCE_START..].split_first_chunk().ok_or(CursorError::Malformed)?;
        let check = check.first_chunk().ok_or(CursorError::Malformed)?;
        Ok(FeedPlace { sequence: i64::from_be_bytes(*sequence), check: u32::from_be_bytes(*check) })
    }

    fn mac(&self, signed: &[u8]) -> [u8; MAC_LENGTH] {
        let mut short = [0; MAC_LENGTH];
        if let Some(mut hmac) = self.keyed.clone() {
            hmac.update(b"cursor");
            hmac.update(signed);
            short.copy_from_slice(&hmac.finalize().into_bytes()[..MAC_LENGTH]);
        }
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NINTH: FeedPlace = FeedPlace { sequence: 9, check: 99 };

    fn cursors(number: u128) -> Cursors {
        Cursors::new(&Identity { database_id: Uuid::from_u128(number), secret: [7; 32] })
    }

    #[test]
    fn a_cursor_comes_back() {
        let account = AccountId::from_uuid(Uuid::from_u128(5));
        for (sequence, check) in [(0, 0), (1, 1), (4_000_000_000, 4_000_000_000), (i64::MAX, u32::MAX)] {
            let place = FeedPlace { sequence, check };
            let cursor = cursors(1).encode(account, place);
            assert_eq!(cursors(1).decode(account, &cursor), Ok(place));
        }
    }

    #[test]
    fn another_database_or_account_is_foreign() {
        let account = AccountId::from_uuid(Uuid::from_u128(5));
        let cursor = cursors(1).encode(account, NINTH);
        assert_eq!(cursors(2).decode(account, &cursor), Err(CursorError::Foreign));
        let other = AccountId::from_uuid(Uuid::from_u128(6));
        assert_eq!(cursors(1).decode(other, &cursor), Err(CursorError::Foreign));
    }

    #[test]
    fn a_cursor_that_was_changed_anywhere_is_malformed() {
        let account = AccountId::from_uuid(Uuid::from_u128(5));
        let cursor = cursors(1).encode(account, NINTH);
        for place in 0..cursor.len() - 1 {
            let mut changed = cursor.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(cursors(1).decode(account, &changed), Err(CursorError::Malformed), "{place}");
        }
        for wrong in ["", "0", "not a cursor", "AAAA"] {
            assert_eq!(cursors(1).decode(account, wrong), Err(CursorError::Malformed));
        }
        // A cursor with a higher sequence and the right checksum still has no valid signature.
        let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        bytes[40] += 1;
        let body = LENGTH - 4;
        let checksum = crc32fast::hash(&bytes[..body]).to_be_bytes();
        bytes[body..].copy_from_slice(&checksum);
        assert_eq!(cursors(1).decode(account, &URL_SAFE_NO_PAD.encode(bytes)), Err(CursorError::Malformed));
    }
}
