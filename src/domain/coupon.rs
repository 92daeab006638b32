//! Coupons: codes that credit an affiliate.

use super::attribution::CandidateResult;
use super::id::{AccountId, AffiliateId, CouponId, EnrollmentId, ItemId, OfferId};
use super::item::Item;
use super::offer::Offer;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a coupon.
    CouponState {
        /// The coupon credits its affiliate.
        Active = "active",
        /// The coupon credits nobody.
        Removed = "removed",
    }
}

/// A code that credits an affiliate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Coupon {
    pub id: CouponId,
    pub account_id: AccountId,
    /// The enrollment that the coupon credits.
    pub enrollment_id: EnrollmentId,
    /// The affiliate that the coupon credits.
    pub affiliate_id: AffiliateId,
    /// The code, folded: in capitals and in one spelling. Unique among the account's active coupons.
    pub code: String,
    pub note: String,
    /// The item that the coupon is tied to. It never changes, because sales that are told late are judged by it.
    pub item_id: Option<ItemId>,
    /// The offer that was claimed with the coupon.
    pub offer_id: Option<OfferId>,
    pub state: CouponState,
    pub created_at: Time,
    pub removed_at: Option<Time>,
}

impl Coupon {
    /// The coupon as it is kept in answers, see `Affiliate::without_personal_data`.
    pub fn without_personal_data(&self) -> Self {
        Self { note: String::new(), ..self.clone() }
    }

    /// Whether the coupon was removed at a time.
    pub fn is_removed_at(&self, time: Time) -> bool {
        self.removed_at.is_some_and(|removed_at| removed_at <= time)
    }
}

/// What a coupon is tied to.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CouponTies<'row> {
    pub item: Option<&'row Item>,
    pub offer: Option<&'row Offer>,
}

impl CouponTies<'_> {
    /// Why a coupon with these ties does not credit a sale of an item at this time, if so. A sale that names no item counts as one of
    /// the coupon's item, because the code itself says which item it is for.
    pub fn why_not_crediting(self, item_sku: &str, sold_at: Time) -> Option<CandidateResult> {
        if self.item.is_some_and(|item| !item_sku.is_empty() && item.sku != item_sku) {
            Some(CandidateResult::CouponOfOtherItem)
        } else if self.offer.is_some_and(|offer| offer.is_over_at(sold_at)) {
            Some(CandidateResult::OfferOver)
        } else {
            None
        }
    }
}

/// How many active coupons an affiliate has. It is a row, so that assigning a coupon counts none of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CouponCount {
    pub account_id: AccountId,
    pub affiliate_id: AffiliateId,
    pub active_count: i32,
}
