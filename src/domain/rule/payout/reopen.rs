//! ReopenPayout: undoes that a payout was paid, because the affiliate did not get the money.

use std::sync::Arc;

use super::close::{check_etag, may_become};
use super::{document, move_rewards, post};
use crate::domain::account::Account;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, PayoutId};
use crate::domain::ledger::{LedgerAccount, LedgerReason};
use crate::domain::payout::{Payout, PayoutProvider, PayoutState, REOPENINGS_MAX, Reopening};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::reward::RewardState;
use crate::domain::rule::context::{Context, Rule};
use crate::domain::set::Needs;

/// Undo that a payout was paid. Its rewards are reserved again.
#[derive(Debug, Clone)]
pub struct ReopenPayout {
    /// The payout.
    pub id: PayoutId,
    /// The etag that it must have.
    pub etag: Option<String>,
    /// Why.
    pub reason: String,
}

impl Rule for ReopenPayout {
    type Answer = Arc<Payout>;

    fn weight(&self) -> usize {
        10
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.row::<Payout>((account, self.id));
        needs.names.rewards_of_payout.insert((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let policy = context.set.account(context.account_id)?.payout_policy.clone().unwrap_or_default();
        let payout = may_become(context, self.id, PayoutState::Ready)?;
        if payout.state != PayoutState::Paid {
            return Err(Refusal::PayoutState { payout_id: self.id, from: payout.state, to: PayoutState::Ready });
        }
        check_etag(&payout, self.etag.as_ref())?;
        if payout.provider != PayoutProvider::Manual {
            let problem = format!("is a payout by {}, which says itself when money comes back", payout.provider);
            return Err(Refusal::InvalidField { field: Field::PayoutId, problem });
        }
        if payout.reopenings.len() >= REOPENINGS_MAX {
            let problem = format!(
                "was reopened {REOPENINGS_MAX} times, which is the most; RecordRefund or a reward by hand corrects what is owed"
            );
            return Err(Refusal::InvalidField { field: Field::PayoutId, problem });
        }
        // What was marked as paid was never approved. Without this, one key could mark and reopen it, and then pay it.
        let needs_approval = payout.approved_by.is_none() && policy.needs_approval(payout.amount);
        let mut reopenings = payout.reopenings.clone();
        reopenings.push(Reopening {
            reopened_at: context.now,
            reopened_by: context.key_id,
            reason: self.reason.clone(),
            paid_at: payout.paid_at,
            reference: payout.reference.clone(),
        });
        let payout = document::begin_anew(context, payout.as_ref().clone())?;
        let payout = context.put(Payout {
            state: if needs_approval { PayoutState::NeedsApproval } else { PayoutState::Ready },
            reference: String::new(),
            paid_at: None,
            reopenings,
            updated_at: context.now,
            ..payout
        });
        post(context, &payout, LedgerAccount::ProviderCash, LedgerAccount::PayoutInFlight, LedgerReason::Reopened);
        context.tell(EventKind::PayoutReopened, EventImage::Payout(Arc::clone(&payout)));
        let rewards = context.set.rewards_of_payout(context.account_id, self.id)?;
        move_rewards(context, rewards, RewardState::InPayout, Some(self.id))?;
        Ok(payout)
    }
}
