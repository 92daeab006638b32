//! The rules of tax profiles: an affiliate's is set, the owner confirms or refuses it, and it is removed.

use std::sync::Arc;

use super::context::{Context, Rule};
use crate::domain::affiliate::{AffiliateSelector, PostalAddress};
use crate::domain::calendar::Day;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::payout::PayoutPolicy;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::Needs;
use crate::domain::tax_profile::{PayeeKind, TaxDetails, TaxForm, TaxNumber, TaxProfile, TaxProfileState, TaxReview};

/// Set the tax profile of an affiliate. The parts fit each other.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the profile")]
pub struct SetTaxProfile {
    pub affiliate: AffiliateSelector,
    pub payee_kind: PayeeKind,
    pub legal_name: String,
    pub address: PostalAddress,
    pub residence_country: String,
    pub form: TaxForm,
    pub signed_on: Option<Day>,
    /// `None`: the stored number is kept, if the form may have it.
    pub number: Option<TaxNumber>,
}

impl Rule for SetTaxProfile {
    type Answer = Arc<TaxProfile>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let affiliate_id = context.set.living_affiliate(context.account_id, &self.affiliate)?.id;
        let before = context.set.tax_profile(context.account_id, affiliate_id)?;
        let stored = before.as_ref().and_then(|before| before.details.as_ref()?.number.clone());
        let number = self.number.clone().or(stored).filter(|number| self.form.numbers().contains(&number.kind));
        if number.is_none() && self.form.needs_number() {
            let problem = format!("is required for form {}, and none is stored that it may have", self.form);
            return Err(Refusal::InvalidField { field: Field::TaxNumber, problem });
        }
        let details = TaxDetails {
            payee_kind: self.payee_kind,
            legal_name: self.legal_name.clone(),
            address: self.address.clone(),
            residence_country: self.residence_country.clone(),
            form: self.form,
            signed_on: self.signed_on,
            number,
            state: TaxProfileState::Received,
            review: TaxReview::default(),
        };
        let profile = TaxProfile {
            account_id: context.account_id,
            affiliate_id,
            details: Some(details),
            version: before.as_ref().map_or(0, |before| before.version),
            created_at: before.map_or(context.now, |before| before.created_at),
            updated_at: context.now,
        };
        Ok(put(context, EventKind::TaxProfileSet, profile))
    }
}

/// Confirm the tax profile of an affiliate.
#[derive(Debug, Clone)]
pub struct ConfirmTaxProfile {
    /// The affiliate.
    pub affiliate: AffiliateSelector,
    /// Refuse unless this is the profile's etag.
    pub etag: Option<String>,
}

impl Rule for ConfirmTaxProfile {
    type Answer = Arc<TaxProfile>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        review(context, &self.affiliate, self.etag.as_ref(), None)
    }
}

/// Refuse the tax profile of an affiliate.
#[derive(Debug, Clone)]
pub struct RefuseTaxProfile {
    /// The affiliate.
    pub affiliate: AffiliateSelector,
    /// Refuse the call unless this is the profile's etag.
    pub etag: Option<String>,
    /// Why.
    pub reason: String,
}

impl Rule for RefuseTaxProfile {
    type Answer = Arc<TaxProfile>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        review(context, &self.affiliate, self.etag.as_ref(), Some(&self.reason))
    }
}

/// Notes what the owner said about a profile: why it is refused, or that it is right. A form that has expired must be signed anew first.
fn review(
    context: &mut Context<'_>,
    affiliate: &AffiliateSelector,
    etag: Option<&String>,
    refusal_reason: Option<&String>,
) -> Result<Arc<TaxProfile>, Refusal> {
    let (before, details) = present(context, affiliate)?;
    if etag.is_some_and(|etag| *etag != before.etag()) {
        return Err(Refusal::EtagMismatch { resource: Resource::TaxProfile, current_etag: before.etag() });
    }
    let state = details.state_at(context.now);
    if state == TaxProfileState::Expired {
        return Err(Refusal::TaxProfileState { affiliate_id: before.affiliate_id, state });
    }
    let state = if refusal_reason.is_some() { TaxProfileState::Refused } else { TaxProfileState::Confirmed };
    let refusal_reason = refusal_reason.cloned().unwrap_or_default();
    if state == details.state && refusal_reason == details.review.refusal_reason {
        return Ok(before);
    }
    let review = TaxReview { reviewed_by: context.key_id, reviewed_at: Some(context.now), refusal_reason };
    let details = Some(TaxDetails { state, review, ..details });
    let profile = TaxProfile { details, updated_at: context.now, ..before.as_ref().clone() };
    Ok(put(context, EventKind::TaxProfileReviewed, profile))
}

/// Remove the tax profile of an affiliate.
#[derive(Debug, Clone)]
pub struct RemoveTaxProfile {
    /// The affiliate.
    pub affiliate: AffiliateSelector,
}

impl Rule for RemoveTaxProfile {
    type Answer = Arc<TaxProfile>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let (before, _) = present(context, &self.affiliate)?;
        let profile = TaxProfile { details: None, updated_at: context.now, ..before.as_ref().clone() };
        Ok(put(context, EventKind::TaxProfileRemoved, profile))
    }
}

/// The profile of an affiliate, and what it has.
fn present(context: &mut Context<'_>, affiliate: &AffiliateSelector) -> Result<(Arc<TaxProfile>, TaxDetails), Refusal> {
    let affiliate_id = context.set.living_affiliate(context.account_id, affiliate)?.id;
    let profile = context.set.tax_profile(context.account_id, affiliate_id)?;
    let found = profile.and_then(|profile| profile.details.clone().map(|details| (profile, details)));
    found.ok_or_else(|| Refusal::not_found(Resource::TaxProfile, affiliate_id))
}

/// Stores a changed profile under the next version, and tells it.
fn put(context: &mut Context<'_>, kind: EventKind, profile: TaxProfile) -> Arc<TaxProfile> {
    let profile = context.put(TaxProfile { version: profile.version.saturating_add(1), ..profile });
    context.tell(kind, EventImage::TaxProfile(Arc::clone(&profile)));
    profile
}

/// The state of an affiliate's tax profile, if the account does not pay the affiliate because of it.
pub(super) fn fault(
    context: &mut Context<'_>,
    policy: &PayoutPolicy,
    affiliate_id: AffiliateId,
) -> Result<Option<TaxProfileState>, Refusal> {
    if !policy.requires_tax_profile {
        return Ok(None);
    }
    let profile = context.set.tax_profile(context.account_id, affiliate_id)?;
    let state = profile.map_or(TaxProfileState::Missing, |profile| profile.state_at(context.now));
    Ok((!state.may_be_paid()).then_some(state))
}
