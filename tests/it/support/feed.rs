//! Starts of feed readers, and the parts of events that tests look at.

use headwater::pb;
use pb::event::Subject;
use pb::feed_start::Place;

/// From the oldest event that is kept.
pub(crate) fn from_beginning() -> pb::FeedStart {
    pb::FeedStart { place: Some(Place::Position(pb::FeedPosition::Beginning.into())) }
}

/// After the newest event.
pub(crate) fn from_latest() -> pb::FeedStart {
    pb::FeedStart { place: Some(Place::Position(pb::FeedPosition::Latest.into())) }
}

/// After the event with this cursor.
pub(crate) fn from_cursor(cursor: String) -> pb::FeedStart {
    pb::FeedStart { place: Some(Place::AfterCursor(cursor)) }
}

/// The conversion that an event is about, if it is about one.
pub(crate) fn conversion_of(event: &pb::Event) -> Option<&pb::Conversion> {
    match &event.subject {
        Some(Subject::Conversion(conversion)) => Some(conversion),
        _ => None,
    }
}

/// The affiliates that an event concerns.
pub(crate) fn affiliates_of(event: &pb::Event) -> Vec<&str> {
    match &event.subject {
        Some(Subject::Conversion(row)) => row.credits.iter().map(|credit| &*credit.affiliate_id).collect(),
        Some(Subject::Lead(row)) => row.credits.iter().map(|credit| &*credit.affiliate_id).collect(),
        Some(Subject::Reward(row)) => vec![&row.affiliate_id],
        Some(Subject::Affiliate(row)) => vec![&row.id],
        Some(Subject::Enrollment(row)) => vec![&row.affiliate_id],
        Some(Subject::Link(row)) => vec![&row.affiliate_id],
        Some(Subject::Coupon(row)) => vec![&row.affiliate_id],
        Some(Subject::Payout(row)) => vec![&row.affiliate_id],
        Some(Subject::PayoutDocument(row)) => vec![&row.affiliate_id],
        Some(Subject::PayoutMethod(row)) => vec![&row.affiliate_id],
        Some(Subject::TaxProfile(row)) => vec![&row.affiliate_id],
        Some(Subject::Submission(row)) => vec![&row.affiliate_id],
        Some(
            Subject::Program(_)
            | Subject::AffiliateGroup(_)
            | Subject::Item(_)
            | Subject::Offer(_)
            | Subject::Bounty(_)
            | Subject::PayoutConnection(_)
            | Subject::PayoutReconciliation(_)
            | Subject::BillingProfile(_)
            | Subject::PayoutRun(_)
            | Subject::PayoutSchedule(_)
            | Subject::ApiKey(_)
            | Subject::Account(_),
        )
        | None => Vec::new(),
    }
}

/// The money of a value in cash, as all values are in tests.
pub(crate) fn cash(value: Option<&pb::RewardValue>) -> &pb::Money {
    match value.and_then(|value| value.amount.as_ref()) {
        Some(pb::reward_value::Amount::Cash(money)) => money,
        other => panic!("{other:?}"),
    }
}
