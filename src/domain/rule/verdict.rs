//! Writes the result of judging an event: its credits, what is earned and taken back, and the events of the feed. Knows
//! no order of events.

use std::sync::Arc;

use super::commission::{self, Claim, Claims};
use super::context::Context;
use super::earn;
use super::noted;
use super::reversal::{Cause, Target, take_back, taken_part, tell_settled};
use super::tally_change;
use crate::domain::attribution::Candidate;
use crate::domain::conversion::{
    AsRecorded, Conversion, ConversionKind, ConversionOutcome, Credit, Credits, CustomerSale, OrderDetails,
};
use crate::domain::event::EventKind;
use crate::domain::id::ConversionId;
use crate::domain::lead::{Lead, UnmatchedSale};
use crate::domain::ledger::LedgerReason;
use crate::domain::money::Money;
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Reward, RewardRule, RewardState};

/// The result of judging an event.
pub(super) struct Verdict {
    /// Those who are credited with the event.
    pub(super) claims: Claims,
    pub(super) candidates: Vec<Candidate>,
    /// Whether the event earns if it is credited.
    pub(super) may_earn: bool,
    /// The place of a sale among those of its customer.
    pub(super) customer_sale: Option<CustomerSale>,
}

/// Writes a verdict: the credits, what is earned and taken back, and the events. A verdict that changes nothing writes nothing.
pub(super) fn settle(
    context: &mut Context<'_>,
    lead: Option<&Lead>,
    event: &Arc<Conversion>,
    verdict: Verdict,
    told: Option<ConversionId>,
) -> Result<(), Refusal> {
    let is_told = told == Some(event.id);
    let credits = commission::credits_of(&verdict.claims);
    let is_same_credit = Credit::are_alike(&credits, &event.credits);
    // The candidates are not in the feed, so readers need no event about them.
    let is_explained = event.is_told || verdict.candidates == event.candidates;
    let lead_id = lead.map(|lead| lead.id).or(event.lead_id);
    let is_same_place = event.order.customer_sale == verdict.customer_sale;
    let order = OrderDetails { customer_sale: verdict.customer_sale, ..event.order.clone() };
    let is_same_reward = is_same_reward(context, event, &verdict, (&credits, &order))?;
    if is_same_credit && is_same_reward && is_explained && lead_id == event.lead_id && !is_told {
        // Only figures show the way by which the customer came, and nothing shows the number of a sale, so readers need no event either.
        if credits != event.credits || !is_same_place {
            let as_recorded = as_recorded(event, is_told, credits == event.credits);
            context.put(Conversion { credits, order, as_recorded, ..event.as_ref().clone() });
        }
        return Ok(());
    }
    let is_same_answer = credits == event.credits && lead_id == event.lead_id;
    let changed = context.put(Conversion {
        outcome: if credits.is_empty() { ConversionOutcome::NotReferred } else { ConversionOutcome::Attributed },
        credits,
        candidates: verdict.candidates,
        lead_id,
        order,
        as_recorded: as_recorded(event, is_told, is_same_answer),
        is_told: event.is_told || !verdict.claims.is_empty(),
        version: if is_told { event.version } else { event.version.saturating_add(1) },
        ..event.as_ref().clone()
    });
    let mut settled = Vec::new();
    if event.kind.is_attributed_as_sale() {
        list_unmatched(context, lead, event, &changed);
    }
    if event.kind.is_attributed() && !is_same_reward {
        let claims = if verdict.may_earn { verdict.claims.as_slice() } else { &[] };
        reprice(context, &changed, claims, &mut settled)?;
    }
    if changed.is_told {
        let kind = match (changed.kind, is_told) {
            (kind, true) => recorded(kind),
            (ConversionKind::Sale, false) => EventKind::SaleAttributed,
            (_, false) => EventKind::ConversionUpdated,
        };
        let image = context.set.image(context.account_id, changed.id)?;
        context.tell_conversion_moved(kind, changed.occurred_at, image, &event.credits);
    }
    tell_settled(context, settled, changed.id)
}

/// Writes a verdict on an event that is told again in a simulation: the credits, and what is earned and taken back.
pub(super) fn settle_again(context: &mut Context<'_>, event: &Conversion, verdict: &Verdict) -> Result<(), Refusal> {
    let credits = commission::credits_of(&verdict.claims);
    let order = OrderDetails { customer_sale: verdict.customer_sale, ..event.order.clone() };
    let is_same_reward = is_same_reward(context, event, verdict, (&credits, &order))?;
    let outcome = if credits.is_empty() { ConversionOutcome::NotReferred } else { ConversionOutcome::Attributed };
    let candidates = verdict.candidates.clone();
    let changed = context.put(Conversion { outcome, credits, order, candidates, ..event.clone() });
    if is_same_reward {
        return Ok(());
    }
    let claims = if verdict.may_earn { verdict.claims.as_slice() } else { &[] };
    reprice(context, &changed, claims, &mut Vec::new())
}

/// Whether a verdict leads to the reward that the event has.
fn is_same_reward(
    context: &mut Context<'_>,
    event: &Conversion,
    verdict: &Verdict,
    (credits, order): (&Credits, &OrderDetails),
) -> Result<bool, Refusal> {
    let is_same_place = event.order.customer_sale == verdict.customer_sale;
    Ok(has_same_terms(&event.credits, credits)
        && !changes_earning(context, event, verdict)?
        && (is_same_place || !changes_price(context, event, order, verdict)?))
}

/// The event of the feed that says that a credited event was recorded.
pub(super) const fn recorded(kind: ConversionKind) -> EventKind {
    match kind {
        ConversionKind::Sale => EventKind::SaleRecorded,
        ConversionKind::Appointment => EventKind::AppointmentRecorded,
        ConversionKind::CustomEvent => EventKind::CustomEventRecorded,
        ConversionKind::Lead => EventKind::LeadRecorded,
        ConversionKind::Refund => EventKind::RefundRecorded,
        ConversionKind::Cancellation => EventKind::CancellationRecorded,
        ConversionKind::RefundUndo => EventKind::RefundUndone,
        ConversionKind::Correction => EventKind::CorrectionRecorded,
        ConversionKind::Dispute => EventKind::DisputeOpened,
        ConversionKind::DisputeResolution => EventKind::DisputeResolved,
    }
}

/// The lead and the credits with which a sale was answered, once they change. The sale that is recorded now has no answer yet.
fn as_recorded(event: &Conversion, is_told: bool, is_same: bool) -> Option<Box<AsRecorded>> {
    let is_answered = event.kind.is_attributed_as_sale() && !is_told;
    if is_answered && !is_same { Some(Box::new(event.as_recorded())) } else { event.as_recorded.clone() }
}

/// Whether two credits lead to the same reward.
fn has_same_terms(before: &Credits, after: &Credits) -> bool {
    let terms = |credits: &Credits| -> Vec<_> {
        credits.iter().map(|credit| (credit.enrollment_id, credit.terms_version, credit.share_ppm)).collect()
    };
    terms(before) == terms(after)
}

/// Whether a sign-up whose credit leads to the same terms begins to earn, or ends: another sign-up turns out to have bound the customer.
fn changes_earning(context: &mut Context<'_>, event: &Conversion, verdict: &Verdict) -> Result<bool, Refusal> {
    let has_rules = |claim: &&Claim| !claim.terms.rules.commission_rules.is_empty();
    let claims = verdict.claims.iter().filter(|_| event.kind == ConversionKind::Lead);
    let mut claims = claims.filter(has_rules).peekable();
    if claims.peek().is_none() {
        return Ok(false);
    }
    let mut earned = context.set.rewards_of(context.account_id, event.id)?.into_iter();
    // A sign-up that found no room under a cap has no reward, and earns nevertheless.
    let has_reward = !event.order.counted.is_empty()
        || earned.any(|reward| {
            let is_denied = reward.state == RewardState::Denied;
            reward.reverses.is_none()
                && !reward.is_tally_change()
                && reward.value.amount_minor != reward.reversed_minor
                && (!is_denied || verdict.may_earn)
        });
    let mut earns = false;
    for claim in claims.filter(|_| verdict.may_earn) {
        let noted = noted::with_noted(context, event, (&claim.credit, &claim.terms))?;
        earns |= commission::is_paid(context, noted.as_ref().unwrap_or(event), claim)?;
    }
    Ok(has_reward != earns)
}

/// Whether a sale has another price at its place among those of its customer.
fn changes_price(
    context: &mut Context<'_>,
    event: &Conversion,
    order: &OrderDetails,
    verdict: &Verdict,
) -> Result<bool, Refusal> {
    let moved = Conversion { order: order.clone(), ..event.clone() };
    for claim in &verdict.claims {
        if commission::price(context, event, claim)? != commission::price(context, &moved, claim)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Keeps the list of the sales that nobody referred.
fn list_unmatched(context: &mut Context<'_>, lead: Option<&Lead>, before: &Conversion, sale: &Conversion) {
    if !sale.credits.is_empty() {
        context.set.remove::<UnmatchedSale>(&(sale.account_id, sale.id));
    } else if let Some(lead) = lead
        && !before.credits.is_empty()
    {
        context.put(UnmatchedSale {
            account_id: sale.account_id,
            conversion_id: sale.id,
            email: lead.email.clone(),
            external_id: lead.external_id.clone(),
            occurred_at: sale.occurred_at,
        });
    }
}

/// Takes the rewards of an event back, and earns those that its credits lead to, less what was refunded.
fn reprice(
    context: &mut Context<'_>,
    sale: &Conversion,
    claims: &[Claim],
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    let earlier = context.set.rewards_of(context.account_id, sale.id)?;
    let is_own = |reward: &&Arc<Reward>| reward.reverses.is_none() && !reward.is_tally_change();
    let earlier: Vec<_> = earlier.into_iter().filter(is_own).cloned().collect();
    let reason = LedgerReason::Reattributed;
    let rule = RewardRule::Reversal;
    let cause = Cause { conversion_id: sale.id, base_amount: sale.amount.map(Money::negated), reason, rule };
    for reward in &earlier {
        take_back(context, reward, &Target::whole(reward), &cause, settled)?;
    }
    // A person decided that the affiliate earns nothing from this sale. This holds even if the sale was another's in between.
    let was_denied = |claim: &&Claim| {
        let is_of_claim = |reward: &&Arc<Reward>| reward.is_of_credit(claim.enrollment.id);
        earlier.iter().filter(is_of_claim).any(|reward| reward.state == RewardState::Denied)
    };
    let (denied, claims): (Vec<Claim>, Vec<Claim>) = claims.iter().cloned().partition(|claim| was_denied(&claim));
    tally_change::withdraw(context, sale.id, &denied, settled)?;
    // A sale whose reward is denied stays counted.
    for claim in &denied {
        earn::count(context, sale, claim)?;
    }
    earn_left(context, sale, &claims, settled)
}

/// Earns what the credits of an event lead to, less what was refunded.
pub(super) fn earn_left(
    context: &mut Context<'_>,
    sale: &Conversion,
    claims: &[Claim],
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    let is_refunded = |amount: Money| sale.refund_count > 0 && sale.refunded_minor == amount.amount_minor;
    if sale.amount.is_some_and(is_refunded) {
        return Ok(());
    }
    let earned = earn::earn_all(context, sale, claims)?;
    let Some(amount) = sale.amount else { return Ok(()) };
    let refunded = Money::new(-sale.refunded_minor, amount.currency);
    let (reason, rule) = (LedgerReason::Refunded, RewardRule::Reversal);
    let cause = Cause { conversion_id: sale.id, base_amount: Some(refunded), reason, rule };
    for reward in earned.iter().filter(|reward| !reward.is_tally_change()) {
        let target = taken_part(context, sale, reward)?;
        take_back(context, reward, &target, &cause, settled)?;
    }
    tally_change::follow(context, sale.id, sale.id, settled)
}
