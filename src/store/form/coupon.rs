//! The form of a coupon.

use super::field::Text;
use crate::domain::coupon::{Coupon, CouponState};
use crate::domain::id::{AccountId, AffiliateId, CouponId, EnrollmentId, ItemId, OfferId};
use crate::domain::time::Time;

form! {
    /// A coupon.
    CouponForm<'a> of Coupon {
        id: CouponId,
        account_id: AccountId,
        enrollment_id: EnrollmentId,
        affiliate_id: AffiliateId,
        code: Text<'a>,
        state: CouponState,
        created_at: Time,
    }
    unless_empty {
        note: Text<'a>,
        removed_at: Option<Time>,
        item_id: Option<ItemId>,
        offer_id: Option<OfferId>,
    }
}
