//! Any text from outside is either read or refused, and causes nothing else.

use std::fmt::Display;
use std::str::FromStr;

use headwater::app::cursor::Cursors;
use headwater::domain::attribution::{AttributionSource, CandidateResult};
use headwater::domain::event::{EventKind, FeedPlace};
use headwater::domain::id::{
    AccountId, AffiliateId, ApiKeyId, ClickId, ConversionId, CouponId, EnrollmentId, EventId, LeadId, LinkId,
    ProgramId, RewardId,
};
use headwater::domain::money::{Currency, Rounding};
use headwater::store::Identity;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use uuid::Uuid;

use super::config;

/// Checks that a text that can be read is written back unchanged, so that each value has one spelling.
fn one_spelling<T: FromStr + Display>(text: &str) -> Result<(), TestCaseError> {
    if let Ok(value) = text.parse::<T>() {
        prop_assert_eq!(value.to_string(), text);
    }
    Ok(())
}

fn every_parser(text: &str) -> Result<(), TestCaseError> {
    one_spelling::<AccountId>(text)?;
    one_spelling::<ApiKeyId>(text)?;
    one_spelling::<ProgramId>(text)?;
    one_spelling::<AffiliateId>(text)?;
    one_spelling::<EnrollmentId>(text)?;
    one_spelling::<LinkId>(text)?;
    one_spelling::<CouponId>(text)?;
    one_spelling::<ClickId>(text)?;
    one_spelling::<LeadId>(text)?;
    one_spelling::<ConversionId>(text)?;
    one_spelling::<RewardId>(text)?;
    one_spelling::<EventId>(text)?;
    one_spelling::<Currency>(text)?;
    one_spelling::<Rounding>(text)?;
    one_spelling::<EventKind>(text)?;
    one_spelling::<AttributionSource>(text)?;
    one_spelling::<CandidateResult>(text)
}

fn cursors() -> Cursors {
    Cursors::new(&Identity { database_id: Uuid::from_u128(1), secret: [7; 32] })
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>()) {
        every_parser(&text)?;
        prop_assert!(cursors().decode(AccountId::from_uuid(Uuid::from_u128(2)), &text).is_err());
    }

    #[test]
    fn nearly_valid_texts_are_parsed_or_refused(
        text in "(acc|key|prg|aff|enr|lnk|cpn|clk|led|cnv|rwd|evt|AFF)?_?[0-9a-gA-F-]{30,37}|[A-Z]{3}|[a-z]{4}_[a-z]{4,9}",
    ) {
        every_parser(&text)?;
    }

    #[test]
    fn ids_round_trip(number in any::<u128>()) {
        let id = RewardId::from_uuid(Uuid::from_u128(number));
        prop_assert_eq!(id.to_string().parse::<RewardId>(), Ok(id));
        prop_assert!(id.to_string().parse::<AffiliateId>().is_err());
    }

    #[test]
    fn cursors_round_trip_and_changed_ones_are_refused(
        owner in any::<u128>(), sequence in 0..=i64::MAX, check in any::<u32>(), cut in any::<prop::sample::Index>(), tail in any::<String>(),
    ) {
        let owner = AccountId::from_uuid(Uuid::from_u128(owner));
        let place = FeedPlace { sequence, check };
        let text = cursors().encode(owner, place);
        prop_assert_eq!(cursors().decode(owner, &text), Ok(place));
        let changed = format!("{}{tail}", &text[..cut.index(text.len())]);
        prop_assert!(changed == text || cursors().decode(owner, &changed).is_err());
    }
}
