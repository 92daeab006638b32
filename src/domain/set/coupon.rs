//! Look-ups of coupons by code, removed ones too, of the number of an affiliate's coupons, and of the number of a coupon's uses.

use std::sync::Arc;

use super::kind::{Key, Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::coupon::{Coupon, CouponCount, CouponTies, CouponUses};
use crate::domain::id::{AccountId, AffiliateId, CouponId, LeadId};
use crate::domain::item::Item;
use crate::domain::offer::Offer;
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
}

impl Named for Coupon {
    const RESOURCE: Resource = Resource::Coupon;
}

impl Kind for CouponCount {
    type Key = (AccountId, AffiliateId);

    const NAME: &'static str = "coupon count";

    fn key(&self) -> Self::Key {
        (self.account_id, self.affiliate_id)
    }
}

impl Key for (AccountId, CouponId, Option<LeadId>) {
    fn account_id(&self) -> AccountId {
        self.0
    }
}

impl Kind for CouponUses {
    type Key = (AccountId, CouponId, Option<LeadId>);

    const NAME: &'static str = "uses of a coupon";

    fn key(&self) -> Self::Key {
        (self.account_id, self.coupon_id, self.lead_id)
    }
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

    /// The item and the offer that a coupon is tied to.
    pub fn ties_of(&self, coupon: &Coupon) -> Result<CouponTies<'_>, Refusal> {
        let account_id = coupon.account_id;
        let item = coupon.item_id.map(|id| self.existing::<Item>(&(account_id, id))).transpose()?;
        let offer = coupon.offer_id.map(|id| self.existing::<Offer>(&(account_id, id))).transpose()?;
        Ok(CouponTies { item: item.map(AsRef::as_ref), offer: offer.map(AsRef::as_ref) })
    }

    /// How many active coupons an affiliate has. If they were not looked up, they are wanted.
    pub fn coupon_count(&mut self, account_id: AccountId, affiliate_id: AffiliateId) -> Result<CouponCount, Refusal> {
        let key = (account_id, affiliate_id);
        let none = CouponCount { account_id, affiliate_id, active_count: 0 };
        if let Some(found) = self.coupon_counts.find(&key) {
            return Ok(found.map_or(none, |count| **count));
        }
        if self.affiliates.is_new(&key) {
            return Ok(none);
        }
        self.wanted().row::<CouponCount>(key);
        Err(Refusal::NotLoaded(CouponCount::NAME))
    }

    /// How often a coupon was used, by a customer or in total. If it was not looked up, it is wanted.
    pub fn coupon_uses(&mut self, coupon: &Coupon, lead_id: Option<LeadId>) -> Result<CouponUses, Refusal> {
        let (account_id, coupon_id) = (coupon.account_id, coupon.id);
        let key = (account_id, coupon_id, lead_id);
        let none = CouponUses { account_id, coupon_id, lead_id, use_count: 0 };
        if let Some(found) = self.coupon_uses.find(&key) {
            return Ok(found.map_or(none, |uses| **uses));
        }
        if self.coupons.is_new(&coupon.key()) || lead_id.is_some_and(|id| self.leads.is_new(&(account_id, id))) {
            return Ok(none);
        }
        self.wanted().row::<CouponUses>(key);
        Err(Refusal::NotLoaded(CouponUses::NAME))
    }
}
