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
pub struct Coupon {
    /// Its id.
    pub id: CouponId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The enrollment that it credits.
    pub enrollment_id: EnrollmentId,
    /// The affiliate that it credits.
    pub affiliate_id: AffiliateId,
    /// The code in capitals, unique among the account's active coupons.
    pub code: String,
    /// Free text.
    pub description: String,
    /// Its state.
    pub state: CouponState,
    /// When it was assigned.
    pub created_at: Time,
    /// When it was removed.
    pub removed_at: Option<Time>,
}

/// Which of several coupons with one code is meant: the active one, or else the one that was removed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CouponRank {
    is_active: bool,
    removed_at: Option<Time>,
    /// The coupon.
    pub id: CouponId,
}

impl Coupon {
    /// The greatest of those with its code is meant.
    pub fn rank(&self) -> CouponRank {
        CouponRank { is_active: self.state == CouponState::Active, removed_at: self.removed_at, id: self.id }
    }
}
