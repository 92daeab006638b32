//! CreatePayout: reserves rewards for one payout, which is paid later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::send::enqueue;
use super::{check_amount, check_owed, document, move_rewards, original_of, owed, payable, post};
use crate::domain::account::Account;
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, AffiliateId, ApiKeyId, PayoutId, PayoutRunId, RewardId};
use crate::domain::ledger::{LedgerAccount, LedgerReason};
use crate::domain::money::{Currency, Money};
use crate::domain::payout::{Payable, Payout, PayoutPolicy, PayoutProvider, PayoutState};
use crate::domain::payout_connection::PayoutConnection;
use crate::domain::payout_method::{MethodFault, PayoutDestination, provider_for};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Reward, RewardState};
use crate::domain::rule::context::{Context, Rule};
use crate::domain::rule::tax_profile;
use crate::domain::set::Needs;
use crate::domain::time::Time;

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
    /// Who pays. `None`: the provider of the affiliate's payout method, if the account is connected to it.
    pub provider: Option<PayoutProvider>,
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
        needs_of_routes(account, needs);
        needs.rewards.extend(self.reward_ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let policy = context.set.account(context.account_id)?.payout_policy.clone().unwrap_or_default();
        let affiliate_id = context.set.affiliate(context.account_id, &self.affiliate)?.id;
        check_connected(context, self.provider)?;
        if let Some(state) = tax_profile::fault(context, &policy, affiliate_id)? {
            return Err(Refusal::TaxProfileRequired { affiliate_id, state });
        }
        let route = route(context, affiliate_id, self.provider)?;
        let route = route.map_err(|fault| Refusal::PayoutMethod { affiliate_id, fault })?;
        let (rewards, amount) = self.rewards(context, affiliate_id, &policy)?;
        if let Some(minimum) = self.minimum.filter(|minimum| amount.amount_minor < minimum.amount_minor) {
            return Err(Refusal::PayoutBelowMinimum { affiliate_id, amount, minimum });
        }
        let reservation = Reservation {
            affiliate_id,
            amount,
            rewards,
            route,
            needs_approval: false,
            note: &self.note,
            message: &self.message,
            run_id: None,
            created_by: context.key_id,
        };
        reserve(context, &policy, reservation)
    }
}

impl CreatePayout {
    /// The rewards that are named, or all that are due, and what they add up to.
    fn rewards(
        &self,
        context: &mut Context<'_>,
        affiliate_id: AffiliateId,
        policy: &PayoutPolicy,
    ) -> Result<(Vec<Arc<Reward>>, Money), Refusal> {
        if !self.reward_ids.is_empty() {
            let rewards = payable(context, affiliate_id, &self.reward_ids, Some(self.currency))?;
            let amount = check_amount(&rewards, None)?;
            return Ok((rewards.into_values().collect(), amount));
        }
        let Payable { rewards, sum_minor } = due(context, affiliate_id, self.currency, policy.due_until(context.now))?;
        let due = Money::new(sum_minor, self.currency);
        if sum_minor <= 0 {
            return Err(Refusal::NothingDue { affiliate_id, due });
        }
        Ok((rewards, due))
    }
}

/// All rewards of an affiliate in a currency that were approved up to this time, as far as one payout can take them.
pub(in crate::domain::rule) fn due(
    context: &mut Context<'_>,
    affiliate_id: AffiliateId,
    currency: Currency,
    due_until: Time,
) -> Result<Payable, Refusal> {
    let mut approved = context.set.payable_of(context.account_id, affiliate_id, currency)?;
    complete_families(context, &mut approved)?;
    let mut originals = BTreeMap::new();
    for id in approved.iter().filter_map(|reward| reward.reverses) {
        originals.insert(id, original_of(context, id)?.state);
    }
    let is_approved = |id: RewardId| originals.get(&id).is_some_and(|state| *state == RewardState::Approved);
    let owed_minor = owed(context, affiliate_id, currency)?;
    Ok(Payable::choose(&approved, due_until, owed_minor, is_approved)?)
}

/// Adds the approved rewards that take back from those that are there, because only the first of very many are listed.
fn complete_families(context: &Context<'_>, approved: &mut Vec<Arc<Reward>>) -> Result<(), Refusal> {
    let listed: BTreeSet<RewardId> = approved.iter().map(|reward| reward.id).collect();
    let mut missing = Vec::new();
    for reward in approved.iter().filter(|reward| reward.reverses.is_none()) {
        let reversals = context.set.reversals_of(context.account_id, reward.id)?.into_iter();
        missing.extend(reversals.filter(|other| other.is_payable() && !listed.contains(&other.id)).cloned());
    }
    approved.extend(missing);
    approved.sort_unstable_by_key(|reward| reward.id);
    Ok(())
}

/// Adds the rows that say which providers the account is connected to.
pub(in crate::domain::rule) fn needs_of_routes(account: AccountId, needs: &mut Needs) {
    let providers = PayoutProvider::ALL.iter().filter(|provider| **provider != PayoutProvider::Manual);
    providers.for_each(|provider| needs.row::<PayoutConnection>((account, *provider)));
}

/// Refuses a provider that the account is not connected to.
pub(in crate::domain::rule) fn check_connected(
    context: &Context<'_>,
    provider: Option<PayoutProvider>,
) -> Result<(), Refusal> {
    if let Some(provider) = provider.filter(|provider| *provider != PayoutProvider::Manual) {
        context.set.payout_connection(context.account_id, provider)?;
    }
    Ok(())
}

/// Who moves the money of a payout, and where it goes.
#[derive(Debug)]
pub(in crate::domain::rule) struct Route {
    provider: PayoutProvider,
    destination: Option<PayoutDestination>,
}

/// The route of a payout that is created now. `Err` inside: the wanted provider cannot pay the affiliate.
pub(in crate::domain::rule) fn route(
    context: &mut Context<'_>,
    affiliate_id: AffiliateId,
    wanted: Option<PayoutProvider>,
) -> Result<Result<Route, MethodFault>, Refusal> {
    let method = context.set.payout_method(context.account_id, affiliate_id)?;
    let destination = method.and_then(|method| method.destination_at(context.now).cloned());
    let own = destination.as_ref().map_or(PayoutProvider::Manual, |destination| destination.kind.provider());
    let is_connected = own != PayoutProvider::Manual && context.set.is_connected(context.account_id, own)?;
    let provider = provider_for(wanted, destination.as_ref(), |_| is_connected);
    Ok(provider.map(|provider| Route { provider, destination }))
}

/// The rewards that a payout reserves, its route and its texts.
pub(in crate::domain::rule) struct Reservation<'run> {
    pub(in crate::domain::rule) affiliate_id: AffiliateId,
    /// The sum of the rewards.
    pub(in crate::domain::rule) amount: Money,
    pub(in crate::domain::rule) rewards: Vec<Arc<Reward>>,
    pub(in crate::domain::rule) route: Route,
    /// Whether it needs an approval although the policy lets it pass.
    pub(in crate::domain::rule) needs_approval: bool,
    pub(in crate::domain::rule) note: &'run str,
    pub(in crate::domain::rule) message: &'run str,
    pub(in crate::domain::rule) run_id: Option<PayoutRunId>,
    pub(in crate::domain::rule) created_by: Option<ApiKeyId>,
}

/// Creates a payout.
pub(in crate::domain::rule) fn reserve(
    context: &mut Context<'_>,
    policy: &PayoutPolicy,
    reservation: Reservation<'_>,
) -> Result<Arc<Payout>, Refusal> {
    let Reservation { affiliate_id, amount, rewards, route, needs_approval, note, message, run_id, created_by } =
        reservation;
    check_owed(context, affiliate_id, amount)?;
    let needs_approval = needs_approval || policy.needs_approval(amount);
    let payout = Payout {
        id: PayoutId::new(context.ids),
        account_id: context.account_id,
        affiliate_id,
        amount,
        provider: route.provider,
        destination: route.destination,
        is_test: context.set.account(context.account_id)?.is_test,
        state: if needs_approval { PayoutState::NeedsApproval } else { PayoutState::Ready },
        reward_count: i32::try_from(rewards.len()).unwrap_or(i32::MAX),
        reference: String::new(),
        note: note.to_owned(),
        message: message.to_owned(),
        paid_at: None,
        run_id,
        created_by,
        approved_by: None,
        approved_at: None,
        cancelled_at: None,
        sending: None,
        export_id: None,
        document_id: None,
        document_number: String::new(),
        reopenings: Vec::new(),
        created_at: context.now,
        updated_at: context.now,
    };
    let payout = document::draft(context, payout)?;
    let payout = context.put(payout);
    post(context, &payout, LedgerAccount::AffiliatePayable, LedgerAccount::PayoutInFlight, LedgerReason::Reserved);
    context.tell(EventKind::PayoutCreated, EventImage::Payout(Arc::clone(&payout)));
    move_rewards(context, rewards, RewardState::InPayout, Some(payout.id))?;
    enqueue(context, &payout);
    Ok(payout)
}
