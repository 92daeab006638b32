//! Who writes an invoice and for whom, as it is now. What an invoice says does not change when this does.

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::affiliate::Affiliate;
use crate::domain::billing_profile::BillingProfile;
use crate::domain::id::{AffiliateId, PayoutId};
use crate::domain::payout::Payout;
use crate::domain::payout_document::{DocumentParty, InvoiceTax, shown_tax_number};
use crate::domain::payout_method::Sealed;
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::Context;
use crate::domain::tax_profile::TaxProfile;

/// What the profiles say.
pub(super) struct Parties {
    pub(super) issuer: DocumentParty,
    pub(super) payee: DocumentParty,
    pub(super) payee_tax_number: Option<Sealed>,
    pub(super) tax: InvoiceTax,
    pub(super) payment_terms: String,
    /// The beginning of the account's numbers.
    pub(super) number_prefix: String,
}

/// The parties of a payout to an affiliate.
pub(super) fn of(context: &mut Context<'_>, account: &Account, affiliate_id: AffiliateId) -> Result<Parties, Refusal> {
    let (billing, profile, affiliate) = rows(context, affiliate_id)?;
    let affiliate = affiliate.ok_or(Refusal::NotLoaded("the affiliate of a payout"))?;
    let details = profile.as_ref().and_then(|profile| profile.details.as_ref());
    Ok(Parties {
        issuer: DocumentParty::issuer(account, billing.as_deref()),
        payee: DocumentParty::payee(&affiliate, details),
        payee_tax_number: details.and_then(shown_tax_number).cloned(),
        tax: affiliate.profile.invoice_tax.clone().unwrap_or_default(),
        payment_terms: billing.as_ref().map(|billing| billing.payment_terms.clone()).unwrap_or_default(),
        number_prefix: billing.map(|billing| billing.invoice_prefix.clone()).unwrap_or_default(),
    })
}

type PartyRows = (Option<Arc<BillingProfile>>, Option<Arc<TaxProfile>>, Option<Arc<Affiliate>>);

/// The rows of the parties. All that are missing are wanted at once.
fn rows(context: &mut Context<'_>, affiliate_id: AffiliateId) -> Result<PartyRows, Refusal> {
    let account_id = context.account_id;
    let billing = context.set.find_or_want::<BillingProfile>(account_id);
    let profile = context.set.find_or_want::<TaxProfile>((account_id, affiliate_id));
    let affiliate = context.set.find_or_want::<Affiliate>((account_id, affiliate_id));
    Ok((billing?, profile?, affiliate?))
}

/// Wants the parties of all payouts at once, so that they are loaded together.
pub(super) fn want(context: &mut Context<'_>, ids: &[PayoutId]) -> Result<(), Refusal> {
    if !is_wanted(context.set.account(context.account_id)?) {
        return Ok(());
    }
    let mut loaded = Ok(());
    for id in ids {
        let affiliate_id = context.get::<Payout, _>(*id)?.affiliate_id;
        loaded = loaded.and(rows(context, affiliate_id).map(|_| ()));
    }
    loaded
}

/// Whether the account wants a self-billing invoice for what it pays.
pub(super) fn is_wanted(account: &Account) -> bool {
    account.payout_policy.as_ref().is_some_and(|policy| policy.self_billing_invoices)
}
