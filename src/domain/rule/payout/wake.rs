//! What sets the sending of payouts going again: news of money or of a payment, and a person who has mended what was wrong.

use std::sync::Arc;

use super::needs_of_routes;
use crate::domain::id::{AccountId, PayoutId};
use crate::domain::money::Currency;
use crate::domain::payout::{Payout, PayoutProvider, PayoutState, Sending};
use crate::domain::payout_attempt::PayoutAttempt;
use crate::domain::payout_purse::PayoutPurse;
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::{Context, Rule};
use crate::domain::set::Needs;

/// Make the next step of all open payouts of a provider due now.
#[derive(Debug, Clone)]
pub struct WakePayouts {
    /// The provider.
    pub provider: PayoutProvider,
    /// Whether there may be more money, so that a payout is sent to see it. Else only the payouts that the provider has are looked at.
    pub has_funds: bool,
    /// Money in this currency alone. `None`: in any.
    pub currency: Option<Currency>,
    /// Only this payout, also if it was paid. `None`: all of them that are open.
    pub payout_id: Option<PayoutId>,
}

impl Rule for WakePayouts {
    type Answer = Arc<PayoutPurse>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<PayoutPurse>((account, self.provider));
        needs.payout_attempts.extend(self.payout_id.map(|id| (account, id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let mut purse = context.set.payout_purse(context.account_id, self.provider)?;
        if let Some(payout_id) = self.payout_id {
            let attempt = context.set.payout_attempt(context.account_id, payout_id)?.cloned();
            // A step that is under way sees the news itself, or a later one does.
            let is_due = |attempt: &Arc<PayoutAttempt>| {
                attempt.provider == self.provider && attempt.next_at.is_some() && !attempt.is_under_way
            };
            if let Some(attempt) = attempt.filter(is_due) {
                context.put(PayoutAttempt { next_at: Some(context.now), ..attempt.as_ref().clone() });
            }
            return Ok(Arc::new(purse));
        }
        purse.wake();
        if self.has_funds {
            let is_meant = |currency| self.currency.is_none_or(|wanted| wanted == currency);
            for wait in purse.waits.iter_mut().filter(|wait| is_meant(wait.currency)) {
                // The pauses begin anew, because money may take some minutes to arrive.
                (wait.probe_at, wait.probe_count) = (context.now, 0);
            }
        }
        Ok(context.put(purse))
    }
}

/// Adds the rows that [`wake_connected`] reads.
pub(in crate::domain::rule) fn needs_of_wake(account: AccountId, needs: &mut Needs) {
    needs_of_routes(account, needs);
    PayoutProvider::ALL.iter().for_each(|provider| needs.row::<PayoutPurse>((account, *provider)));
}

/// Makes the next step of all open payouts due that providers send, as at the end of a suspension.
pub(in crate::domain::rule) fn wake_connected(context: &mut Context<'_>) -> Result<(), Refusal> {
    for provider in PayoutProvider::ALL.iter().filter(|provider| provider.is_sent()) {
        if context.set.is_connected(context.account_id, *provider)? {
            let mut purse = context.set.payout_purse(context.account_id, *provider)?;
            purse.wake();
            context.put(purse);
        }
    }
    Ok(())
}

/// Send a payout again that needed attention, or make the next step of another one due now.
#[derive(Debug, Clone)]
pub struct RetryPayout {
    /// The payout.
    pub id: PayoutId,
}

impl Rule for RetryPayout {
    type Answer = Arc<Payout>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Payout>((account, self.id));
        needs.row::<PayoutAttempt>((account, self.id));
    }

    /// An attempt that may have made something is only looked up.
    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let payout = Arc::clone(context.get::<Payout, _>(self.id)?);
        let attempt = context.set.payout_attempt(context.account_id, self.id)?.cloned();
        let Some(attempt) = attempt.filter(|_| payout.state.is_open()) else {
            return Err(Refusal::PayoutState { payout_id: self.id, from: payout.state, to: PayoutState::Sending });
        };
        // A step that is under way is not begun a second time.
        if !attempt.is_under_way {
            context.put(PayoutAttempt { next_at: Some(context.now), tries: 0, ..attempt.as_ref().clone() });
        }
        if payout.state != PayoutState::NeedsAttention {
            return Ok(payout);
        }
        let sending = payout.sending.as_deref().cloned().unwrap_or_default();
        Ok(context.put(Payout {
            state: PayoutState::Sending,
            sending: Some(Arc::new(Sending { problem: None, ..sending })),
            updated_at: context.now,
            ..payout.as_ref().clone()
        }))
    }
}
