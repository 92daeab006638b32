//! The wait of an account's payouts for money at a provider, and the mail to the owner about it: one when it begins and one when it ends.

use std::sync::Arc;

use crate::domain::mail::Letter;
use crate::domain::money::Money;
use crate::domain::payout::Payout;
use crate::domain::payout_purse::FundsWait;
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::Context;
use crate::domain::time::Time;

/// Notes that a payout found too little money. Returns when the next probe is due.
pub(super) fn begin_wait(
    context: &mut Context<'_>,
    payout: &Payout,
    needed: Money,
    available: Option<Money>,
) -> Result<Time, Refusal> {
    let mut purse = context.set.payout_purse(context.account_id, payout.provider)?;
    let currency = payout.amount.currency;
    if let Some(wait) = purse.wait_mut(currency) {
        (wait.needed, wait.available) = (needed, available);
        let probe_at = wait.probe_at;
        context.put(purse);
        return Ok(probe_at);
    }
    let wait = FundsWait::new(currency, needed, available, context.now);
    let probe_at = wait.probe_at;
    purse.waits.push(wait);
    context.put(purse);
    mail_owner(context, &waiting_text(payout, needed, available))?;
    Ok(probe_at)
}

/// Notes that there is money again, and wakes the payouts that wait.
pub(super) fn end_wait(context: &mut Context<'_>, payout: &Payout) -> Result<(), Refusal> {
    let mut purse = context.set.payout_purse(context.account_id, payout.provider)?;
    if purse.end_wait(payout.amount.currency).is_none() {
        return Ok(());
    }
    purse.wake();
    context.put(purse);
    mail_owner(context, &resumed_text(payout))
}

/// Makes the next probe due now, because the payout that was the last one did not come as far as the money.
pub(super) fn pass_probe_on(context: &mut Context<'_>, payout: &Payout) -> Result<(), Refusal> {
    let mut purse = context.set.payout_purse(context.account_id, payout.provider)?;
    let Some(wait) = purse.wait_mut(payout.amount.currency) else { return Ok(()) };
    wait.probe_at = context.now;
    purse.wake();
    context.put(purse);
    Ok(())
}

/// A letter's subject and body.
struct Words {
    subject: String,
    body: String,
}

/// Writes to the owner, unless the address was never verified.
fn mail_owner(context: &mut Context<'_>, words: &Words) -> Result<(), Refusal> {
    let account = Arc::clone(context.set.account(context.account_id)?);
    if account.email_verified_at.is_some() {
        let Words { subject, body } = words;
        context.mail(Letter { recipient: account.email.clone(), subject: subject.clone(), body: body.clone() });
    }
    Ok(())
}

fn waiting_text(payout: &Payout, needed: Money, available: Option<Money>) -> Words {
    let (provider, currency) = (payout.provider.display_name(), payout.amount.currency);
    let has = available.map(|available| format!(" {provider} says that {available} are there.")).unwrap_or_default();
    let body = format!(
        "Hello,\n\nyour account at {provider} has too little money for payouts in {currency}. The payout {} needs {needed}.{has}\n\n\
         This payout and those after it wait, and nothing is lost. Add money at {provider}. The payouts then go on by themselves: at once \
         if you call NotifyFundsAdded, otherwise within six hours.\n",
        payout.id
    );
    Words { subject: format!("Payouts in {currency} wait for money at {provider}"), body }
}

fn resumed_text(payout: &Payout) -> Words {
    let (provider, currency) = (payout.provider.display_name(), payout.amount.currency);
    let body = format!(
        "Hello,\n\nthere is money for payouts in {currency} at {provider} again. The payouts that waited go on by themselves.\n"
    );
    Words { subject: format!("Payouts in {currency} go on at {provider}"), body }
}
