//! Look-ups of affiliates by each of their identifiers. A ref_id belongs to an enrollment.

use std::sync::Arc;

use super::kind::{Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::affiliate::{Affiliate, AffiliateSelector, AffiliateState};
use crate::domain::coupon::Coupon;
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::link::Link;
use crate::domain::refusal::{Refusal, Resource};

/// The links and coupons of an affiliate.
type Codes = (Vec<Arc<Link>>, Vec<Arc<Coupon>>);

impl Kind for Affiliate {
    type Key = (AccountId, AffiliateId);

    const NAME: &'static str = "affiliate";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        for (row, id) in [(before, None), (after, after.map(|row| row.id))] {
            for name in row.into_iter().flat_map(Affiliate::selectors) {
                names.affiliates.insert(name, id);
            }
        }
    }

    fn changed(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        if let (None, Some(new)) = (before, after) {
            names.enrollments_of.insert_absent(new.key());
        }
    }
}

impl Named for Affiliate {
    const RESOURCE: Resource = Resource::Affiliate;
}

impl Affiliate {
    fn selectors(&self) -> impl Iterator<Item = (AccountId, AffiliateSelector)> {
        let names = [
            Some(AffiliateSelector::Id(self.id)),
            self.external_id.clone().map(AffiliateSelector::ExternalId),
            (!self.email.is_empty()).then(|| AffiliateSelector::Email(self.email.clone())),
            Some(AffiliateSelector::TokenHash(self.token_hash)),
        ];
        names.into_iter().flatten().map(|name| (self.account_id, name))
    }
}

impl WorkingSet {
    /// The affiliate with this identifier, or `None`.
    pub fn find_affiliate(
        &self,
        account_id: AccountId,
        selector: &AffiliateSelector,
    ) -> Result<Option<&Arc<Affiliate>>, Refusal> {
        let id = known(self.names.affiliates.get(&(account_id, selector.clone())), "affiliate by name")?;
        id.map(|id| self.existing::<Affiliate>(&(account_id, id))).transpose()
    }

    /// The affiliate with this identifier. Refuses if there is none, or if it was erased.
    pub fn living_affiliate(
        &self,
        account_id: AccountId,
        selector: &AffiliateSelector,
    ) -> Result<&Arc<Affiliate>, Refusal> {
        let affiliate = self.affiliate(account_id, selector)?;
        match affiliate.state {
            AffiliateState::Erased => Err(Refusal::AffiliateErased { affiliate_id: affiliate.id }),
            _ => Ok(affiliate),
        }
    }

    /// All links and coupons of an affiliate, in no order.
    pub fn codes_of(&self, account_id: AccountId, id: AffiliateId) -> Result<Codes, Refusal> {
        known(self.names.code_holders.get(&(account_id, id)), "links and coupons")?;
        let links = self.links.iter().filter(|link| (link.account_id, link.affiliate_id) == (account_id, id));
        let coupons = self.coupons.iter().filter(|coupon| (coupon.account_id, coupon.affiliate_id) == (account_id, id));
        let (mut links, mut coupons): Codes = (links.cloned().collect(), coupons.cloned().collect());
        // The set has no order, and that of events must not depend on it.
        links.sort_unstable_by_key(|link| link.id);
        coupons.sort_unstable_by_key(|coupon| coupon.id);
        Ok((links, coupons))
    }

    /// The affiliate with this identifier. Refuses if there is none.
    pub fn affiliate(&self, account_id: AccountId, selector: &AffiliateSelector) -> Result<&Arc<Affiliate>, Refusal> {
        self.find_affiliate(account_id, selector)?.ok_or_else(|| Refusal::not_found(Resource::Affiliate, selector))
    }
}
