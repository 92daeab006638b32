//! Look-ups of coupons by code, removed ones too, and the number of an affiliate's coupons.

use std::sync::Arc;

use super::kind::{Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::coupon::{Coupon, CouponState};
use crate::domain::id::{AccountId, AffiliateId, CouponId};
use crate::domain::refusal::{Refusal, Resource};

impl Kind for Coupon {
    type Key = (AccountId, CouponId);

    const NAME: &'static str = "coupon";
    const IN_CATALOGUE: bool = true;

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        if let (None, Some(new)) = (before, after) {
            names.coupon_codes.add((new.account_id, new.code.clone()), new.id);
        }
    }

    fn changed(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let active = |row: Option<&Self>| i64::from(row.is_some_and(|row| row.state == CouponState::Active));
        let Some(row) = after.or(before) else { return };
        let key = (row.account_id, row.affiliate_id);
        if let Some(Some(count)) = names.coupon_counts.get(&key) {
            names.coupon_counts.insert(key, Some(count + active(after) - active(before)));
        }
    }
}

impl Named for Coupon {
    const RESOURCE: Resource = Resource::Coupon;
}

impl WorkingSet {
    /// All coupons that ever had this code, in the order in which they were assigned. At most one of them is active.
    pub fn coupons_with_code(&self, account_id: AccountId, code: &str) -> Result<Vec<&Arc<Coupon>>, Refusal> {
        let ids = known(self.names.coupon_codes.get(&(account_id, code.to_owned())), "coupons by code")?;
        let mut coupons =
            ids.iter().map(|id| self.existing(&(account_id, *id))).collect::<Result<Vec<&Arc<Coupon>>, _>>()?;
        coupons.sort_by_key(|coupon| (coupon.created_at, coupon.id));
        Ok(coupons)
    }

    /// How many active coupons the affiliate has.
    pub fn active_coupon_count(&self, account_id: AccountId, affiliate_id: AffiliateId) -> Result<i64, Refusal> {
        let count = known(self.names.coupon_counts.get(&(account_id, affiliate_id)), "coupon count")?;
        Ok(count.unwrap_or(0))
    }
}
