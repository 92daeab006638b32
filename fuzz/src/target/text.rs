//! Short texts from outside: cursors, keys, ids, currencies, timeouts. Any text is read or refused, and whatever is read has one
//! spelling.

use std::fmt::Display;
use std::str::FromStr;

use headwater::app::cursor::Cursors;
use headwater::auth::key;
use headwater::deadline::Deadline;
use headwater::domain::account::KeyKind;
use headwater::domain::event::{EventKind, FeedPlace};
use headwater::domain::id::{
    AccountId, AffiliateGroupId, AffiliateId, ApiKeyId, BountyId, ClickId, ConversionId, CouponId, EnrollmentId,
    EventId, ItemId, LeadId, LinkId, OfferId, ProgramId, RewardId, SubmissionId,
};
use headwater::domain::money::{Currency, Rounding};
use headwater::store::Identity;
use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

use crate::draw::{Draw, garbled};

/// See the head of the file.
///
/// # Panics
/// A property does not hold.
pub fn text(input: &[u8]) {
    let mut draw = Draw::new(input);
    let seed = match draw.below(6) {
        0 => cursor(&mut draw),
        // The key of the test of the format; it opens nothing.
        1 => "hw_admin_AAAAAAAAAAAAbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb3INU9A".to_owned(),
        2 => format!("{}_{:032x}", draw.of(&["acc", "aff", "key", "clk", "evt"]), u128::from(draw.byte())),
        3 => format!("{}{}", draw.number(), draw.of(&["H", "M", "S", "m", "u", "n", ""])),
        4 => "USD".to_owned(),
        _ => String::new(),
    };
    let garbled = garbled(&mut draw, seed.clone().into_bytes());
    let text = String::from_utf8_lossy(&garbled);
    every_parser(&text);
    changed_cursor(&seed, &text);
    timeout(&garbled);
    if let Some(prefix) = key::prefix(&text) {
        assert!(text.starts_with(prefix), "{text}");
        assert!(text == seed, "a changed key passes its checksum: {text}");
    }
}

fn cursors() -> Cursors {
    Cursors::new(&Identity { database_id: Uuid::from_u128(1), secret: [7; 32] })
}

fn account() -> AccountId {
    AccountId::from_uuid(Uuid::from_u128(2))
}

fn cursor(draw: &mut Draw<'_>) -> String {
    cursors().encode(account(), FeedPlace { sequence: draw.number() & i64::MAX, check: u32::from(draw.byte()) })
}

fn changed_cursor(seed: &str, text: &str) {
    let read = cursors().decode(account(), text);
    assert!(text == seed || read.is_err(), "a changed cursor is accepted: {text}");
    if let Ok(place) = read {
        assert_eq!(cursors().encode(account(), place), text);
    }
}

fn timeout(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let headers = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-timeout"), value)]);
    if let Some(deadline) = Deadline::sent_in(&headers) {
        // No timeout overflows the clock.
        let _ = (deadline.handler_end(), deadline.wait_end());
    }
}

/// Checks that a text that can be read is written back unchanged, so that each value has one spelling.
fn one_spelling<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

fn every_parser(text: &str) {
    one_spelling::<AccountId>(text);
    one_spelling::<ApiKeyId>(text);
    one_spelling::<ProgramId>(text);
    one_spelling::<AffiliateId>(text);
    one_spelling::<EnrollmentId>(text);
    one_spelling::<LinkId>(text);
    one_spelling::<CouponId>(text);
    one_spelling::<AffiliateGroupId>(text);
    one_spelling::<ItemId>(text);
    one_spelling::<OfferId>(text);
    one_spelling::<BountyId>(text);
    one_spelling::<SubmissionId>(text);
    one_spelling::<ClickId>(text);
    one_spelling::<LeadId>(text);
    one_spelling::<ConversionId>(text);
    one_spelling::<RewardId>(text);
    one_spelling::<EventId>(text);
    one_spelling::<Currency>(text);
    one_spelling::<Rounding>(text);
    one_spelling::<EventKind>(text);
    one_spelling::<KeyKind>(text);
}
