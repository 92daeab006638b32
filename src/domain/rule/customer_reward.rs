//! The rules of customers' rewards: a sign-up or a first sale grants what the terms promise, once for each customer and program. What is told
//! late moves the reward to the event that is the first then, unless it was fulfilled.
//!
//! A first sale is the sale with the number 1, so the numbers of sales are kept for terms that promise one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::commission::Claim;
use super::context::{Context, Rule};
use super::customer;
use super::verdict::Verdict;
use crate::domain::conversion::{Conversion, ConversionKind, CustomerSale};
use crate::domain::customer_reward::{CustomerReward, CustomerRewardEvent, CustomerRewardState};
use crate::domain::event::EventKind;
use crate::domain::id::{AccountId, ProgramId};
use crate::domain::lead::{Lead, LeadSelector};
use crate::domain::refusal::Refusal;
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// What a credited event grants its customer: once, also if several share the credit. `place` is that of a sale among those of the customer.
pub(super) fn granted_by(
    event: &Conversion,
    claims: &[Claim],
    place: Option<CustomerSale>,
    now: Time,
) -> Option<CustomerReward> {
    claims.iter().find_map(|claim| granted_by_claim(event, claim, place, now))
}

fn granted_by_claim(
    event: &Conversion,
    claim: &Claim,
    place: Option<CustomerSale>,
    now: Time,
) -> Option<CustomerReward> {
    let promise = claim.terms.rules.customer_reward?;
    let is_granted = match (promise.event, event.kind) {
        (CustomerRewardEvent::SignUp, ConversionKind::Lead) => true,
        (CustomerRewardEvent::FirstSale, ConversionKind::Sale) => {
            let is_left = event.left().is_some_and(|left| left.amount_minor > 0);
            is_left && place.is_some_and(|place| place.number == 1)
        }
        _ => false,
    };
    is_granted.then_some(CustomerReward {
        program_id: claim.credit.program_id,
        unit: promise.unit,
        value: promise.value,
        state: if event.open_dispute().is_some() { CustomerRewardState::Frozen } else { CustomerRewardState::Granted },
        conversion_id: event.id,
        terms_version: claim.terms.version,
        granted_at: now,
        updated_at: now,
    })
}

fn granted_by_verdict(event: &Conversion, verdict: &Verdict, now: Time) -> Option<CustomerReward> {
    let claims = verdict.may_earn.then_some(&verdict.claims)?;
    granted_by(event, claims, verdict.customer_sale, now)
}

/// Makes the rewards of a customer those that the verdicts on its events grant: in each program that of the first event. A reward stays if it
/// was fulfilled, and if the event that granted it is not among these.
pub(super) fn settle(lead: &mut Lead, verdicts: &[(Arc<Conversion>, Verdict)], now: Time) {
    let mut first: BTreeMap<ProgramId, (&Conversion, CustomerReward)> = BTreeMap::new();
    for (event, verdict) in verdicts {
        let Some(reward) = granted_by_verdict(event, verdict, now) else { continue };
        let at = |event: &Conversion| (event.occurred_at, event.created_at, event.id);
        let is_earlier = first.get(&reward.program_id).is_none_or(|(other, _)| at(event) < at(other));
        if is_earlier {
            first.insert(reward.program_id, (event, reward));
        }
    }
    let rewards = &mut lead.details.customer_rewards;
    for before in rewards.all().to_vec() {
        let is_judged = verdicts.iter().any(|(event, _)| event.id == before.conversion_id);
        let now_granted = first.get(&before.program_id);
        if is_judged && now_granted.is_none_or(|(_, reward)| !reward.is_same_grant(&before)) {
            rewards.revoke(before.conversion_id, now);
        }
    }
    first.into_values().for_each(|(_, reward)| rewards.grant(reward));
}

/// Fulfil the reward of a customer: the customer was given what it is.
#[derive(Debug, Clone)]
pub struct FulfillCustomerReward {
    /// The customer.
    pub lead: LeadSelector,
    /// The program; `None` for the account's default program.
    pub program_id: Option<ProgramId>,
}

impl Rule for FulfillCustomerReward {
    type Answer = Arc<Lead>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.lead(account, self.lead.clone());
        needs.program(account, self.program_id);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let account_id = context.account_id;
        let known = Arc::clone(context.set.lead(account_id, &self.lead)?);
        let program_id = match self.program_id {
            Some(id) => context.set.program(account_id, id)?.id,
            None => context.set.default_program(account_id)?.ok_or(Refusal::NoDefaultProgram)?.id,
        };
        let mut lead = known.as_ref().clone();
        let reward = lead.details.customer_rewards.of_program(program_id).copied();
        let granted = reward.filter(|reward| reward.state == CustomerRewardState::Granted);
        let Some(granted) = granted else {
            let state = reward.map(|reward| reward.state);
            return Err(Refusal::CustomerRewardState { lead_id: known.id, program_id, state });
        };
        let state = CustomerRewardState::Fulfilled;
        lead.details.customer_rewards.keep(CustomerReward { state, updated_at: context.now, ..granted });
        Ok(customer::put_told(context, EventKind::LeadUpdated, lead, Some(&known)))
    }
}
