//! CreatePayout: reserves rewards for one payout, which is paid later.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{check_amount, check_owed, move_rewards, original_of, payable, post};
use crate::domain::account::Account;
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, AffiliateId, PayoutId, RewardId};
use crate::domain::ledger::{LedgerAccount, LedgerReason};
use crate::domain::money::{Currency, Money};
use crate::domain::payout::{Payable, Payout, PayoutPolicy, PayoutProvider, PayoutState};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Reward, RewardState};
use crate::domain::rule::context::{Context, Rule};
use crate::domain::set::Needs;

/// Reserve what one affiliate gets in one currency.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the payout")]
pub struct CreatePayout {
    pub affiliate: AffiliateSelector,
    pub currency: Currency,
    /// The rewards to pay, without repeats. Empty: all that are due.
    pub reward_ids: Vec<RewardId>,
    /// The least amount that is worth a payout. `None`: any amount above zero.
    pub minimum: Option<Money>,
    pub note: String,
    pub message: String,
}

impl Rule for CreatePayout {
    type Answer = Arc<Payout>;

    fn weight(&self) -> usize {
        // Without a list of rewards there may be very many.
        if self.reward_ids.is_empty() { 100 } else { self.reward_ids.len() }
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.affiliate(account, &self.affiliate);
        needs.rewards.extend(self.reward_ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let policy = context.set.account(context.account_id)?.payout_policy.clone().unwrap_or_default();
        let affiliate_id = context.set.affiliate(context.account_id, &self.affiliate)?.id;
        let rewards = if self.reward_ids.is_empty() {
            self.due(context, affiliate_id, &policy)?
        } else {
            payable(context, affiliate_id, &self.reward_ids, Some(self.currency))?
        };
        let amount = check_amount(&rewards, None)?;
        if let Some(minimum) = self.minimum.filter(|minimum| amount.amount_minor < minimum.amount_minor) {
            return Err(Refusal::PayoutBelowMinimum { affiliate_id, amount, minimum });
        }
        check_owed(context, affiliate_id, amount)?;
        let needs_approval = policy.needs_approval(amount);
        let payout = Payout {
            id: PayoutId::new(context.ids),
            account_id: context.account_id,
            affiliate_id,
            amount,
            provider: PayoutProvider::Manual,
            state: if needs_approval { PayoutState::NeedsApproval } else { PayoutState::Ready },
            reward_count: i32::try_from(rewards.len()).unwrap_or(i32::MAX),
            reference: String::new(),
            note: self.note.clone(),
            message: self.message.clone(),
            paid_at: None,
            created_by: context.key_id,
            approved_by: None,
            approved_at: None,
            cancelled_at: None,
            created_at: context.now,
            updated_at: context.now,
        };
        let payout = context.put(payout);
        post(context, &payout, LedgerAccount::AffiliatePayable, LedgerAccount::PayoutInFlight, LedgerReason::Reserved);
        context.tell(EventKind::PayoutCreated, EventImage::Payout(Arc::clone(&payout)));
        move_rewards(context, rewards.into_values(), RewardState::InPayout, Some(payout.id))?;
        Ok(payout)
    }
}

impl CreatePayout {
    /// All rewards that are due, as far as one payout can take them, if they add up to more than zero.
    fn due(
        &self,
        context: &mut Context<'_>,
        affiliate_id: AffiliateId,
        policy: &PayoutPolicy,
    ) -> Result<BTreeMap<RewardId, Arc<Reward>>, Refusal> {
        let approved = context.set.payable_of(context.account_id, affiliate_id, self.currency)?;
        let mut originals = BTreeMap::new();
        for id in approved.iter().filter_map(|reward| reward.reverses) {
            originals.insert(id, original_of(context, id)?.state);
        }
        let is_approved = |id: RewardId| originals.get(&id).is_some_and(|state| *state == RewardState::Approved);
        let Payable { rewards, sum_minor } = Payable::choose(&approved, policy.due_until(context.now), is_approved)?;
        if sum_minor <= 0 {
            let due = Money::new(sum_minor, self.currency);
            return Err(Refusal::NothingDue { affiliate_id, due });
        }
        Ok(rewards.into_iter().map(|reward| (reward.id, reward)).collect())
    }
}
