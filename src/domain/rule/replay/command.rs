//! One command of a replay: its turns are taken by the rules that book them, and then the threshold bonuses are settled. Knows no order of commands.
//!
//! An event has another id in the set than in the books, so that the rewards that it has in the books are not found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Act, CouponOwners, Event, Replay, RewardName, Turn, add_left, name_of};
use crate::domain::attribution::{Candidate, CandidateResult, Evidence};
use crate::domain::conversion::{Conversion, ConversionKind, ConversionOutcome, Credits, OrderDetails, SaleLine};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{ConversionId, RewardId};
use crate::domain::money::{Money, Overflow};
use crate::domain::noted::NotedFacts;
use crate::domain::pricing::ConditionField;
use crate::domain::program::{Program, Terms};
use crate::domain::refusal::Refusal;
use crate::domain::reward::Reward;
use crate::domain::rule::context::Context;
use crate::domain::rule::verdict::{Verdict, settle_again};
use crate::domain::rule::{correction, dispute, line, refund, refund_undo, threshold_bonus};
use crate::domain::sales_tally::SalesTallyKey;
use crate::domain::simulation::{Earnings, ProposedTerms};

/// An event between two turns.
#[derive(Clone)]
pub(super) struct State {
    event: Arc<Conversion>,
    /// The rewards of the event.
    rewards: Vec<Arc<Reward>>,
    /// Those of its refunds.
    adjustments: Vec<Arc<Reward>>,
}

impl State {
    /// Adds what is left of the rewards that were not denied.
    pub(super) fn add_to(&self, sums: &mut Earnings, event_id: ConversionId, denied: &[RewardName]) {
        for reward in self.rewards.iter().chain(&self.adjustments) {
            let name = name_of(reward).map(|(id, enrollment, credited, is_change)| {
                let id = if id == self.event.id { event_id } else { id };
                (id, enrollment, credited, is_change)
            });
            if name.is_none_or(|name| !denied.contains(&name)) {
                add_left(sums, reward);
            }
        }
    }
}

/// What a command has left.
pub(super) struct Told {
    pub(super) states: Vec<(usize, State)>,
    pub(super) bonuses: Vec<(RewardId, Arc<Reward>)>,
    pub(super) lost: Vec<RewardId>,
}

impl Replay {
    /// Tells the next turns, which are of one command.
    pub(super) fn tell(&self, context: &mut Context<'_>, count: usize) -> Result<Told, Refusal> {
        let mut states: BTreeMap<usize, State> = BTreeMap::new();
        for turn in self.turns.iter().skip(self.next).take(count) {
            self.want(context.account_id, turn, context.set.wanted());
            let (Some(Some(event)), Some(side)) = (self.events.get(turn.event), self.sides.get(turn.side)) else {
                continue;
            };
            let mut state = match states.remove(&turn.event).or_else(|| side.states.get(&turn.event).cloned()) {
                Some(state) => state,
                None => first_state(context, event)?,
            };
            enter(context, &state);
            self.take(context, event, turn, &mut state)?;
            state.event = Arc::clone(context.set.conversion(context.account_id, state.event.id)?);
            let rewards = context.set.rewards_of(context.account_id, state.event.id)?;
            state.rewards = rewards.into_iter().filter(|reward| reward.reverses.is_none()).cloned().collect();
            states.insert(turn.event, state);
        }
        let side = self.turns.get(self.next).map_or(0, |turn| turn.side);
        let (bonuses, lost) = self.settle_bonuses(context, side)?;
        Ok(Told { states: states.into_iter().collect(), bonuses, lost })
    }

    fn take(&self, context: &mut Context<'_>, event: &Event, turn: &Turn, state: &mut State) -> Result<(), Refusal> {
        match turn.act {
            Act::Judged { claims, customer_sale, may_earn } => {
                let (claims, coupon_owners) = self.claims.all.get(claims).cloned().unwrap_or_default();
                let candidates = candidates(&state.event, coupon_owners);
                let verdict = Verdict { claims, candidates, may_earn, customer_sale };
                settle_again(context, &state.event, &verdict)
            }
            Act::Changed(id) => {
                want_credits(context, &state.event.credits);
                let change = Arc::clone(context.set.conversion(context.account_id, id)?);
                match change.kind {
                    ConversionKind::Correction => correct(context, event, &state.event, &change),
                    ConversionKind::RefundUndo => {
                        let is_of_undone = |reward: &Arc<Reward>| reward.conversion_id == change.order.undone_refund_id;
                        state.adjustments.retain(|reward| !is_of_undone(reward));
                        give_back(context, &state.event, &change)
                    }
                    _ => {
                        state.adjustments.extend(take_off(context, &state.event, &change)?);
                        Ok(())
                    }
                }
            }
        }
    }

    /// Settles the threshold bonuses of the tallies that the command has changed. Returns those that are there, and those that are lost.
    fn settle_bonuses(&self, context: &mut Context<'_>, side: usize) -> Result<Bonuses, Refusal> {
        let keys: BTreeSet<SalesTallyKey> = context.touched.iter().map(|touch| touch.key).collect();
        let mut before = BTreeSet::new();
        for key in &keys {
            before.extend(context.set.sales_tally(*key)?.bonuses.iter().map(|bonus| bonus.reward_id));
        }
        let known = self.sides.get(side).map(|side| &side.bonuses);
        for reward in before.iter().filter_map(|id| known?.get(id)) {
            context.put::<Reward>(Arc::clone(reward));
        }
        threshold_bonus::settle(context)?;
        let mut bonuses = Vec::new();
        for key in keys {
            for bonus in &context.set.sales_tally(key)?.bonuses {
                let reward = context.set.existing::<Reward>(&(context.account_id, bonus.reward_id))?;
                before.remove(&bonus.reward_id);
                bonuses.push((bonus.reward_id, Arc::clone(reward)));
            }
        }
        Ok((bonuses, before.into_iter().collect()))
    }
}

type Bonuses = (Vec<(RewardId, Arc<Reward>)>, Vec<RewardId>);

/// Puts an event with its rewards into the set, unless an earlier turn of the command has.
fn enter(context: &mut Context<'_>, state: &State) {
    if context.set.conversion(context.account_id, state.event.id).is_ok() {
        return;
    }
    context.put::<Conversion>(Arc::clone(&state.event));
    for reward in &state.rewards {
        context.put::<Reward>(Arc::clone(reward));
    }
}

/// The candidates of which the price of a sale asks: the coupons that could credit it.
fn candidates(sale: &Conversion, coupon_owners: CouponOwners) -> Vec<Candidate> {
    let candidate = |affiliate_id| Candidate {
        evidence: Evidence::Coupon(sale.order.coupon_code.clone()),
        affiliate_id: Some(affiliate_id),
        enrollment_id: None,
        result: CandidateResult::LowerPrecedence,
        sub_id: String::new(),
    };
    coupon_owners.into_iter().map(candidate).collect()
}

/// An event as it was told, before anybody was credited.
fn first_state(context: &mut Context<'_>, event: &Event) -> Result<State, Refusal> {
    let account_id = context.account_id;
    let stored = Arc::clone(context.set.conversion(account_id, event.id)?);
    let mut lines = match event.corrections.first() {
        Some(id) => context.set.conversion(account_id, *id)?.order.lines_before.clone(),
        None => stored.order.lines.clone(),
    };
    lines.iter_mut().for_each(|line| (line.refunded_minor, line.refunded_quantity) = (0, 0));
    let order = OrderDetails {
        customer_sale: None,
        corrected_at: None,
        told_refunds: Vec::new(),
        held_rewards: Vec::new(),
        counted: Vec::new(),
        laddered: Vec::new(),
        tallied: Vec::new(),
        noted: stored.order.noted.iter().map(without_figures).collect(),
        lines,
        dispute: None,
        ..stored.order.clone()
    };
    let event = Conversion {
        id: ConversionId::new(context.ids),
        outcome: ConversionOutcome::NotReferred,
        amount: stored.amount.map(|amount| Money::new(event.told_minor, amount.currency)),
        refunded_minor: 0,
        refund_count: 0,
        credits: Credits::new(),
        lead_id: event.lead_id,
        order,
        candidates: Vec::new(),
        as_recorded: None,
        ..stored.as_ref().clone()
    };
    Ok(State { event: Arc::new(event), rewards: Vec::new(), adjustments: Vec::new() })
}

/// What was noted, without what the affiliate has sold, which is counted anew.
fn without_figures(noted: &NotedFacts) -> NotedFacts {
    let mut noted = noted.clone();
    for field in ConditionField::ALL.iter().filter(|field| field.is_of_sales()) {
        noted.values.remove(&field.noted_as(""));
    }
    noted
}

fn want_credits(context: &mut Context<'_>, credits: &Credits) {
    let account_id = context.account_id;
    for credit in credits {
        let wanted = context.set.wanted();
        wanted.row::<Enrollment>((account_id, credit.enrollment_id));
        wanted.row::<Program>((account_id, credit.program_id));
        if credit.terms_version != ProposedTerms::VERSION {
            wanted.row::<Terms>((account_id, credit.program_id, credit.terms_version));
        }
    }
}

/// Takes a refund off a sale, or what a dispute takes, or gives back what one has taken. Returns the commission adjustment of a refund.
fn take_off(context: &mut Context<'_>, sale: &Conversion, refund: &Conversion) -> Result<Option<Arc<Reward>>, Refusal> {
    if refund.order.was_known {
        return Ok(None);
    }
    let refund_minor = refund.amount.map_or(0, |amount| amount.amount_minor).saturating_add(refund.excess_minor);
    let mut refunded = Conversion {
        refunded_minor: sale.refunded_minor.checked_sub(refund_minor).ok_or(Overflow)?,
        refund_count: sale.refund_count.saturating_add(dispute::refund_count_change(refund)),
        ..sale.clone()
    };
    for part in &refund.order.lines {
        let of_part = |line: &&mut SaleLine| line.line_id == part.line_id;
        if let Some(line) = refunded.order.lines.iter_mut().find(of_part) {
            line.refunded_minor = line.refunded_minor.checked_sub(part.amount_minor).ok_or(Overflow)?;
            line.refunded_quantity = line.refunded_quantity.saturating_add(part.quantity);
        }
    }
    let sale = context.put(refunded);
    if refund.kind == ConversionKind::DisputeResolution {
        dispute::settle(context, &sale, refund, &mut Vec::new())?;
        return Ok(None);
    }
    refund::settle(context, &sale, refund, &mut Vec::new())
}

/// Gives back to a sale what a refund took, which was undone.
fn give_back(context: &mut Context<'_>, sale: &Conversion, undo: &Conversion) -> Result<(), Refusal> {
    let minor = undo.amount.map_or(0, |amount| amount.amount_minor);
    let mut restored = Conversion {
        refunded_minor: sale.refunded_minor.checked_sub(minor).ok_or(Overflow)?,
        refund_count: sale.refund_count.saturating_sub(i32::from(!undo.order.was_known)),
        ..sale.clone()
    };
    for part in &undo.order.lines {
        let of_part = |line: &&mut SaleLine| line.line_id == part.line_id;
        if let Some(line) = restored.order.lines.iter_mut().find(of_part) {
            line.refunded_minor = line.refunded_minor.checked_sub(part.amount_minor).ok_or(Overflow)?;
            line.refunded_quantity = line.refunded_quantity.saturating_sub(part.quantity);
        }
    }
    let sale = context.put(restored);
    refund_undo::restore(context, &sale, undo, &mut Vec::new())?;
    Ok(())
}

/// Gives a sale its amount after a correction.
fn correct(
    context: &mut Context<'_>,
    event: &Event,
    sale: &Conversion,
    correction: &Conversion,
) -> Result<(), Refusal> {
    let (Some(amount), Some(difference)) = (sale.amount, correction.amount) else { return Ok(()) };
    let amount_minor = amount.amount_minor.checked_add(difference.amount_minor).ok_or(Overflow)?;
    let mut corrected = Conversion { amount: Some(Money::new(amount_minor, amount.currency)), ..sale.clone() };
    corrected.order.lines = lines_after(context, event, sale, correction.id)?;
    let sale = context.put(corrected);
    correction::adjust(context, &sale, correction, difference, &mut Vec::new())?;
    Ok(())
}

/// The lines of a sale after a correction: those that the next correction has found, or those of the sale. What was refunded of them is that of now.
fn lines_after(
    context: &mut Context<'_>,
    event: &Event,
    sale: &Conversion,
    correction_id: ConversionId,
) -> Result<Vec<SaleLine>, Refusal> {
    let account_id = context.account_id;
    let next = event.corrections.iter().skip_while(|id| **id != correction_id).nth(1);
    let wanted = context.set.wanted();
    wanted.row::<Conversion>((account_id, event.id));
    wanted.conversions.extend(next.map(|id| (account_id, *id)));
    let mut lines = match next {
        Some(id) => context.set.conversion(account_id, *id)?.order.lines_before.clone(),
        None => context.set.conversion(account_id, event.id)?.order.lines.clone(),
    };
    for line in &mut lines {
        let before = sale.order.lines.iter().find(|before| before.line_id == line.line_id);
        (line.refunded_minor, line.refunded_quantity) =
            before.map_or((0, 0), |before| (before.refunded_minor, before.refunded_quantity));
    }
    if sale.order.lines.is_empty() && !lines.is_empty() {
        line::refund(&mut lines, &[], sale.refunded_minor);
    }
    Ok(lines)
}
