//! Coupons: codes that credit an affiliate.

use serde::{Deserialize, Serialize};

use super::affiliate::AffiliateSelector;
use super::id::{AccountId, AffiliateId, CouponId, EnrollmentId, ProgramId};
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Assign a coupon.
#[derive(Debug, Clone)]
pub struct AssignCoupon {
    /// Which affiliate.
    pub affiliate: AffiliateSelector,
    /// The program; none for the account's default.
    pub program_id: Option<ProgramId>,
    /// The code in capitals.
    pub code: String,
    /// Free text.
    pub description: String,
}

/// Remove a coupon.
#[derive(Debug, Clone)]
pub struct RemoveCoupon {
    /// Which coupon.
    pub id: CouponId,
}
