//! Cursors of the feed: opaque to clients, and theirs to keep for as long as they like.
//!
//! A cursor names its database, its account and a place in that account's feed. It is the same whatever filter it is used with.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::domain::id::AccountId;
use crate::store::Identity;

/// Version 1: version byte, database id, account id, sequence, 8 bytes of HMAC-SHA256, CRC-32 of all before.
const VERSION: u8 = 1;
const MAC_LENGTH: usize = 8;
const SIGNED_LENGTH: usize = 1 + 16 + 16 + 8;
const LENGTH: usize = SIGNED_LENGTH + MAC_LENGTH + 4;

/// Why a cursor cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorError {
    /// It is not one of ours, or was changed on the way.
    Malformed,
    /// It belongs to another database or another account.
    Foreign,
}

/// The cursor after this sequence of the account's feed. Sequence 0 is before the first event.
pub fn encode(identity: &Identity, account_id: AccountId, sequence: i64) -> String {
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.push(VERSION);
    bytes.extend(identity.database_id.as_bytes());
    bytes.extend(account_id.uuid().as_bytes());
    bytes.extend(sequence.to_be_bytes());
    let mac = mac(identity, &bytes);
    bytes.extend(mac);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The sequence that the cursor stands after.
///
/// # Errors
/// See [`CursorError`].
pub fn decode(identity: &Identity, account_id: AccountId, cursor: &str) -> Result<i64, CursorError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| CursorError::Malformed)?;
    let bytes: &[u8; LENGTH] = bytes.as_slice().try_into().map_err(|_| CursorError::Malformed)?;
    let (body, checksum) = bytes.split_at(LENGTH - 4);
    if bytes[0] != VERSION || checksum != crc32fast::hash(body).to_be_bytes() {
        return Err(CursorError::Malformed);
    }
    let (signed, given_mac) = body.split_at(SIGNED_LENGTH);
    // Another database signs with another secret, so its name is looked at before the signature.
    if signed[1..17] != *identity.database_id.as_bytes() {
        return Err(CursorError::Foreign);
    }
    if !bool::from(mac(identity, signed).ct_eq(given_mac)) {
        return Err(CursorError::Malformed);
    }
    let owner = Uuid::from_slice(&signed[17..33]).map_err(|_| CursorError::Malformed)?;
    if owner != account_id.uuid() {
        return Err(CursorError::Foreign);
    }
    let sequence: [u8; 8] = signed[33..41].try_into().map_err(|_| CursorError::Malformed)?;
    Ok(i64::from_be_bytes(sequence))
}

fn mac(identity: &Identity, signed: &[u8]) -> [u8; MAC_LENGTH] {
    let mut short = [0; MAC_LENGTH];
    // HMAC takes a key of any length, so this cannot fail; an empty signature would fit nothing.
    if let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&identity.secret) {
        hmac.update(b"cursor");
        hmac.update(signed);
        short.copy_from_slice(&hmac.finalize().into_bytes()[..MAC_LENGTH]);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: u128) -> Identity {
        Identity { database_id: Uuid::from_u128(number), secret: [7; 32] }
    }

    #[test]
    fn a_cursor_comes_back() {
        let account = AccountId::from_uuid(Uuid::from_u128(5));
        for sequence in [0, 1, 4_000_000_000, i64::MAX] {
            let cursor = encode(&identity(1), account, sequence);
            assert_eq!(decode(&identity(1), account, &cursor), Ok(sequence));
        }
    }

    #[test]
    fn another_database_or_account_is_foreign() {
        let account = AccountId::from_uuid(Uuid::from_u128(5));
        let cursor = encode(&identity(1), account, 9);
        assert_eq!(decode(&identity(2), account, &cursor), Err(CursorError::Foreign));
        let other = AccountId::from_uuid(Uuid::from_u128(6));
        assert_eq!(decode(&identity(1), other, &cursor), Err(CursorError::Foreign));
    }

    #[test]
    fn a_cursor_that_was_changed_anywhere_is_malformed() {
        let account = AccountId::from_uuid(Uuid::from_u128(5));
        let cursor = encode(&identity(1), account, 9);
        for place in 0..cursor.len() - 1 {
            let mut changed = cursor.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(decode(&identity(1), account, &changed), Err(CursorError::Malformed), "{place}");
        }
        for wrong in ["", "0", "not a cursor", "AAAA"] {
            assert_eq!(decode(&identity(1), account, wrong), Err(CursorError::Malformed));
        }
        // A sequence that was raised and given a fitting checksum lacks the signature.
        let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        bytes[40] += 1;
        let body = LENGTH - 4;
        let checksum = crc32fast::hash(&bytes[..body]).to_be_bytes();
        bytes[body..].copy_from_slice(&checksum);
        assert_eq!(decode(&identity(1), account, &URL_SAFE_NO_PAD.encode(bytes)), Err(CursorError::Malformed));
    }
}
