//! The rewards of a customer's events in a simulation: those that are recorded, and those that the rules give them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::group::Group;
use crate::domain::conversion::{Conversion, ConversionOutcome, OrderDetails};
use crate::domain::id::{ConversionId, ProgramId};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Reward, RewardState};
use crate::domain::rule::commission::credits_of;
use crate::domain::rule::context::Context;
use crate::domain::rule::refund_adjustment;
use crate::domain::rule::replay::{RewardName, add_left, name_of};
use crate::domain::rule::verdict::{Verdict, earn_left};
use crate::domain::simulation::Earnings;

/// What one conversion earns, and the programs in which it is credited.
#[derive(Debug, Clone, Default)]
pub(super) struct Earned {
    pub(super) sums: Earnings,
    pub(super) programs: BTreeSet<ProgramId>,
}

impl Earned {
    /// No earnings, in the programs of a verdict.
    pub(super) fn nothing_of(verdict: &Verdict) -> Self {
        let programs = verdict.claims.iter().map(|claim| claim.credit.program_id).collect();
        Self { sums: Earnings::new(), programs }
    }

    fn add(&mut self, reward: &Reward) {
        add_left(&mut self.sums, reward);
    }
}

/// The rewards that the events of a customer have.
#[derive(Default)]
pub(super) struct Recorded {
    pub(super) earned: BTreeMap<ConversionId, Earned>,
    pub(super) rewards: Vec<Arc<Reward>>,
    denied: BTreeSet<RewardName>,
}

impl Recorded {
    pub(super) fn of(context: &mut Context<'_>, group: &Group) -> Result<Self, Refusal> {
        let account_id = context.account_id;
        let mut recorded = Self::default();
        for event in group.events() {
            let earned = recorded.earned.entry(event.id).or_default();
            earned.programs.extend(event.credits.iter().map(|credit| credit.program_id));
            let of_changes = group.changes_of(event).iter().map(|change| change.id);
            for id in std::iter::once(event.id).chain(of_changes) {
                let rewards = context.set.rewards_of(account_id, id)?;
                for reward in rewards.into_iter().filter(|reward| reward.reverses.is_none()) {
                    match reward.state {
                        RewardState::Denied => recorded.denied.extend(name_of(reward)),
                        _ => earned.add(reward),
                    }
                    recorded.rewards.push(Arc::clone(reward));
                }
            }
        }
        Ok(recorded)
    }

    fn is_denied(&self, reward: &Reward) -> bool {
        name_of(reward).is_some_and(|name| self.denied.contains(&name))
    }

    /// The denied rewards of an event and of its refunds and corrections.
    pub(super) fn denied_of(&self, group: &Group, event: &Conversion) -> Vec<RewardName> {
        if self.denied.is_empty() {
            return Vec::new();
        }
        let of_changes: Vec<_> = group.changes_of(event).iter().map(|change| change.id).collect();
        let is_of_event = |name: &&RewardName| name.0 == event.id || of_changes.contains(&name.0);
        self.denied.iter().filter(is_of_event).copied().collect()
    }
}

/// Nothing stands of a reward.
pub(super) fn leave_nothing(context: &mut Context<'_>, reward: &Reward) {
    let reversed_minor = reward.value.amount_minor;
    context.put(Reward { state: RewardState::Reversed, reversed_minor, ..reward.clone() });
}

/// The earnings of an event by a verdict, with the commission adjustments of its refunds. It is in no tally.
pub(super) fn earn(
    context: &mut Context<'_>,
    group: &Group,
    recorded: &Recorded,
    event: &Conversion,
    verdict: &Verdict,
) -> Result<Earned, Refusal> {
    let mut earned = Earned::nothing_of(verdict);
    if !verdict.may_earn || verdict.claims.is_empty() {
        return Ok(earned);
    }
    let customer_sale = verdict.customer_sale;
    let sale = context.put(Conversion {
        outcome: ConversionOutcome::Attributed,
        credits: credits_of(&verdict.claims),
        // A coupon has its own commission only if it could credit the sale.
        candidates: verdict.candidates.clone(),
        lead_id: event.lead_id.or(group.lead.as_ref().map(|lead| lead.id)),
        order: OrderDetails { customer_sale, ..without_tallies(&event.order) },
        ..event.clone()
    });
    let before = context.set.rewards_of(context.account_id, sale.id)?;
    let before: BTreeSet<_> = before.iter().map(|reward| reward.id).collect();
    earn_left(context, &sale, &verdict.claims, &mut Vec::new())?;
    let rewards = context.set.rewards_of(context.account_id, sale.id)?;
    let is_new = |reward: &&Arc<Reward>| reward.reverses.is_none() && !before.contains(&reward.id);
    let mut rewards: Vec<_> = rewards.into_iter().filter(is_new).cloned().collect();
    rewards.retain(|reward| !recorded.is_denied(reward));
    rewards.iter().for_each(|reward| earned.add(reward));
    for refund in group.changes_of(&sale).iter().filter(|change| change.order.undone_by.is_none()) {
        let adjusted = refund_adjustment::adjust(context, &sale, refund, &rewards)?;
        adjusted.iter().filter(|reward| !recorded.is_denied(reward)).for_each(|reward| earned.add(reward));
    }
    Ok(earned)
}

/// The details of an event that is in no tally.
fn without_tallies(order: &OrderDetails) -> OrderDetails {
    OrderDetails { counted: Vec::new(), laddered: Vec::new(), tallied: Vec::new(), ..order.clone() }
}
