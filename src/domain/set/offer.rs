//! Look-ups of offers, and of the number of claims that an affiliate has of one.

use std::sync::Arc;

use super::kind::{Key, Kind, Named};
use super::working_set::WorkingSet;
use crate::domain::claim::OfferClaims;
use crate::domain::id::{AccountId, AffiliateId, OfferId};
use crate::domain::offer::Offer;
use crate::domain::refusal::{Refusal, Resource};

impl Kind for Offer {
    type Key = (AccountId, OfferId);

    const NAME: &'static str = "offer";
    const IN_CATALOGUE: bool = true;

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}

impl Named for Offer {
    const RESOURCE: Resource = Resource::Offer;
}

impl Key for (AccountId, OfferId, AffiliateId) {
    fn account_id(&self) -> AccountId {
        self.0
    }
}

impl Kind for OfferClaims {
    type Key = (AccountId, OfferId, AffiliateId);

    const NAME: &'static str = "claims of an offer";

    fn key(&self) -> Self::Key {
        (self.account_id, self.offer_id, self.affiliate_id)
    }
}

impl WorkingSet {
    /// The offer with this id, active or archived.
    pub fn offer(&self, account_id: AccountId, id: OfferId) -> Result<&Arc<Offer>, Refusal> {
        self.get(account_id, id)
    }

    /// How many claims of an offer an affiliate has. If they were not looked up, they are wanted.
    pub fn offer_claims(
        &mut self,
        account_id: AccountId,
        offer_id: OfferId,
        affiliate_id: AffiliateId,
    ) -> Result<OfferClaims, Refusal> {
        let key = (account_id, offer_id, affiliate_id);
        let none = OfferClaims { account_id, offer_id, affiliate_id, claim_count: 0 };
        if let Some(found) = self.offer_claims.find(&key) {
            return Ok(found.map_or(none, |claims| **claims));
        }
        if self.affiliates.is_new(&(account_id, affiliate_id)) {
            return Ok(none);
        }
        self.wanted().row::<OfferClaims>(key);
        Err(Refusal::NotLoaded(OfferClaims::NAME))
    }
}
