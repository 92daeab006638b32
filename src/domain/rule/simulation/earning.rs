//! The rewards of a customer's events in a simulation: those that are recorded, and those that the rules give them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::group::Group;
use crate::domain::calendar::Day;
use crate::domain::conversion::{Conversion, ConversionKind, ConversionOutcome, OrderDetails};
use crate::domain::id::{ConversionId, EnrollmentId, ProgramId};
use crate::domain::ladder::{LadderMet, LadderPart, Laddered};
use crate::domain::money::Money;
use crate::domain::period::Period;
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Reward, RewardState};
use crate::domain::rule::commission::{Claim, credits_of};
use crate::domain::rule::context::Context;
use crate::domain::rule::refund;
use crate::domain::rule::tally::day_of;
use crate::domain::rule::verdict::{Verdict, earn_left};
use crate::domain::simulation::Earnings;

/// What one conversion earns, and the programs in which it is credited.
#[derive(Debug, Clone, Default)]
pub(super) struct Earned {
    pub(super) sums: Earnings,
    pub(super) programs: BTreeSet<ProgramId>,
}

impl Earned {
    fn add(&mut self, reward: &Reward) {
        let sum = self.sums.entry((reward.affiliate_id, reward.value.currency)).or_default();
        *sum = sum.saturating_add(reward.value.amount_minor.saturating_sub(reward.reversed_minor));
    }
}

/// A reward of a conversion, whichever way it was earned: that of an enrollment for a credit, or the change of a tally.
type RewardName = (ConversionId, EnrollmentId, EnrollmentId, bool);

fn name_of(reward: &Reward) -> Option<RewardName> {
    Some((reward.conversion_id?, reward.enrollment_id, reward.credited_enrollment_id(), reward.is_tally_change()))
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
}

/// Nothing stands of a reward.
pub(super) fn leave_nothing(context: &mut Context<'_>, reward: &Reward) {
    let reversed_minor = reward.value.amount_minor;
    context.put(Reward { state: RewardState::Reversed, reversed_minor, ..reward.clone() });
}

/// A step of the ladder that a claim meets, as the sale keeps it.
pub(super) fn at_step(
    context: &mut Context<'_>,
    event: &Conversion,
    claim: &Claim,
    step: i32,
) -> Result<Option<Laddered>, Refusal> {
    let Some(ladder) = claim.terms.rules.ladder.as_ref().filter(|_| event.kind == ConversionKind::Sale) else {
        return Ok(None);
    };
    let starts_on = match ladder.period {
        Period::AllTime => Day::default(),
        period => period.first_day(day_of(context, event.occurred_at)?),
    };
    let credit = &claim.credit;
    let currency = context.set.program(context.account_id, credit.program_id)?.currency;
    let met = LadderMet {
        step,
        period: ladder.period,
        starts_on,
        sale_count_before: 0,
        amount_before: Money::new(0, currency),
        share_before_ppm: 0,
    };
    Ok(Some(Laddered {
        enrollment_id: credit.enrollment_id,
        affiliate_id: credit.affiliate_id,
        program_id: credit.program_id,
        terms_version: credit.terms_version,
        since_version: ladder.since_version,
        met,
        part: LadderPart::default(),
        paid_minor: 0,
        other_minor: 0,
        changed_minor: 0,
        is_withdrawn: false,
    }))
}

/// The earnings of an event by a verdict, with the commission adjustments of its refunds. Of a ladder it has step 0.
pub(super) fn earn(
    context: &mut Context<'_>,
    group: &Group,
    recorded: &Recorded,
    event: &Conversion,
    verdict: &Verdict,
) -> Result<Earned, Refusal> {
    let sums = earn_by(context, (group, recorded, event, verdict), &verdict.claims, 0)?;
    Ok(Earned { sums, programs: verdict.claims.iter().map(|claim| claim.credit.program_id).collect() })
}

/// The earnings of an event for some of its claims, at a step of their ladders.
pub(super) fn earn_by(
    context: &mut Context<'_>,
    (group, recorded, event, verdict): (&Group, &Recorded, &Conversion, &Verdict),
    claims: &[Claim],
    step: i32,
) -> Result<Earnings, Refusal> {
    let mut earned = Earned::default();
    if !verdict.may_earn || claims.is_empty() {
        return Ok(earned.sums);
    }
    let laddered = claims.iter().map(|claim| at_step(context, event, claim, step));
    let laddered = laddered.collect::<Result<Vec<_>, Refusal>>()?.into_iter().flatten().collect();
    let customer_sale = verdict.customer_sale;
    let sale = context.put(Conversion {
        outcome: ConversionOutcome::Attributed,
        credits: credits_of(&verdict.claims),
        lead_id: event.lead_id.or(group.lead.as_ref().map(|lead| lead.id)),
        order: OrderDetails { customer_sale, counted: Vec::new(), laddered, ..event.order.clone() },
        ..event.clone()
    });
    let before: Vec<_> = context.set.rewards_of(context.account_id, sale.id)?.into_iter().cloned().collect();
    // Nothing stands of the rewards at another step either.
    before.iter().for_each(|reward| leave_nothing(context, reward));
    let before: BTreeSet<_> = before.iter().map(|reward| reward.id).collect();
    earn_left(context, &sale, claims, &mut Vec::new())?;
    let rewards = context.set.rewards_of(context.account_id, sale.id)?;
    let is_new = |reward: &&Arc<Reward>| reward.reverses.is_none() && !before.contains(&reward.id);
    let mut rewards: Vec<_> = rewards.into_iter().filter(is_new).cloned().collect();
    rewards.retain(|reward| !recorded.is_denied(reward));
    rewards.iter().for_each(|reward| earned.add(reward));
    for refund in group.changes_of(&sale) {
        let adjusted = refund::adjust(context, &sale, refund, &rewards)?;
        adjusted.iter().filter(|reward| !recorded.is_denied(reward)).for_each(|reward| earned.add(reward));
    }
    Ok(earned.sums)
}
