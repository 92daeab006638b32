//! Look-ups of coupons by code, where an active coupon comes before removed ones, and the number of an affiliate's coupons.

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

    fn index(_before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let Some(after) = after else { return };
        let (name, rank) = ((after.account_id, after.code.clone()), after.rank());
        let is_behind =
            names.coupon_codes.get(&name).flatten().is_some_and(|other| other.id != rank.id && other > rank);
        if !is_behind {
            names.coupon_codes.insert(name, Some(rank));
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
    /// The active coupon with this code, or else the one removed last.
    pub fn coupon_with_code(&self, account_id: AccountId, code: &str) -> Result<Option<&Arc<Coupon>>, Refusal> {
        let rank = known(self.names.coupon_codes.get(&(account_id, code.to_owned())), "coupon by code")?;
        rank.map(|rank| self.existing::<Coupon>(&(account_id, rank.id))).transpose()
    }

    /// How many active coupons the affiliate has.
    pub fn active_coupon_count(&self, account_id: AccountId, affiliate_id: AffiliateId) -> Result<i64, Refusal> {
        let count = known(self.names.coupon_counts.get(&(account_id, affiliate_id)), "coupon count")?;
        Ok(count.unwrap_or(0))
    }
}
