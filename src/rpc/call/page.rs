//! Pages of lists. A page token is opaque to callers: it holds the id of the last row of its page, and a hash of the list and
//! filter that it belongs to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Call;
use super::parse::Fields;
use crate::domain::id::AccountId;
use crate::error::Error;

const SIZE_DEFAULT: u64 = 50;
const SIZE_MAX: u64 = 1_000;

const VERSION: u8 = 1;
const HASH_LENGTH: usize = 12;
const LENGTH: usize = 1 + 16 + HASH_LENGTH;

/// How many rows a page of this size holds at most.
pub(in crate::rpc) fn size(fields: &mut Fields, page_size: i32) -> u64 {
    match u64::try_from(page_size) {
        Ok(0) => SIZE_DEFAULT,
        Ok(size) => size.min(SIZE_MAX),
        Err(_) => {
            fields.wrong("page_size", format!("must not be negative; send 0 for {SIZE_DEFAULT}"));
            SIZE_DEFAULT
        }
    }
}

/// The rows to read for one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rpc) struct Page {
    /// The rows after this id.
    pub(in crate::rpc) after: Option<Uuid>,
    size: u64,
    filter_hash: [u8; HASH_LENGTH],
}

impl Page {
    /// The page that a request asks for. `filter` is the request with `page_size` and `page_token` empty.
    ///
    /// # Errors
    /// [`Error::PageTokenInvalid`] for a token that was not given out for this list, filter and account.
    pub(in crate::rpc) fn new(
        account_id: AccountId,
        method: &str,
        filter: &impl Message,
        size: u64,
        token: &str,
    ) -> Result<Self, Error> {
        let filter_hash = filter_hash(account_id, method, filter);
        let after = if token.is_empty() { None } else { Some(last_id(token, filter_hash)?) };
        Ok(Self { after, size, filter_hash })
    }

    /// How many rows to read: one more than the page holds, which shows whether there is a next one.
    pub(in crate::rpc) fn limit(&self) -> u64 {
        self.size + 1
    }

    /// Cuts the rows to the page, and makes the token of the next one; empty after the last.
    pub(in crate::rpc) fn cut<Row>(&self, rows: &mut Vec<Row>, id: impl Fn(&Row) -> Uuid) -> String {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return String::new();
        }
        rows.truncate(size);
        rows.last().map(|row| self.token(id(row))).unwrap_or_default()
    }

    fn token(&self, last_id: Uuid) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(VERSION);
        bytes.extend(last_id.as_bytes());
        bytes.extend(self.filter_hash);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

impl Call {
    /// The page of the list that this call asks for. `filter` is the request with `page_size` and `page_token` empty.
    pub(in crate::rpc) fn page(&self, filter: &impl Message, size: u64, token: &str) -> Result<Page, Error> {
        Page::new(self.account_id(), self.name.method, filter, size, token)
    }
}

fn last_id(token: &str, filter_hash: [u8; HASH_LENGTH]) -> Result<Uuid, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Error::PageTokenInvalid)?;
    match bytes.as_slice() {
        [VERSION, rest @ ..] if bytes.len() == LENGTH && rest[16..] == filter_hash => {
            Uuid::from_slice(&rest[..16]).map_err(|_| Error::PageTokenInvalid)
        }
        _ => Err(Error::PageTokenInvalid),
    }
}

fn filter_hash(account_id: AccountId, method: &str, filter: &impl Message) -> [u8; HASH_LENGTH] {
    let mut hasher = Sha256::new();
    hasher.update(account_id.uuid().as_bytes());
    hasher.update(method.as_bytes());
    hasher.update([0]);
    hasher.update(filter.encode_to_vec());
    let hash = hasher.finalize();
    let mut short = [0; HASH_LENGTH];
    short.copy_from_slice(&hash[..HASH_LENGTH]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb;

    const METHOD: &str = "headwater.v1.AffiliateService/ListPrograms";

    fn account(number: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(number))
    }

    fn page(account_id: AccountId, method: &str, state: i32, token: &str) -> Result<Page, Error> {
        let filter = pb::ListProgramsRequest { state, ..Default::default() };
        Page::new(account_id, method, &filter, 2, token)
    }

    #[test]
    fn a_full_page_leads_to_the_next() {
        let first = page(account(1), METHOD, 0, "").unwrap();
        assert_eq!((first.after, first.limit()), (None, 3));
        let mut rows: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        let token = first.cut(&mut rows, |id| *id);
        assert_eq!(rows.len(), 2);
        let second = page(account(1), METHOD, 0, &token).unwrap();
        assert_eq!(second.after, Some(Uuid::from_u128(2)));
        // Rows that fit into one page are the last page.
        assert_eq!(second.cut(&mut rows, |id| *id), "");
    }

    #[test]
    fn a_token_fits_its_own_list_filter_and_account_alone() {
        let token = page(account(1), METHOD, 1, "").unwrap().token(Uuid::from_u128(9));
        assert!(page(account(1), METHOD, 1, &token).is_ok());
        for other in [
            page(account(1), METHOD, 2, &token),
            page(account(2), METHOD, 1, &token),
            page(account(1), "headwater.v1.AffiliateService/ListAffiliates", 1, &token),
            page(account(1), METHOD, 1, &token[1..]),
            page(account(1), METHOD, 1, "1"),
            page(account(1), METHOD, 1, "not a token"),
        ] {
            assert!(matches!(other, Err(Error::PageTokenInvalid)), "{other:?}");
        }
    }

    #[test]
    fn page_sizes_have_a_default_and_a_most() {
        let mut fields = Fields::default();
        assert_eq!([0, 1, 1_000, 1_001, i32::MAX].map(|asked| size(&mut fields, asked)), [50, 1, 1_000, 1_000, 1_000]);
        fields.finish().unwrap();
        let mut fields = Fields::default();
        size(&mut fields, -1);
        assert!(fields.finish().is_err());
    }
}
