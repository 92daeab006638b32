//! Pages of lists. A page token is opaque to callers. It contains the id of the last row of its page, and a hash of the list and
//! filter that it belongs to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::parse::Fields;
use super::{Call, LIGHT_COUNT_MAX};
use crate::domain::id::AccountId;
use crate::error::Error;
use crate::store::LongRead;
use crate::store::list::{ListOrder, Walk};
use crate::store::metadata::Metadata;

pub(in crate::rpc) const SIZE_DEFAULT: u64 = 50;
pub(in crate::rpc) const SIZE_MAX: u64 = 1_000;

const VERSION: u8 = 1;
const HASH_LENGTH: usize = 12;
const LENGTH: usize = 1 + 16 + HASH_LENGTH;

/// The version of a token that also has a sum.
const VERSION_WITH_SUM: u8 = 2;
const LENGTH_WITH_SUM: usize = LENGTH + 8;

/// A page of this many bytes takes no further row. Well below the 4 MiB that clients accept by default.
const BYTES_MAX: usize = 3 << 20;

/// The number of rows on a page, from the request's `page_size`.
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

/// The size and the order of the pages that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) struct Shape {
    size: u64,
    order: ListOrder,
}

impl Shape {
    pub(in crate::rpc) const fn new(size: u64, order: ListOrder) -> Self {
        Self { size, order }
    }
}

/// Reads `page_size` and `order`.
pub(in crate::rpc) fn shape(fields: &mut Fields, page_size: i32, order: i32) -> Shape {
    Shape {
        size: size(fields, page_size),
        order: fields.optional_value("order", order).unwrap_or(ListOrder::OldestFirst),
    }
}

/// The rows to read for one page.
#[derive(Debug)]
pub(in crate::rpc) struct Page {
    shape: Shape,
    /// Only rows after this id.
    after: Option<Uuid>,
    /// The sum over the rows before the page, for lists that need it.
    sum_minor: i64,
    filter_hash: [u8; HASH_LENGTH],
    /// Held by a long page until it is filled.
    long_read: Option<LongRead>,
}

impl Page {
    /// The page that a request asks for. `filter` is the request with `page_size` and `page_token` empty.
    ///
    /// # Errors
    /// [`Error::PageTokenInvalid`] when the token was not issued for this list, filter and account.
    pub(in crate::rpc) fn new(
        account_id: AccountId,
        method: &str,
        filter: &impl Message,
        shape: Shape,
        token: &str,
    ) -> Result<Self, Error> {
        let filter_hash = filter_hash(account_id, method, filter);
        let (after, sum_minor) = match token {
            "" => (None, 0),
            token => last_place(token, filter_hash).map(|(id, sum_minor)| (Some(id), sum_minor))?,
        };
        Ok(Self { shape, after, sum_minor, filter_hash, long_read: None })
    }

    /// The sum over the rows before the page, as `fill_with_sums` of the page before had it. A token is not signed, so it may be any number.
    pub(in crate::rpc) const fn sum_minor(&self) -> i64 {
        self.sum_minor
    }

    /// The rows to read: one more than the page has, which shows whether there is a next page.
    pub(in crate::rpc) fn walk(&self) -> Walk {
        Walk { order: self.shape.order, after: self.after, limit: self.shape.size + 1 }
    }

    /// The rows of the page as messages, and the token of the next page. The token is empty after the last page.
    pub(in crate::rpc) fn fill<Row, M: Message>(
        &self,
        rows: Vec<Row>,
        id: impl Fn(&Row) -> Uuid,
        render: impl Fn(Row) -> M,
    ) -> (Vec<M>, String) {
        self.fill_with_sums(rows, |row| (id(row), 0), render)
    }

    /// Like `fill`, for a list with a sum over all rows up to each one, which the next page goes on from.
    pub(in crate::rpc) fn fill_with_sums<Row, M: Message>(
        &self,
        rows: Vec<Row>,
        place: impl Fn(&Row) -> (Uuid, i64),
        render: impl Fn(Row) -> M,
    ) -> (Vec<M>, String) {
        let size = usize::try_from(self.shape.size).unwrap_or(usize::MAX);
        let (mut messages, mut bytes, mut last) = (Vec::with_capacity(rows.len().min(size)), 0, None);
        for row in rows {
            let place = place(&row);
            let message = render(row);
            bytes += entry_length(&message);
            // The first row always fits.
            if let Some(last) = last
                && (messages.len() >= size || bytes > BYTES_MAX)
            {
                return (messages, self.token(last));
            }
            messages.push(message);
            last = Some(place);
        }
        (messages, String::new())
    }

    /// Like `fill`, for a page that may have ended at this place before it was full.
    pub(in crate::rpc) fn fill_until<Row, M: Message>(
        &self,
        rows: Vec<Row>,
        ended_at: Option<Uuid>,
        id: impl Fn(&Row) -> Uuid,
        render: impl Fn(Row) -> M,
    ) -> (Vec<M>, String) {
        let (messages, token) = self.fill(rows, id, render);
        match ended_at {
            Some(place) if token.is_empty() => (messages, self.token((place, 0))),
            _ => (messages, token),
        }
    }

    fn token(&self, (last_id, sum_minor): (Uuid, i64)) -> String {
        let mut bytes = Vec::with_capacity(LENGTH_WITH_SUM);
        bytes.push(if sum_minor == 0 { VERSION } else { VERSION_WITH_SUM });
        bytes.extend(last_id.as_bytes());
        bytes.extend(self.filter_hash);
        if sum_minor != 0 {
            bytes.extend(sum_minor.to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// As many messages of an unpaged list as fit into the bytes of a page.
pub(in crate::rpc) fn up_to_bytes_max<M: Message>(messages: impl IntoIterator<Item = M>) -> Vec<M> {
    up_to_bytes(BYTES_MAX, messages)
}

/// As many messages of an unpaged list as fit into this many bytes.
pub(in crate::rpc) fn up_to_bytes<M: Message>(bytes_max: usize, messages: impl IntoIterator<Item = M>) -> Vec<M> {
    let mut bytes = 0;
    let fits = |message: &M| {
        bytes += entry_length(message);
        bytes <= bytes_max
    };
    messages.into_iter().take_while(fits).collect()
}

/// The room for messages in an answer that is not paged.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Room {
    bytes: usize,
}

impl Room {
    /// The message, if it fits. The first one always does.
    pub(in crate::rpc) fn take<M: Message>(&mut self, message: M) -> Option<M> {
        let is_first = self.bytes == 0;
        let bytes = self.bytes + entry_length(&message);
        if bytes > BYTES_MAX && !is_first {
            return None;
        }
        self.bytes = bytes;
        Some(message)
    }
}

/// The bytes that a message takes in a list: the message, its tag and its length.
fn entry_length(message: &impl Message) -> usize {
    let length = message.encoded_len();
    1 + prost::length_delimiter_len(length) + length
}

impl Call {
    /// The page of the list that this call asks for, once the account may read it. `filter` is the request with `page_size` and
    /// `page_token` empty.
    pub(in crate::rpc) async fn page(&self, filter: &impl Message, shape: Shape, token: &str) -> Result<Page, Error> {
        let mut page = Page::new(self.account_id(), self.name.method, filter, shape, token)?;
        if shape.size > LIGHT_COUNT_MAX {
            page.long_read = Some(self.store().long_read(self.account_id()).await);
        }
        Ok(page)
    }

    /// The page of a list that may be filtered by the merchant's own texts, and then reads many more rows than the page has.
    pub(in crate::rpc) async fn page_with(
        &self,
        metadata: &Metadata,
        filter: &impl Message,
        shape: Shape,
        token: &str,
    ) -> Result<Page, Error> {
        if metadata.is_empty() {
            self.page(filter, shape, token).await
        } else {
            self.page_of_scan(filter, shape, token).await
        }
    }

    /// Like `page`, for a list that may read many more rows than the page has.
    pub(in crate::rpc) async fn page_of_scan(
        &self,
        filter: &impl Message,
        shape: Shape,
        token: &str,
    ) -> Result<Page, Error> {
        let mut page = Page::new(self.account_id(), self.name.method, filter, shape, token)?;
        page.long_read = Some(self.store().long_read(self.account_id()).await);
        Ok(page)
    }
}

/// The last row of the page before, and the sum up to it.
fn last_place(token: &str, filter_hash: [u8; HASH_LENGTH]) -> Result<(Uuid, i64), Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Error::PageTokenInvalid)?;
    let (rest, sum) = match bytes.as_slice() {
        [VERSION, rest @ ..] if bytes.len() == LENGTH => (rest, [0; 8]),
        [VERSION_WITH_SUM, rest @ ..] if bytes.len() == LENGTH_WITH_SUM => {
            let (rest, sum) = rest.split_at(LENGTH - 1);
            (rest, sum.try_into().map_err(|_| Error::PageTokenInvalid)?)
        }
        _ => return Err(Error::PageTokenInvalid),
    };
    if rest[16..] != filter_hash {
        return Err(Error::PageTokenInvalid);
    }
    let id = Uuid::from_slice(&rest[..16]).map_err(|_| Error::PageTokenInvalid)?;
    Ok((id, i64::from_be_bytes(sum)))
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
        let filter = pb::ListProgramsRequest { states: vec![state], ..Default::default() };
        Page::new(account_id, method, &filter, Shape { size: 2, order: ListOrder::OldestFirst }, token)
    }

    #[test]
    fn a_full_page_leads_to_the_next() {
        let first = page(account(1), METHOD, 0, "").unwrap();
        assert_eq!(first.walk(), Walk::first(3));
        let rows: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        let render = |id: Uuid| pb::Program { id: id.to_string(), ..Default::default() };
        let (messages, token) = first.fill(rows.clone(), |id| *id, render);
        assert_eq!(messages.len(), 2);
        let second = page(account(1), METHOD, 0, &token).unwrap();
        assert_eq!(second.walk().after, Some(Uuid::from_u128(2)));
        // Rows that fit into one page make the last page.
        assert_eq!(second.fill(rows[1..].to_vec(), |id| *id, render).1, "");
    }

    #[test]
    fn a_page_is_cut_by_bytes_and_the_next_one_goes_on_there() {
        let large =
            |length: usize| move |_: Uuid| pb::Program { landing_url: "x".repeat(length), ..Default::default() };
        let rows: Vec<Uuid> = (1..=2).map(Uuid::from_u128).collect();
        let first = page(account(1), METHOD, 0, "").unwrap();
        let (messages, token) = first.fill(rows.clone(), |id| *id, large(2 << 20));
        assert_eq!(messages.len(), 1);
        assert_eq!(page(account(1), METHOD, 0, &token).unwrap().walk().after, Some(rows[0]));
        // A row larger than any page is sent alone.
        assert_eq!(first.fill(rows, |id| *id, large(5 << 20)).0.len(), 1);
        assert_eq!(up_to_bytes_max([Uuid::nil(); 4].map(large(1 << 20))).len(), 2);
    }

    #[test]
    fn a_token_fits_its_own_list_filter_and_account_alone() {
        let token = page(account(1), METHOD, 1, "").unwrap().token((Uuid::from_u128(9), 0));
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
    fn a_page_goes_on_from_the_sum_of_the_one_before() {
        let first = page(account(1), METHOD, 0, "").unwrap();
        let render = |_: (Uuid, i64)| pb::Program::default();
        let rows: Vec<(Uuid, i64)> = vec![(Uuid::from_u128(1), 0), (Uuid::from_u128(2), -7), (Uuid::from_u128(3), 9)];
        let (messages, token) = first.fill_with_sums(rows, |row| *row, render);
        assert_eq!((messages.len(), first.sum_minor()), (2, 0));
        let second = page(account(1), METHOD, 0, &token).unwrap();
        assert_eq!((second.walk().after, second.sum_minor()), (Some(Uuid::from_u128(2)), -7));
        assert!(matches!(page(account(2), METHOD, 0, &token), Err(Error::PageTokenInvalid)));
        assert!(matches!(page(account(1), METHOD, 0, &token[..token.len() - 2]), Err(Error::PageTokenInvalid)));
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
