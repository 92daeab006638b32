//! Forms of offers and claims.

use super::coupon::CouponForm;
use super::field::Text;
use crate::domain::claim::ClaimOutcome;
use crate::domain::id::{AccountId, ItemId, OfferId, ProgramId};
use crate::domain::offer::{Offer, OfferState};
use crate::domain::time::Time;

form! {
    /// An offer.
    OfferForm<'a> of Offer {
        id: OfferId,
        account_id: AccountId,
        program_id: ProgramId,
        display_name: Text<'a>,
        state: OfferState,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        about: Text<'a>,
        item_id: Option<ItemId>,
        code_prefix: Text<'a>,
        starts_at: Option<Time>,
        ends_at: Option<Time>,
        max_claims: i32,
        max_claims_per_affiliate: i32,
        claim_count: i32,
        archived_at: Option<Time>,
        max_uses_per_coupon: i32,
    }
}

form! {
    /// An offer after a claim, and the claimant's coupon.
    ClaimOutcomeForm<'a> of ClaimOutcome {
        offer: Box<OfferForm<'a>>,
        coupon: Box<CouponForm<'a>>,
    }
}
