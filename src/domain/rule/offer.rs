//! The rules of offers.

use std::sync::Arc;

use super::context::{Context, Rule};
use super::new_coupon::{self, NewCoupon, UseLimits};
use super::newcomer::CodeHolder;
use crate::domain::account::Account;
use crate::domain::claim::{ClaimOutcome, OfferClaims};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, AffiliateId, OfferId, ProgramId};
use crate::domain::item::ItemSelector;
use crate::domain::offer::{Offer, OfferState};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Create an offer.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the offer")]
pub struct CreateOffer {
    /// The program; `None` for the account's default program.
    pub program_id: Option<ProgramId>,
    pub display_name: String,
    pub about: String,
    pub item: Option<ItemSelector>,
    pub code_prefix: String,
    pub starts_at: Option<Time>,
    pub ends_at: Option<Time>,
    pub max_claims: i32,
    pub max_claims_per_affiliate: i32,
    pub max_uses_per_coupon: i32,
}

impl Rule for CreateOffer {
    type Answer = Arc<Offer>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.program(account, self.program_id);
        if let Some(item) = &self.item {
            needs.item(account, item);
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let program_id = context.set.active_program(context.account_id, self.program_id)?.id;
        let item_id = match &self.item {
            Some(item) => Some(context.set.active_item(context.account_id, item)?.id),
            None => None,
        };
        let offer = Offer {
            id: OfferId::new(context.ids),
            account_id: context.account_id,
            program_id,
            display_name: self.display_name.clone(),
            about: self.about.clone(),
            item_id,
            code_prefix: self.code_prefix.clone(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            max_claims: self.max_claims,
            max_claims_per_affiliate: self.max_claims_per_affiliate,
            max_uses_per_coupon: self.max_uses_per_coupon,
            claim_count: 0,
            state: OfferState::Active,
            created_at: context.now,
            updated_at: context.now,
            archived_at: None,
        };
        check_end(&offer, context.now)?;
        Ok(put(context, EventKind::OfferCreated, offer))
    }
}

/// Checks a new end: it is later than now, because sales of the past are judged already, and later than the start.
fn check_end(offer: &Offer, now: Time) -> Result<(), Refusal> {
    let Some(ends_at) = offer.ends_at else { return Ok(()) };
    let problem = if ends_at <= now {
        "must be in the future"
    } else if offer.starts_at.is_some_and(|starts_at| ends_at <= starts_at) {
        "must be later than start_time"
    } else {
        return Ok(());
    };
    Err(Refusal::InvalidField { field: Field::EndTime, problem: problem.to_owned() })
}

fn put(context: &mut Context<'_>, kind: EventKind, offer: Offer) -> Arc<Offer> {
    let offer = context.put(Offer { updated_at: context.now, ..offer });
    context.tell(kind, EventImage::Offer(Arc::clone(&offer)));
    offer
}

/// Change an offer. A field that is `None` keeps its value.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the offer")]
pub struct UpdateOffer {
    /// The offer to change.
    pub id: OfferId,
    pub display_name: Option<String>,
    pub about: Option<String>,
    /// `Some(None)`: from its creation on.
    pub starts_at: Option<Option<Time>>,
    /// `Some(None)`: without end.
    pub ends_at: Option<Option<Time>>,
    pub max_claims: Option<i32>,
    pub max_claims_per_affiliate: Option<i32>,
    pub max_uses_per_coupon: Option<i32>,
}

impl Rule for UpdateOffer {
    type Answer = Arc<Offer>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Offer>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = Arc::clone(context.set.offer(context.account_id, self.id)?);
        let mut offer = before.as_ref().clone();
        if let Some(display_name) = &self.display_name {
            offer.display_name.clone_from(display_name);
        }
        if let Some(about) = &self.about {
            offer.about.clone_from(about);
        }
        if let Some(starts_at) = self.starts_at {
            offer.starts_at = starts_at;
        }
        if let Some(ends_at) = self.ends_at {
            offer.ends_at = ends_at;
        }
        if offer.ends_at != before.ends_at && before.is_over_at(context.now) {
            let problem = "has passed, so it cannot be changed; create another offer".to_owned();
            return Err(Refusal::InvalidField { field: Field::EndTime, problem });
        }
        if (offer.starts_at, offer.ends_at) != (before.starts_at, before.ends_at) {
            check_end(&offer, context.now)?;
        }
        offer.max_claims = self.max_claims.unwrap_or(offer.max_claims);
        offer.max_claims_per_affiliate = self.max_claims_per_affiliate.unwrap_or(offer.max_claims_per_affiliate);
        offer.max_uses_per_coupon = self.max_uses_per_coupon.unwrap_or(offer.max_uses_per_coupon);
        Ok(put(context, EventKind::OfferUpdated, offer))
    }
}

/// Archive an offer.
#[derive(Debug, Clone)]
pub struct ArchiveOffer {
    /// The offer to archive.
    pub id: OfferId,
}

impl Rule for ArchiveOffer {
    type Answer = Arc<Offer>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Offer>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let offer = context.set.offer(context.account_id, self.id)?;
        if offer.state == OfferState::Archived {
            return Ok(Arc::clone(offer));
        }
        let archived = Offer { state: OfferState::Archived, archived_at: Some(context.now), ..offer.as_ref().clone() };
        Ok(put(context, EventKind::OfferArchived, archived))
    }
}

/// Claim an offer.
#[derive(Debug, Clone)]
pub struct ClaimOffer {
    /// The offer to claim.
    pub id: OfferId,
    /// The claimant.
    pub recipient: CodeHolder,
    /// The code of the coupon, folded. `None`: a code is generated.
    pub code: Option<String>,
    /// Random capitals and digits that make a generated code unique.
    pub code_suffix: String,
    /// Free text; may be empty.
    pub note: String,
}

impl Rule for ClaimOffer {
    type Answer = Arc<ClaimOutcome>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Offer>((account, self.id));
        self.recipient.needs(account, needs);
        needs.row::<Account>(account);
        if let Some(code) = &self.code {
            needs.coupon_code(account, code);
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let offer = Arc::clone(context.set.offer(context.account_id, self.id)?);
        if let Some(closed) = offer.why_closed_at(context.now) {
            return Err(Refusal::OfferClosed { offer_id: offer.id, closed });
        }
        if offer.max_claims > 0 && offer.claim_count >= offer.max_claims {
            return Err(Refusal::OfferLimit { offer_id: offer.id, limit: offer.max_claims });
        }
        // A generated code begins with the offer's prefix, so it is looked up after the offer.
        let code = self.code.clone().unwrap_or_else(|| format!("{}{}", offer.code_prefix, self.code_suffix));
        context.set.wanted().coupon_code(context.account_id, &code);
        let enrollment = self.recipient.enrolled(context, Some(offer.program_id))?;
        let claims = context.set.offer_claims(context.account_id, offer.id, enrollment.affiliate_id)?;
        let limit = offer.max_claims_per_affiliate;
        if limit > 0 && claims.claim_count >= limit {
            return Err(Refusal::ClaimantLimit { offer_id: offer.id, limit });
        }
        let wanted = NewCoupon {
            note: &self.note,
            item_id: offer.item_id,
            offer_id: Some(offer.id),
            limits: UseLimits { max_uses: offer.max_uses_per_coupon, ..UseLimits::default() },
            ..NewCoupon::plain(Field::Code, &code)
        };
        let coupon = new_coupon::make(context, &enrollment, wanted)?;
        context.put(OfferClaims { claim_count: claims.claim_count.saturating_add(1), ..claims });
        let claimed = Offer { claim_count: offer.claim_count.saturating_add(1), ..offer.as_ref().clone() };
        let offer = put(context, EventKind::OfferClaimed, claimed);
        Ok(Arc::new(ClaimOutcome { offer, coupon }))
    }
}

/// Takes the claim of a removed coupon off the counts, so that another claim fits.
pub(super) fn give_claim_back(
    context: &mut Context<'_>,
    offer_id: OfferId,
    affiliate_id: AffiliateId,
) -> Result<(), Refusal> {
    let claims = context.set.offer_claims(context.account_id, offer_id, affiliate_id)?;
    context.put(OfferClaims { claim_count: claims.claim_count - 1, ..claims });
    let offer = context.set.offer(context.account_id, offer_id)?.as_ref().clone();
    put(context, EventKind::OfferUpdated, Offer { claim_count: offer.claim_count - 1, ..offer });
    Ok(())
}
