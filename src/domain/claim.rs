//! Claims of offers: how many an affiliate has, and the answer to one.

use std::sync::Arc;

use super::coupon::Coupon;
use super::id::{AccountId, AffiliateId, OfferId};
use super::offer::Offer;

/// How many claims of an offer an affiliate has. It is a row, so that a claim counts none of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct OfferClaims {
    pub account_id: AccountId,
    pub offer_id: OfferId,
    pub affiliate_id: AffiliateId,
    /// The number of claims with an active coupon.
    pub claim_count: i32,
}

/// The answer of ClaimOffer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ClaimOutcome {
    pub offer: Arc<Offer>,
    pub coupon: Arc<Coupon>,
}

impl ClaimOutcome {
    /// See `Affiliate::without_personal_data`.
    pub fn without_personal_data(&self) -> Self {
        Self { offer: Arc::clone(&self.offer), coupon: Arc::new(self.coupon.without_personal_data()) }
    }
}
