//! Coupons: codes that credit an affiliate.

use super::id::{AccountId, AffiliateId, CouponId, EnrollmentId};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a coupon.
    CouponState {
        /// Credits its affiliate.
        Active = "active",
        /// Credits nobody.
        Removed = "removed",
    }
}

/// A code that credits an affiliate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Coupon {
    pub id: CouponId,
    pub account_id: AccountId,
    /// The enrollment that it credits.
    pub enrollment_id: EnrollmentId,
    /// The affiliate that it credits.
    pub affiliate_id: AffiliateId,
    /// The code in capitals, unique among the account's active coupons.
    pub code: String,
    pub note: String,
    pub state: CouponState,
    pub created_at: Time,
    pub removed_at: Option<Time>,
}

/// The rank of a coupon among all with its code. The active one is the highest, then the one that was removed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CouponRank {
    is_active: bool,
    removed_at: Option<Time>,
    pub id: CouponId,
}

impl Coupon {
    /// A code means the coupon with the highest rank.
    pub fn rank(&self) -> CouponRank {
        CouponRank { is_active: self.state == CouponState::Active, removed_at: self.removed_at, id: self.id }
    }
}
