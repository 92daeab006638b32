//! The rules of payout methods: where an affiliate's payouts go from now on, or once a change has waited.

use std::sync::Arc;

use super::context::{Context, Rule};
use crate::domain::account::Account;
use crate::domain::affiliate::{Affiliate, AffiliateSelector};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::AccountId;
use crate::domain::mail::Letter;
use crate::domain::payout_method::{
    MethodChoice, MethodFault, PayoutDestination, PayoutMethod, PayoutMethodKind, PendingChoice,
};
use crate::domain::refusal::Refusal;
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Set the payout method of an affiliate. The first one is in effect at once. A change waits as long as the account's policy says.
#[derive(Debug, Clone)]
pub struct SetPayoutMethod {
    /// The affiliate.
    pub affiliate: AffiliateSelector,
    /// Where payouts go.
    pub destination: PayoutDestination,
    /// The keyed hash of the account that gets the money.
    pub fingerprint: [u8; 32],
    /// The same hash with older keys of the server.
    pub older_fingerprints: Vec<[u8; 32]>,
    /// Why a change does not wait. `None`: it waits.
    pub override_reason: Option<String>,
}

impl Rule for SetPayoutMethod {
    type Answer = Arc<PayoutMethod>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.affiliate(account, &self.affiliate);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let account = Arc::clone(context.set.account(context.account_id)?);
        let affiliate = Arc::clone(context.set.living_affiliate(context.account_id, &self.affiliate)?);
        let before = context.set.payout_method(context.account_id, affiliate.id)?;
        let policy = account.payout_policy.clone().unwrap_or_default();
        let wait_hours = if self.override_reason.is_some() { 0 } else { policy.method_change_hours };
        let choice =
            MethodChoice { destination: self.destination.clone(), fingerprint: self.fingerprint, set_at: context.now };
        let at_present = |before: Arc<PayoutMethod>| {
            before.at(context.now).with_fingerprint(&self.older_fingerprints, self.fingerprint)
        };
        let Some(before) = before.map(at_present) else {
            let method = PayoutMethod {
                account_id: context.account_id,
                affiliate_id: affiliate.id,
                current: Some(choice),
                pending: None,
                override_reason: String::new(),
                created_at: context.now,
                updated_at: context.now,
            };
            return Ok(put(context, EventKind::PayoutMethodSet, method));
        };
        let method = self.changed(&before, choice, context.now.plus_hours(wait_hours), context.now);
        let is_waiting = |method: &PayoutMethod| {
            method.pending.as_ref().is_some_and(|pending| pending.choice.fingerprint == self.fingerprint)
        };
        let is_told = before.is_current(self.fingerprint) || (is_waiting(&before) && is_waiting(&method));
        if !is_told {
            let wait_hours = if is_waiting(&method) { wait_hours } else { 0 };
            mail(context, &affiliate, &change_letter(&account, &self.destination, wait_hours));
        }
        Ok(put(context, EventKind::PayoutMethodSet, method))
    }
}

impl SetPayoutMethod {
    /// The method after a change that takes effect at this time. The same account as the present one is no change: its details are corrected,
    /// and a change that waits is given up.
    fn changed(&self, before: &PayoutMethod, choice: MethodChoice, effective_at: Time, now: Time) -> PayoutMethod {
        if before.is_current(self.fingerprint) {
            return PayoutMethod { current: Some(choice), pending: None, ..before.clone() };
        }
        if effective_at <= now {
            let override_reason = self.override_reason.clone().unwrap_or_default();
            return PayoutMethod { current: Some(choice), pending: None, override_reason, ..before.clone() };
        }
        // A change that waits already goes on waiting, and not from the start.
        let waiting = before.pending.as_ref().filter(|pending| pending.choice.fingerprint == self.fingerprint);
        let pending = match waiting {
            Some(pending) => PendingChoice { choice, effective_at: pending.effective_at.min(effective_at) },
            None => PendingChoice { choice, effective_at },
        };
        PayoutMethod { pending: Some(pending), ..before.clone() }
    }
}

/// Remove the payout method of an affiliate, and a change that waits.
#[derive(Debug, Clone)]
pub struct RemovePayoutMethod {
    /// The affiliate.
    pub affiliate: AffiliateSelector,
}

impl Rule for RemovePayoutMethod {
    type Answer = Arc<PayoutMethod>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.affiliate(account, &self.affiliate);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let affiliate = Arc::clone(context.set.living_affiliate(context.account_id, &self.affiliate)?);
        let before = context.set.payout_method(context.account_id, affiliate.id)?;
        let none = Refusal::PayoutMethod { affiliate_id: affiliate.id, fault: MethodFault::NoMethod };
        let before = before.ok_or(none)?;
        if before.current.is_none() && before.pending.is_none() {
            return Ok(before);
        }
        let account = Arc::clone(context.set.account(context.account_id)?);
        mail(context, &affiliate, &removal_letter(&account));
        let override_reason = String::new();
        let removed = PayoutMethod { current: None, pending: None, override_reason, ..before.as_ref().clone() };
        Ok(put(context, EventKind::PayoutMethodRemoved, removed))
    }
}

fn put(context: &mut Context<'_>, kind: EventKind, method: PayoutMethod) -> Arc<PayoutMethod> {
    let method = context.put(PayoutMethod { updated_at: context.now, ..method });
    context.tell(kind, EventImage::PayoutMethod(Arc::clone(&method)));
    method
}

/// Tells the affiliate, at the address that it has, and at the one that it had lately. Who takes over an account changes the address first.
fn mail(context: &mut Context<'_>, affiliate: &Affiliate, (subject, body): &(String, String)) {
    let former = affiliate.former_email.as_ref().filter(|former| former.counts_at(context.now));
    let former = former.map(|former| former.email.clone());
    let recipients = [Some(affiliate.email.clone()), former].into_iter().flatten();
    for recipient in recipients.filter(|recipient| !recipient.is_empty()) {
        let letter = Letter { recipient, subject: subject.clone(), body: body.clone() };
        context.mail_to_affiliate(affiliate.id, letter);
    }
}

fn change_letter(account: &Account, destination: &PayoutDestination, wait_hours: i32) -> (String, String) {
    let when = match wait_hours {
        0 => "It is used from now on.".to_owned(),
        hours => format!("It is used in {hours} hours. Until then your money goes where it went before."),
    };
    let body = format!(
        "Hello,\n\nthe way in which \u{201c}{}\u{201d} pays you was changed. The new destination is {} ({}). {when}\n\n\
         If you did not ask for this change, tell \u{201c}{}\u{201d} at once.\n",
        account.display_name,
        destination.hint,
        name(destination),
        account.display_name,
    );
    ("The way in which you are paid was changed".to_owned(), body)
}

fn removal_letter(account: &Account) -> (String, String) {
    let body = format!(
        "Hello,\n\nthe way in which \u{201c}{0}\u{201d} pays you was removed.\n\nIf you did not ask for this, tell \u{201c}{0}\u{201d} at \
         once.\n",
        account.display_name
    );
    ("The way in which you are paid was removed".to_owned(), body)
}

/// The kind of a destination in a letter.
fn name(destination: &PayoutDestination) -> &'static str {
    match destination.kind {
        PayoutMethodKind::PayPal => "PayPal",
        PayoutMethodKind::Stripe => "Stripe",
        PayoutMethodKind::Wise => "Wise",
        PayoutMethodKind::Iban | PayoutMethodKind::UnitedStatesBank => "a bank account",
        PayoutMethodKind::Other => "another way",
    }
}
