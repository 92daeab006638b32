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

/// The rank of a coupon among all coupons with its code. The active one ranks highest, then the one removed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CouponRank {
    is_active: bool,
    removed_at: Option<Time>,
    pub id: CouponId,
}

impl Coupon {
    /// The coupon's rank. A code means the coupon with the highest rank.
    pub fn rank(&self) -> CouponRank {
        CouponRank { is_active: self.state == CouponState::Active, removed_at: self.removed_at, id: self.id }
    }
}
