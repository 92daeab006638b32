//! Coupons and the numbers that their limits are compared with.

use headwater::domain::coupon::{Coupon, CouponCount, CouponDetails, CouponState, CouponUses};
use headwater::domain::id::CouponId;

use super::{ACCOUNT, NOW, affiliate, enrollment, item, lead, offer, uuid};

pub(crate) fn coupon(number: u128, code: &str, state: CouponState) -> Coupon {
    Coupon {
        id: CouponId::from_uuid(uuid(number)),
        account_id: ACCOUNT,
        enrollment_id: enrollment().id,
        affiliate_id: affiliate().id,
        code: code.to_owned(),
        note: "ten off".to_owned(),
        item_id: None,
        offer_id: None,
        starts_at: None,
        ends_at: None,
        channel: None,
        max_uses: 0,
        max_uses_per_customer: 0,
        details: CouponDetails::default(),
        state,
        created_at: NOW,
        removed_at: (state == CouponState::Removed).then(|| NOW.plus_days(i32::try_from(number).unwrap())),
    }
}

pub(crate) fn coupon_details() -> CouponDetails {
    let metadata = [("crm".to_owned(), "17".to_owned())].into();
    CouponDetails { metadata, ..CouponDetails::default() }
}

/// A coupon of the item that the offer was claimed with.
pub(crate) fn tied_coupon(number: u128) -> Coupon {
    let (item_id, offer_id) = (Some(item().id), Some(offer().id));
    Coupon { item_id, offer_id, ..coupon(number, &format!("TIED{number}"), CouponState::Active) }
}

pub(crate) fn coupon_count() -> CouponCount {
    CouponCount { account_id: ACCOUNT, affiliate_id: affiliate().id, active_count: 2 }
}

/// A coupon that may be used twice, and once by one customer.
pub(crate) fn limited_coupon(number: u128) -> Coupon {
    Coupon { max_uses: 2, max_uses_per_customer: 1, ..coupon(number, &format!("LIMITED{number}"), CouponState::Active) }
}

/// The uses of the limited coupon by the lead.
pub(crate) fn coupon_uses() -> CouponUses {
    let (coupon_id, lead_id) = (limited_coupon(3).id, Some(lead().id));
    CouponUses { account_id: ACCOUNT, coupon_id, lead_id, use_count: 1 }
}
