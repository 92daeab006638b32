//! Coupons: codes that credit an affiliate.

use super::id::{AccountId, AffiliateId, CouponId, EnrollmentId};
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
    pub state: CouponState,
    pub created_at: Time,
    pub removed_at: Option<Time>,
}

impl Coupon {
    /// Whether the coupon was removed at a time.
    pub fn is_removed_at(&self, time: Time) -> bool {
        self.removed_at.is_some_and(|removed_at| removed_at <= time)
    }
}
