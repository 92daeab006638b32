//! The rule of refunds. Refunds take rewards back cumulatively, under the terms of the sale.
//!
//! `reversed so far = round(reward x refunded so far / base)`. Each refund takes back the difference to the amount taken back
//! before. Several partial refunds therefore take back as much as one refund of their sum. A full refund leaves exactly zero.

use std::sync::Arc;

use super::context::{Context, Rule};
use super::line;
use super::reversal::{Cause, present_price, take_back, taken_part, tell_settled};
use super::{sale_count, tally_change};
use crate::domain::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credit, Credits, OrderDetails, RefundOutcome,
    SaleChannel, SaleLine, WaitingRefund,
};
use crate::domain::event::EventKind;
use crate::domain::id::{AccountId, ConversionId, RewardId};
use crate::domain::lead::Customer;
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::money::{Money, Overflow, Rounding, portion};
use crate::domain::program::Commission;
use crate::domain::refusal::{Field, Refusal};
use crate::domain::request::{RecordedKind, Request, RequestKey};
use crate::domain::reward::{Calculation, Reward, RewardRule, RewardState, RewardUnit};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Record a refund.
#[derive(Debug, Clone)]
pub struct RecordRefund {
    /// The merchant's id for the event.
    pub event_id: String,
    /// The event_id of the refunded sale. `None`: the customer's latest fitting sale is refunded.
    pub sale_event_id: Option<String>,
    /// The customer who gets the refund.
    pub customer: Customer,
    /// The refunded amount. It is more than zero, unless the sale is free. `None`: what the lines add up to.
    pub amount: Option<Money>,
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
        let sale = self.find_sale(context)?.cloned();
        let amount = line::refund_amount(sale.as_deref(), self.amount, &self.lines)?;
        let refund = self.new_refund(context, amount);
        let (refund, taken_back) = match sale {
            Some(sale) => {
                if self.commission_adjustment.is_none() {
                    line::check_lines(&sale, &self.lines)?;
                }
                let excess_minor = self.excess_of(&sale, amount)?;
                book(context, &sale, Conversion { excess_minor, ..refund })?
            }
            None => (leave_alone(context, refund), Vec::new()),
        };
        Ok(RefundOutcome {
            outcome: refund.outcome,
            conversion_id: refund.id,
            sale_id: refund.sale_id,
            rewards: taken_back.iter().map(|reward| reward.summary()).collect(),
        })
    }
}

impl RecordRefund {
    /// By how much the refund exceeds what is left of the sale. Refuses a refund that does not fit, unless it exceeds the sale and
    /// says what becomes of the commission.
    fn excess_of(&self, sale: &Conversion, amount: Money) -> Result<i64, Refusal> {
        match check_fits(sale, amount) {
            Ok(()) => Ok(0),
            Err(Refusal::RefundExceedsSale { left_minor, .. }) if self.commission_adjustment.is_some() => {
                Ok(amount.amount_minor - left_minor)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// The refunded sale: the named one, or the customer's latest sale before the refund that the refund fits, referred or not.
    /// `None` when the named sale has not arrived, and when the customer is unknown.
    fn find_sale<'set>(&self, context: &'set Context<'_>) -> Result<Option<&'set Arc<Conversion>>, Refusal> {
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
        let fitting = sales.into_iter().filter_map(|sale| Some((self.excess_of(sale, self.amount?).ok()?, sale)));
        // A sale before the refund comes first. A later one is better than none, because some senders know only the day of a
        // refund.
        let rank = |(excess_minor, sale): &(i64, &Arc<Conversion>)| {
            (*excess_minor == 0, sale.occurred_at <= refunded_at, sale.occurred_at, sale.id)
        };
        fitting.max_by_key(rank).map(|(_, sale)| sale).map(Some).ok_or(Refusal::NoSaleToRefund)
    }

    fn new_refund(&self, context: &mut Context<'_>, amount: Money) -> Conversion {
        Conversion {
            id: ConversionId::new(context.ids),
            account_id: context.account_id,
            kind: ConversionKind::Refund,
            event_id: self.event_id.clone(),
            outcome: ConversionOutcome::NotReferred,
            amount: Some(amount.negated()),
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
                commission_adjustment: self.commission_adjustment,
                lines: self.lines.clone(),
                ..OrderDetails::default()
            },
            candidates: Vec::new(),
            occurred_at: self.occurred_at.unwrap_or(context.now),
            created_at: context.now,
            is_told: false,
            version: 1,
            as_recorded: None,
        }
    }
}

fn check_fits(sale: &Conversion, amount: Money) -> Result<(), Refusal> {
    let Some(left) = sale.left() else { return Err(Refusal::NoSaleToRefund) };
    if amount.amount_minor == 0 && sale.amount.is_some_and(|amount| amount.amount_minor > 0) {
        let problem = "must be more than zero, because the sale is not free".to_owned();
        return Err(Refusal::InvalidField { field: Field::Amount, problem });
    }
    if left.currency != amount.currency {
        return Err(Refusal::CurrencyMismatch { sale_id: sale.id, currency: left.currency });
    }
    if left.amount_minor < amount.amount_minor {
        return Err(Refusal::RefundExceedsSale {
            sale_id: sale.id,
            left_minor: left.amount_minor,
            currency: left.currency,
        });
    }
    Ok(())
}

/// Writes a refund that has no sale. It waits if it names a sale. A refund of an unknown customer is not referred.
fn leave_alone(context: &mut Context<'_>, mut refund: Conversion) -> Arc<Conversion> {
    if refund.sale_event_id.is_empty() {
        return context.put(refund);
    }
    refund.outcome = ConversionOutcome::Waiting;
    refund.is_told = true;
    let refund = context.put(refund);
    context.put(waiting(&refund));
    let image = ConversionImage { conversion: Arc::clone(&refund), rewards: Vec::new() };
    context.tell_conversion(EventKind::RefundWaiting, refund.occurred_at, image);
    refund
}

fn waiting(refund: &Conversion) -> WaitingRefund {
    WaitingRefund {
        account_id: refund.account_id,
        sale_event_id: refund.sale_event_id.clone(),
        conversion_id: refund.id,
    }
}

/// Books the refunds that waited for a sale, in the order in which they happened. Of a refund that is larger than what the sale has
/// left, that much is booked, and the owner is told of the rest. A refund in another currency keeps waiting, and ListConversions
/// shows it.
pub(super) fn book_waiting(context: &mut Context<'_>, sale: &Conversion) -> Result<(), Refusal> {
    let refunds = context.set.refunds_waiting_for(context.account_id, &sale.event_id)?;
    let refunds: Vec<_> = refunds.into_iter().cloned().collect();
    for refund in refunds {
        let sale = Arc::clone(context.set.conversion(context.account_id, sale.id)?);
        let Some(amount) = refund.amount.map(Money::negated) else { continue };
        let excess_minor = match check_fits(&sale, amount) {
            Ok(()) => 0,
            Err(Refusal::RefundExceedsSale { left_minor, .. }) => amount.amount_minor - left_minor,
            Err(_) => continue,
        };
        let key = (refund.account_id, refund.sale_event_id.clone(), refund.id);
        context.set.remove::<WaitingRefund>(&key);
        book(
            context,
            &sale,
            Conversion { excess_minor, version: refund.version.saturating_add(1), ..refund.as_ref().clone() },
        )?;
    }
    Ok(())
}

/// Books a fitting refund against its sale. Returns the refund and its negative rewards.
fn book(
    context: &mut Context<'_>,
    sale: &Conversion,
    refund: Conversion,
) -> Result<(Arc<Conversion>, Vec<Arc<Reward>>), Refusal> {
    let refund_minor = -refund.amount.map_or(0, |amount| amount.amount_minor);
    let mut refunded = Conversion {
        refunded_minor: sale.refunded_minor + refund_minor - refund.excess_minor,
        refund_count: sale.refund_count.saturating_add(1),
        version: sale.version.saturating_add(1),
        ..sale.clone()
    };
    let lines = line::refund(&mut refunded.order.lines, &refund.order.lines, refund_minor - refund.excess_minor);
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
            commission_adjustment: refund.order.commission_adjustment,
            coupon_use: None,
            customer_sale: None,
            counted: Vec::new(),
            laddered: Vec::new(),
            tallied: Vec::new(),
            noted: Vec::new(),
            suspicions: Vec::new(),
            lines,
            lines_before: Vec::new(),
            ..sale.order.clone()
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
    if sale.is_told {
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
    let (reason, rule) = (LedgerReason::Refunded, RewardRule::Reversal);
    let cause = Cause { conversion_id: refund.id, base_amount, reason, rule };
    for reward in rewards.iter().filter(|reward| !reward.is_tally_change()) {
        let target = taken_part(context, sale, reward)?;
        take_back(context, reward, &target, &cause, settled)?;
    }
    tally_change::follow(context, sale.id, refund.id, settled)?;
    adjust(context, sale, refund, &rewards)
}

/// Gives the affiliate of a refund's sale the commission adjustment of the refund, less what the excess takes back. `None` if the refund
/// has no adjustment, if nobody is credited, and if it comes to nothing.
///
/// It is a reward of its own. It waits with the reward of the sale only if that one waits and it is more than zero, because the amounts
/// that wait are never negative in all.
pub(super) fn adjust(
    context: &mut Context<'_>,
    sale: &Conversion,
    refund: &Conversion,
    rewards: &[Arc<Reward>],
) -> Result<Option<Arc<Reward>>, Refusal> {
    let (Some(adjustment), Some(credit)) = (refund.order.commission_adjustment, sale.credits.first()) else {
        return Ok(None);
    };
    let earned = earned_for(credit, rewards);
    let (excess_minor, calculation) = excess_part(context, sale, refund, credit, earned)?;
    let value_minor = adjustment.amount_minor.checked_sub(excess_minor).ok_or(Overflow)?;
    if value_minor == 0 {
        return Ok(None);
    }
    let waits = |reward: &&Reward| matches!(reward.state, RewardState::Pending | RewardState::Held);
    let waiting = earned.filter(waits).filter(|_| value_minor > 0);
    let reward = Reward {
        id: RewardId::new(context.ids),
        account_id: context.account_id,
        conversion_id: Some(refund.id),
        affiliate_id: credit.affiliate_id,
        enrollment_id: credit.enrollment_id,
        program_id: credit.program_id,
        unit: RewardUnit::Cash,
        value: Money::new(value_minor, adjustment.currency),
        reversed_minor: 0,
        reverses: None,
        state: waiting.map_or(RewardState::Approved, |reward| reward.state),
        calculation: Some(Calculation { adjustment: Some(adjustment), ..calculation }),
        by_hand: None,
        click: None,
        review: None,
        auto_approve_at: earned.map_or(context.now, |reward| reward.auto_approve_at),
        created_at: context.now,
        updated_at: context.now,
        deny_reason: String::new(),
        payout_id: None,
        approved_at: (waiting.is_none() && value_minor > 0).then_some(context.now),
    };
    let reward = context.put(reward);
    let account = if waiting.is_some() { LedgerAccount::AffiliatePending } else { LedgerAccount::AffiliatePayable };
    let reason = LedgerReason::Adjusted;
    context.post(Posting::for_reward(&reward, LedgerAccount::CommissionExpense, account, reason, context.now));
    Ok(Some(reward))
}

/// The reward that a credit has earned last, unless a person denied it.
fn earned_for<'rewards>(credit: &Credit, rewards: &'rewards [Arc<Reward>]) -> Option<&'rewards Reward> {
    let is_of_credit = |reward: &&Arc<Reward>| {
        let is_own = reward.reverses.is_none() && reward.is_of_credit(credit.enrollment_id);
        is_own && reward.state != RewardState::Denied
    };
    rewards.iter().rfind(is_of_credit).map(AsRef::as_ref)
}

/// What the excess of a refund with an adjustment takes back, `round(reward x excess / sale)`, and the calculation of the adjustment's
/// reward. Nothing, if the sale has earned nothing in the currency of the adjustment.
fn excess_part(
    context: &mut Context<'_>,
    sale: &Conversion,
    refund: &Conversion,
    credit: &Credit,
    earned: Option<&Reward>,
) -> Result<(i64, Calculation), Refusal> {
    let (amount, adjustment) = (sale.amount, refund.order.commission_adjustment);
    let amount = amount.or(adjustment).ok_or(Refusal::NoSaleToRefund)?;
    let base_amount = Money::new(-refund.excess_minor, amount.currency);
    let rule = RewardRule::Adjustment;
    let earned = earned.filter(|reward| Some(reward.value.currency) == adjustment.map(|money| money.currency));
    if let Some((reward, calculation)) = earned.and_then(|reward| Some((reward, reward.calculation.as_ref()?)))
        && let Some(present) = present_price(context, sale, calculation, reward, amount)?
    {
        let part = portion(present.value_minor, refund.excess_minor, amount.amount_minor, calculation.rounding)?;
        let calculation = present.calculation.unwrap_or_else(|| calculation.clone());
        return Ok((
            part,
            Calculation { rule, base_amount, sale_amount: amount, lines: Vec::new(), brackets: None, ..calculation },
        ));
    }
    let nothing = Calculation {
        split: None,
        rule,
        base_amount,
        sale_amount: amount,
        commission: Commission::PercentPpm(0),
        share_ppm: credit.share_ppm,
        terms_version: credit.terms_version,
        rounding: Rounding::HalfEven,
        adjustment: None,
        rule_taken: None,
        amount_not_compared: false,
        upline: None,
        caps: Vec::new(),
        tally_change: None,
        ladder: None,
        brackets: None,
        lines: Vec::new(),
    };
    Ok((0, nothing))
}
