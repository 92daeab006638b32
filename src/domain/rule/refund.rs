//! The rule of refunds. Refunds take rewards back cumulatively, under the terms of the sale.
//!
//! `reversed so far = round(reward x refunded so far / base)`. Each refund takes back the difference to the amount taken back
//! before. Several partial refunds therefore take back as much as one refund of their sum. A full refund leaves exactly zero.
//!
//! A refund may be told by the total that was refunded so far. See [`told_refund`] for what it adds.

use std::sync::Arc;

use super::context::{Context, Rule};
use super::line;
use super::refund_adjustment::adjust;
use super::reversal::{Cause, take_back, taken_part, tell_settled};
use super::{refund_undo, sale_count, tally_change};
use crate::domain::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credits, OrderDetails, RefundOutcome, SaleChannel,
    SaleLine, WaitingRefund,
};
use crate::domain::event::EventKind;
use crate::domain::id::{AccountId, ConversionId, RewardId};
use crate::domain::lead::Customer;
use crate::domain::ledger::LedgerReason;
use crate::domain::money::Money;
use crate::domain::refusal::{Field, Refusal};
use crate::domain::request::{RecordedKind, Request, RequestKey};
use crate::domain::reward::{Reward, RewardRule, RewardState};
use crate::domain::set::Needs;
use crate::domain::time::Time;
use crate::domain::told_refund::{self, ToldRefund};

/// Record a refund.
#[derive(Debug, Clone)]
pub struct RecordRefund {
    /// The merchant's id for the event.
    pub event_id: String,
    /// The event_id of the refunded sale. `None`: the customer's latest fitting sale is refunded.
    pub sale_event_id: Option<String>,
    /// The customer who gets the refund.
    pub customer: Customer,
    /// The refunded amount. It is more than zero, unless the sale is free. `None`: what the lines add up to, or a total is told.
    pub amount: Option<Money>,
    /// What was refunded of the sale so far in all, in place of an amount. Only with a `sale_event_id`, and without lines.
    pub refunded_total: Option<Money>,
    /// The lines of the sale that are refunded, if any are named, in the form of a refund that waits. Only with a `sale_event_id`.
    pub lines: Vec<SaleLine>,
    /// The merchant's id of the refund; may be empty.
    pub refund_id: String,
    /// What the affiliate gets of it in addition. If it is set, the refund may be more than is left of the sale.
    pub commission_adjustment: Option<Money>,
    /// When the refund happened; `None` for now.
    pub occurred_at: Option<Time>,
}

impl Rule for RecordRefund {
    type Answer = RefundOutcome;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        match &self.sale_event_id {
            Some(sale_event_id) => {
                needs.row::<Request>(RequestKey::event(account, RecordedKind::Sale, sale_event_id));
            }
            None => {
                needs.customer(account, &self.customer);
                needs.unmatched_sales(account, &self.customer);
                needs.latest_sales(account, &self.customer);
            }
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<RefundOutcome, Refusal> {
        let id = ConversionId::new(context.ids);
        let occurred_at = self.occurred_at.unwrap_or(context.now);
        let sale = self.find_sale(context, id)?.cloned();
        let money = match self.refunded_total {
            Some(total) => total,
            None => line::refund_amount(sale.as_deref(), self.amount, &self.lines)?,
        };
        let told = Told { id, occurred_at, money, is_total: self.refunded_total.is_some() };
        let refund = self.new_refund(context, &told);
        let Some(sale) = sale else {
            let refund = leave_alone(context, refund);
            return Ok(RefundOutcome::of(&refund, []));
        };
        // What a total has told may have been taken from the same lines.
        if self.commission_adjustment.is_none() && !sale.order.told_refunds.iter().any(|refund| refund.is_total) {
            line::check_lines(&sale, &self.lines)?;
        }
        let fit = self.fit(&sale, &told)?;
        let (refund, taken_back) = book(context, &sale, refund, &told, fit)?;
        let known_total = sale.amount.filter(|_| refund.order.was_known);
        let known_total = known_total.map(|sold| Money::new(sale.refunded_minor, sold.currency));
        Ok(RefundOutcome { known_total, ..RefundOutcome::of(&refund, &taken_back) })
    }
}

/// A refund as it was told.
struct Told {
    id: ConversionId,
    occurred_at: Time,
    /// The amount or the total.
    money: Money,
    is_total: bool,
}

impl Told {
    /// A refund that waited.
    fn of(refund: &Conversion) -> Option<Self> {
        let total = refund.order.refunded_total;
        let money = total.or(refund.amount.map(Money::negated))?;
        Some(Self { id: refund.id, occurred_at: refund.occurred_at, money, is_total: total.is_some() })
    }

    fn to_keep(&self) -> ToldRefund {
        let Self { id, occurred_at, money, is_total } = *self;
        ToldRefund { id, occurred_at, minor: money.amount_minor, is_total, undone_at: None, undone_after: 0 }
    }
}

/// How a refund fits its sale.
#[derive(Clone, Copy)]
struct Fit {
    /// What it adds to what was refunded of the sale.
    added_minor: i64,
    /// What is more than the sale has left.
    excess_minor: i64,
}

impl RecordRefund {
    /// How the refund fits a sale. Refuses a refund that does not fit, unless it exceeds the sale and says what becomes of the commission.
    fn fit(&self, sale: &Conversion, told: &Told) -> Result<Fit, Refusal> {
        let fit = fit(sale, told)?;
        if fit.excess_minor > 0 && self.commission_adjustment.is_none() {
            let left_minor = sale.left().map_or(0, |left| left.amount_minor);
            return Err(Refusal::RefundExceedsSale { sale_id: sale.id, left_minor, currency: told.money.currency });
        }
        Ok(fit)
    }

    /// The refunded sale: the named one, or the customer's latest sale before the refund that the refund fits, referred or not.
    /// `None` when the named sale has not arrived, and when the customer is unknown.
    fn find_sale<'set>(
        &self,
        context: &'set Context<'_>,
        id: ConversionId,
    ) -> Result<Option<&'set Arc<Conversion>>, Refusal> {
        let (set, account_id) = (&context.set, context.account_id);
        if let Some(sale_event_id) = &self.sale_event_id {
            let key = RequestKey::event(account_id, RecordedKind::Sale, sale_event_id);
            let Some(request) = set.request(&key)? else { return Ok(None) };
            return set.conversion(account_id, ConversionId::from_uuid(request.effect)).map(Some);
        }
        let lead = set.find_customer(account_id, &self.customer)?;
        // Sales that wait for their lead can be refunded too. When their lead arrives, the refunded part must not be priced.
        let mut sales = set.unmatched_sales_of(account_id, lead.map(Arc::as_ref), &self.customer)?;
        sales.retain(|sale| sale.kind == ConversionKind::Sale);
        if let Some(lead) = lead {
            sales.extend(set.latest_sales_of(lead)?);
        } else if sales.is_empty() {
            return Ok(None);
        }
        let refunded_at = self.occurred_at.unwrap_or(context.now).plus_micros(Time::CLOCK_DIFFERENCE_MICROS_MAX);
        let occurred_at = self.occurred_at.unwrap_or(context.now);
        let fitting = sales.into_iter().filter_map(|sale| {
            let told = Told { id, occurred_at, money: self.amount?, is_total: false };
            Some((self.fit(sale, &told).ok()?.excess_minor, sale))
        });
        // A sale before the refund comes first. A later one is better than none, because some senders know only the day of a
        // refund.
        let rank = |(excess_minor, sale): &(i64, &Arc<Conversion>)| {
            (*excess_minor == 0, sale.occurred_at <= refunded_at, sale.occurred_at, sale.id)
        };
        fitting.max_by_key(rank).map(|(_, sale)| sale).map(Some).ok_or(Refusal::NoSaleToRefund)
    }

    fn new_refund(&self, context: &Context<'_>, told: &Told) -> Conversion {
        Conversion {
            id: told.id,
            account_id: context.account_id,
            kind: ConversionKind::Refund,
            event_id: self.event_id.clone(),
            outcome: ConversionOutcome::NotReferred,
            amount: Some(told.money.negated()),
            refunded_minor: 0,
            refund_count: 0,
            excess_minor: 0,
            sale_id: None,
            sale_event_id: self.sale_event_id.clone().unwrap_or_default(),
            lead_id: None,
            tid: None,
            credits: Credits::new(),
            channel: SaleChannel::Online,
            order: OrderDetails {
                refund_id: self.refund_id.clone(),
                refunded_total: self.refunded_total,
                commission_adjustment: self.commission_adjustment,
                lines: self.lines.clone(),
                ..OrderDetails::default()
            },
            candidates: Vec::new(),
            occurred_at: told.occurred_at,
            created_at: context.now,
            is_told: false,
            version: 1,
            as_recorded: None,
        }
    }
}

fn fit(sale: &Conversion, told: &Told) -> Result<Fit, Refusal> {
    let Some(left) = sale.left() else { return Err(Refusal::NoSaleToRefund) };
    let is_sold = sale.amount.is_some_and(|amount| amount.amount_minor > 0);
    if told.money.amount_minor == 0 && !told.is_total && is_sold {
        let problem = "must be more than zero, because the sale is not free".to_owned();
        return Err(Refusal::InvalidField { field: Field::Amount, problem });
    }
    if left.currency != told.money.currency {
        return Err(Refusal::CurrencyMismatch { sale_id: sale.id, currency: left.currency });
    }
    let sold_minor = sale.amount.map_or(0, |amount| amount.amount_minor);
    let added = |sold_minor| told_refund::added_by(&sale.order.told_refunds, told.to_keep(), sold_minor);
    let added_minor = added(sold_minor).min(left.amount_minor);
    Ok(Fit { added_minor, excess_minor: added(i64::MAX) - added_minor })
}

/// Writes a refund that has no sale. It waits if it names a sale. A refund of an unknown customer is not referred.
fn leave_alone(context: &mut Context<'_>, mut refund: Conversion) -> Arc<Conversion> {
    if refund.sale_event_id.is_empty() {
        return context.put(refund);
    }
    refund.outcome = ConversionOutcome::Waiting;
    refund.is_told = true;
    let refund = context.put(refund);
    context.put(WaitingRefund::of(&refund));
    let image = ConversionImage { conversion: Arc::clone(&refund), rewards: Vec::new() };
    context.tell_conversion(EventKind::RefundWaiting, refund.occurred_at, image);
    refund
}

/// Books the refunds that waited for a sale, in the order in which they happened. Of a refund that is larger than what the sale has
/// left, that much is booked, and the owner is told of the rest. A refund in another currency keeps waiting, and ListConversions
/// shows it.
pub(super) fn book_waiting(context: &mut Context<'_>, sale: &Conversion) -> Result<(), Refusal> {
    let refunds = context.set.refunds_waiting_for(context.account_id, &sale.event_id)?;
    let refunds: Vec<_> = refunds.into_iter().cloned().collect();
    for refund in refunds {
        let sale = Arc::clone(context.set.conversion(context.account_id, sale.id)?);
        let key = (refund.account_id, refund.sale_event_id.clone(), refund.id);
        let waited = Conversion { version: refund.version.saturating_add(1), ..refund.as_ref().clone() };
        if refund.kind == ConversionKind::RefundUndo {
            if refund_undo::book_waiting(context, &sale, waited)? {
                context.set.remove::<WaitingRefund>(&key);
            }
            continue;
        }
        // It may have been undone meanwhile, which is booked after it.
        let Some(told) = Told::of(&refund) else { continue };
        let Ok(fit) = fit(&sale, &told) else { continue };
        context.set.remove::<WaitingRefund>(&key);
        book(context, &sale, waited, &told, fit)?;
    }
    Ok(())
}

/// Books a fitting refund against its sale. Returns the refund and its negative rewards.
fn book(
    context: &mut Context<'_>,
    sale: &Conversion,
    refund: Conversion,
    told: &Told,
    fit: Fit,
) -> Result<(Arc<Conversion>, Vec<Arc<Reward>>), Refusal> {
    let Fit { added_minor, excess_minor } = fit;
    let is_free = sale.amount.is_some_and(|amount| amount.amount_minor == 0);
    // A total of zero takes back what a free sale has earned.
    let was_known = told.is_total && added_minor + excess_minor == 0 && !(is_free && sale.refund_count == 0);
    let currency = told.money.currency;
    let mut refunded = Conversion {
        refunded_minor: sale.refunded_minor + added_minor,
        refund_count: sale.refund_count.saturating_add(i32::from(!was_known)),
        version: sale.version.saturating_add(i32::from(!was_known)),
        ..sale.clone()
    };
    let mut kept = told.to_keep();
    // What the owner has decided about is not compared with other refunds any more.
    kept.minor -= refund.order.commission_adjustment.map_or(0, |_| excess_minor);
    let sold_minor = sale.amount.map_or(0, |amount| amount.amount_minor);
    told_refund::keep(&mut refunded.order.told_refunds, kept, sold_minor);
    let refund =
        Conversion { amount: Some(Money::new(-(added_minor + excess_minor), currency)), excess_minor, ..refund };
    let lines = line::refund(&mut refunded.order.lines, &refund.order.lines, added_minor);
    let changes_count = sale_count::note_left(context, sale, &mut refunded);
    let sale = context.put(refunded);
    let refund = context.put(Conversion {
        outcome: sale.outcome,
        sale_id: Some(sale.id),
        sale_event_id: sale.event_id.clone(),
        lead_id: sale.lead_id,
        credits: sale.credits.clone(),
        channel: sale.channel,
        order: OrderDetails {
            refund_id: refund.order.refund_id.clone(),
            refunded_total: refund.order.refunded_total,
            was_known,
            undone_by: refund.order.undone_by,
            commission_adjustment: refund.order.commission_adjustment,
            lines,
            ..sale.order.of_change()
        },
        is_told: refund.is_told || sale.is_told,
        ..refund
    });

    let mut settled = Vec::new();
    settle(context, &sale, &refund, &mut settled)?;
    // Also what was taken from the changes of tallies.
    let image = context.set.image(context.account_id, refund.id)?;
    let taken_back = image.rewards.clone();
    // Readers of a refund that waited must get an event about its outcome, even when nobody referred the sale.
    if refund.is_told {
        let is_unexpected = refund.excess_minor > 0 && refund.order.commission_adjustment.is_none();
        let kind = if is_unexpected { EventKind::RefundExceededSale } else { EventKind::RefundRecorded };
        context.tell_conversion(kind, refund.occurred_at, image);
    }
    if sale.is_told && !was_known {
        let image = context.set.image(context.account_id, sale.id)?;
        context.tell_conversion(EventKind::SaleRefunded, refund.occurred_at, image);
    }
    tell_settled(context, settled, sale.id)?;
    if changes_count {
        sale_count::follow(context, &sale)?;
    }
    Ok((refund, taken_back))
}

/// Makes the rewards of a sale what they are after a refund that was just taken off it. Returns the commission adjustment of the refund.
pub(super) fn settle(
    context: &mut Context<'_>,
    sale: &Conversion,
    refund: &Conversion,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Option<Arc<Reward>>, Refusal> {
    let rewards: Vec<_> = context.set.rewards_of(context.account_id, sale.id)?.into_iter().cloned().collect();
    // The part that exceeds the sale takes nothing back.
    let base_amount =
        refund.amount.map(|amount| Money::new(amount.amount_minor + refund.excess_minor, amount.currency));
    let (reason, rule) = (reason_to_take(refund.kind), RewardRule::Reversal);
    let cause = Cause { conversion_id: refund.id, base_amount, reason, rule };
    for reward in rewards.iter().filter(|reward| !reward.is_tally_change()) {
        let target = taken_part(context, sale, reward)?;
        take_back(context, reward, &target, &cause, settled)?;
    }
    tally_change::follow(context, sale.id, refund.id, settled)?;
    note_held(context, sale.id, &rewards, settled)?;
    adjust(context, sale, refund, &rewards)
}

/// Why a change of a sale takes its rewards back.
const fn reason_to_take(kind: ConversionKind) -> LedgerReason {
    match kind {
        ConversionKind::DisputeResolution => LedgerReason::ChargedBack,
        _ => LedgerReason::Refunded,
    }
}

/// Notes in a sale which of its held rewards are settled, because those that a person holds are held again if the refund is undone.
fn note_held(
    context: &mut Context<'_>,
    sale_id: ConversionId,
    before: &[Arc<Reward>],
    settled: &[Arc<Reward>],
) -> Result<(), Refusal> {
    let was_held = |reward: &&Arc<Reward>| reward.state == RewardState::Held && reward.reverses.is_none();
    let is_settled = |reward: &&Arc<Reward>| settled.iter().any(|settled| settled.id == reward.id);
    let held: Vec<RewardId> = before.iter().filter(was_held).filter(is_settled).map(|reward| reward.id).collect();
    if !held.is_empty() {
        let mut sale = context.set.conversion(context.account_id, sale_id)?.as_ref().clone();
        sale.order.held_rewards.extend(held);
        context.put(sale);
    }
    Ok(())
}
