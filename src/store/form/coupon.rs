//! The form of a coupon.

use std::collections::BTreeMap;

use super::enrollment::DatedCommissionForm;
use super::field::Text;
use super::program::CommissionForm;
use crate::domain::conversion::SaleChannel;
use crate::domain::coupon::{Coupon, CouponDetails, CouponRate, CouponState};
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
        starts_at: Option<Time>,
        ends_at: Option<Time>,
        channel: Option<SaleChannel>,
        max_uses: i32,
        max_uses_per_customer: i32,
    }
    left_out {
        details: CouponDetails::default(),
    }
}

form! {
    /// What few coupons have.
    CouponDetailsForm<'a> of CouponDetails {}
    unless_empty {
        metadata: BTreeMap<Text<'a>, Text<'a>>,
        rates: Vec<CouponRateForm>,
        dated_commissions: Vec<DatedCommissionForm>,
    }
}

form! {
    /// A version of a coupon's own commission.
    CouponRateForm of CouponRate {}
    unless_empty {
        starts_at: Option<Time>,
        commission: Option<CommissionForm>,
        ends_at: Option<Time>,
    }
}
