//! The rule of undone refunds: a refund that failed, or that was never made. The sale, its rewards and everything that follows from them
//! become what they would be without the refund, by new rewards and entries. A reward of which nothing was left is final, so its sale earns
//! a new one, which is held or approved if that one was.
//!
//! A refund that waits for its sale goes on waiting, together with what undid it, because totals that wait too may have it.

use std::sync::Arc;

use super::context::{Context, Rule};
use super::correction::{self, Again};
use super::reversal::{Cause, Target, take_back, tell_settled};
use super::reward::tell_updated;
use super::{line, sale_count};
use crate::domain::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credits, OrderDetails, RefundOutcome, WaitingRefund,
};
use crate::domain::event::EventKind;
use crate::domain::id::{AccountId, ConversionId};
use crate::domain::ledger::LedgerReason;
use crate::domain::money::Money;
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::request::{RecordedKind, Request, RequestKey};
use crate::domain::reward::{Reward, RewardRule};
use crate::domain::set::Needs;
use crate::domain::time::Time;
use crate::domain::told_refund;

/// Undo a refund.
#[derive(Debug, Clone)]
pub struct UndoRefund {
    /// The merchant's id for the event.
    pub event_id: String,
    /// The merchant's id for the refund event.
    pub refund_event_id: String,
    /// Why it is undone; may be empty.
    pub reason: String,
    /// When it was undone; `None` for now.
    pub occurred_at: Option<Time>,
}

impl Rule for UndoRefund {
    type Answer = RefundOutcome;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Request>(RequestKey::event(account, RecordedKind::Refund, &self.refund_event_id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<RefundOutcome, Refusal> {
        let refund = self.find_refund(context)?;
        if let Some(id) = refund.order.undone_by {
            context.set.wanted().row::<Conversion>((context.account_id, id));
            let undo = context.set.conversion(context.account_id, id)?;
            return Ok(RefundOutcome { was_undone: true, ..RefundOutcome::of(undo, []) });
        }
        let undo = self.new_undo(context, &refund);
        if let Some(sale_id) = refund.sale_id {
            context.set.wanted().row::<Conversion>((context.account_id, sale_id));
            let sale = Arc::clone(context.set.conversion(context.account_id, sale_id)?);
            let (undo, rewards) = book(context, &sale, &refund, undo)?;
            return Ok(RefundOutcome::of(&undo, &rewards));
        }
        let waits = undo.outcome == ConversionOutcome::Waiting;
        let undo = context.put(Conversion { is_told: waits, ..undo });
        if waits {
            context.put(WaitingRefund::of(&undo));
            let image = ConversionImage { conversion: Arc::clone(&undo), rewards: Vec::new() };
            context.tell_conversion(EventKind::RefundUndone, undo.occurred_at, image);
        }
        mark(context, &refund, undo.id)?;
        Ok(RefundOutcome::of(&undo, []))
    }
}

impl UndoRefund {
    fn find_refund(&self, context: &mut Context<'_>) -> Result<Arc<Conversion>, Refusal> {
        let account_id = context.account_id;
        let key = RequestKey::event(account_id, RecordedKind::Refund, &self.refund_event_id);
        let request = context.set.request(&key)?;
        let request = request.ok_or_else(|| Refusal::not_found(Resource::Conversion, &self.refund_event_id))?;
        let id = ConversionId::from_uuid(request.effect);
        context.set.wanted().row::<Conversion>((account_id, id));
        context.get::<Conversion, ConversionId>(id).map(Arc::clone)
    }

    /// What undoes a refund. It waits as long as the refund does.
    fn new_undo(&self, context: &mut Context<'_>, refund: &Conversion) -> Conversion {
        Conversion {
            id: ConversionId::new(context.ids),
            kind: ConversionKind::RefundUndo,
            event_id: self.event_id.clone(),
            amount: refund.amount.map(Money::negated),
            excess_minor: 0,
            tid: None,
            credits: Credits::new(),
            order: OrderDetails {
                reason: self.reason.clone(),
                undone_refund_id: Some(refund.id),
                ..OrderDetails::default()
            },
            candidates: Vec::new(),
            // It is never before the refund.
            occurred_at: self.occurred_at.unwrap_or(context.now).max(refund.occurred_at),
            created_at: context.now,
            is_told: false,
            version: 1,
            as_recorded: None,
            ..refund.clone()
        }
    }
}

/// Notes in a refund that it was undone.
fn mark(context: &mut Context<'_>, refund: &Conversion, undo_id: ConversionId) -> Result<(), Refusal> {
    let order = OrderDetails { undone_by: Some(undo_id), ..refund.order.clone() };
    let marked = context.put(Conversion { order, ..refund.clone() });
    if marked.is_told {
        return tell_updated(context, marked.id);
    }
    context.put(Conversion { version: marked.version.saturating_add(1), ..marked.as_ref().clone() });
    Ok(())
}

/// Books what undid a refund that waited for this sale. Returns whether the refund was booked, so that it could be.
pub(super) fn book_waiting(context: &mut Context<'_>, sale: &Conversion, undo: Conversion) -> Result<bool, Refusal> {
    let Some(refund_id) = undo.order.undone_refund_id else { return Ok(false) };
    context.set.wanted().row::<Conversion>((context.account_id, refund_id));
    let refund = Arc::clone(context.set.conversion(context.account_id, refund_id)?);
    if refund.sale_id != Some(sale.id) {
        return Ok(false);
    }
    book(context, sale, &refund, undo)?;
    Ok(true)
}

/// Books what undid a refund of a sale. Returns it with the rewards that give back.
fn book(
    context: &mut Context<'_>,
    sale: &Conversion,
    refund: &Conversion,
    undo: Conversion,
) -> Result<(Arc<Conversion>, Vec<Arc<Reward>>), Refusal> {
    let mut restored = sale.clone();
    let sold_minor = sale.amount.map_or(0, |amount| amount.amount_minor);
    let known_minor = told_refund::undo(&mut restored.order.told_refunds, refund.id, undo.occurred_at, sold_minor);
    let taken_minor = -refund.amount.map_or(0, |amount| amount.amount_minor) - refund.excess_minor;
    let minor = known_minor.unwrap_or(taken_minor).clamp(0, sale.refunded_minor.max(0));
    let was_known = refund.order.was_known;
    let has_waited = undo.is_told;
    restored.refunded_minor = sale.refunded_minor - minor;
    // At least one is left as long as something is refunded.
    let least = i32::from(restored.refunded_minor > 0);
    restored.refund_count = sale.refund_count.saturating_sub(i32::from(!was_known)).max(least);
    restored.version = sale.version.saturating_add(1);
    let lines = line::restore(&mut restored.order.lines, &refund.order.lines, minor);
    let changes_count = sale_count::note_left(context, sale, &mut restored);
    let sale = context.put(restored);
    let undo = context.put(Conversion {
        outcome: sale.outcome,
        amount: sale.amount.map(|amount| Money::new(minor, amount.currency)),
        sale_id: Some(sale.id),
        sale_event_id: sale.event_id.clone(),
        lead_id: sale.lead_id,
        credits: sale.credits.clone(),
        channel: sale.channel,
        order: OrderDetails {
            refund_id: refund.order.refund_id.clone(),
            reason: undo.order.reason.clone(),
            undone_refund_id: Some(refund.id),
            was_known,
            lines,
            ..sale.order.of_change()
        },
        is_told: refund.is_told || sale.is_told,
        ..undo
    });
    let mut settled = Vec::new();
    let mut rewards = restore(context, &sale, &undo, &mut settled)?;
    rewards.extend(take_adjustment_back(context, refund.id, &undo, &mut settled)?);
    if undo.is_told {
        let image = context.set.image(context.account_id, undo.id)?;
        // What has waited was told when it was recorded.
        let kind = if has_waited { EventKind::ConversionUpdated } else { EventKind::RefundUndone };
        context.tell_conversion(kind, undo.occurred_at, image);
    }
    if sale.is_told {
        let image = context.set.image(context.account_id, sale.id)?;
        context.tell_conversion(EventKind::SaleRestored, undo.occurred_at, image);
    }
    let refund = Arc::clone(context.set.conversion(context.account_id, refund.id)?);
    mark(context, &refund, undo.id)?;
    tell_settled(context, settled, sale.id)?;
    if changes_count {
        sale_count::follow(context, &sale)?;
    }
    Ok((undo, rewards))
}

/// The cause of the rewards that give back what a refund took.
fn cause_of(undo: &Conversion) -> Cause {
    let (reason, rule) = (LedgerReason::Refunded, RewardRule::Reversal);
    Cause { conversion_id: undo.id, base_amount: undo.amount, reason, rule }
}

/// Makes the rewards of a sale what they are once a refund of it was undone. Returns the new rewards.
pub(super) fn restore(
    context: &mut Context<'_>,
    sale: &Conversion,
    undo: &Conversion,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Vec<Arc<Reward>>, Refusal> {
    correction::follow(context, sale, &cause_of(undo), Again::AsBefore, settled)
}

/// Takes the commission adjustment of an undone refund back.
fn take_adjustment_back(
    context: &mut Context<'_>,
    refund_id: ConversionId,
    undo: &Conversion,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Vec<Arc<Reward>>, Refusal> {
    let rewards = context.set.rewards_of(context.account_id, refund_id)?;
    let is_adjustment = |reward: &&Arc<Reward>| {
        let rule = reward.calculation.as_ref().map(|calculation| calculation.rule);
        reward.reverses.is_none() && rule == Some(RewardRule::Adjustment)
    };
    let adjustments: Vec<_> = rewards.into_iter().filter(is_adjustment).cloned().collect();
    let cause = cause_of(undo);
    let mut taken = Vec::new();
    for reward in adjustments {
        taken.extend(take_back(context, &reward, &Target::whole(&reward), &cause, settled)?);
    }
    Ok(taken)
}
