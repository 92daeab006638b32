//! ImportPayoutResults: what became of payouts that the owner paid by a file.

use std::sync::Arc;

use super::close::{cancel, check_size, pay, want_rewards};
use super::parties;
use crate::domain::account::Account;
use crate::domain::id::{AccountId, PayoutId};
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::{Context, Rule};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// What became of a payout.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutResult {
    pub payout_id: PayoutId,
    /// Whether the affiliate got the money. If not, the payout failed.
    pub is_paid: bool,
    /// The name of the transfer. May be empty.
    pub reference: String,
    /// Why it failed. May be empty.
    pub reason: String,
}

/// Record what became of payouts: all of them or none.
#[derive(Debug, Clone)]
pub struct ImportPayoutResults {
    /// Each payout once.
    pub results: Vec<PayoutResult>,
    /// When those that were paid were. `None`: now.
    pub paid_at: Option<Time>,
}

impl Rule for ImportPayoutResults {
    type Answer = Vec<Arc<Payout>>;

    fn weight(&self) -> usize {
        self.results.len().saturating_mul(10).max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.payouts.extend(self.results.iter().map(|result| (account, result.payout_id)));
        needs.payout_attempts.extend(self.results.iter().map(|result| (account, result.payout_id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let mut changed = Vec::new();
        for result in &self.results {
            let payout = context.get::<Payout, _>(result.payout_id)?;
            if !result.is_known(payout) {
                changed.push(payout.id);
            }
        }
        check_size(context, &changed)?;
        want_rewards(context, &changed)?;
        parties::want(context, &changed)?;
        self.results.iter().map(|result| self.record(context, result)).collect()
    }
}

impl ImportPayoutResults {
    fn record(&self, context: &mut Context<'_>, result: &PayoutResult) -> Result<Arc<Payout>, Refusal> {
        let payout = Arc::clone(context.get::<Payout, _>(result.payout_id)?);
        if result.is_known(&payout) {
            return Ok(payout);
        }
        let next = if result.is_paid { PayoutState::Paid } else { PayoutState::Cancelled };
        // A person pays only what is ready or in a file. The others are not approved, or a provider may have them.
        if !matches!(payout.state, PayoutState::Ready | PayoutState::Exported) {
            return Err(Refusal::PayoutState { payout_id: payout.id, from: payout.state, to: next });
        }
        if result.is_paid {
            return pay(context, &payout, &result.reference, self.paid_at);
        }
        cancel(context, &Payout { note: result.note(&payout.note), ..payout.as_ref().clone() })
    }
}

impl PayoutResult {
    /// Whether the payout has this result already.
    fn is_known(&self, payout: &Payout) -> bool {
        match payout.state {
            PayoutState::Paid => self.is_paid && (self.reference.is_empty() || self.reference == payout.reference),
            PayoutState::Cancelled => !self.is_paid,
            _ => false,
        }
    }

    /// The note of a payout that failed.
    fn note(&self, note: &str) -> String {
        match (note, self.reason.as_str()) {
            (note, "") => note.to_owned(),
            ("", reason) => reason.to_owned(),
            (note, reason) => format!("{note}\n{reason}"),
        }
    }
}
