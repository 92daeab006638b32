//! Refunds: what they take back, cumulatively, under the terms of their sale.
//!
//! `reversed so far = round(reward x refunded so far / base)`; each refund takes back the difference to what was taken back before.
//! So any number of partial refunds equals one full refund, and a full refund gives exactly zero.

use std::collections::BTreeSet;

use super::command::Outcome;
use super::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, OrderDetails, RecordRefund, RefundOutcome,
    SaleChannel,
};
use super::decide::Context;
use super::event::EventType;
use super::id::{ConversionId, RewardId};
use super::lead;
use super::ledger::{LedgerAccount, LedgerReason, Posting};
use super::money::{Money, portion};
use super::refusal::Refusal;
use super::request::{RequestKey, RequestScope};
use super::reward::{Calculation, Reward, RewardRule, RewardState};
use super::sale;
use super::time::Time;
use super::working_set::Changes;

/// A sale with its rewards while refunds are applied to it.
pub(super) struct SaleInHand {
    pub(super) sale: Conversion,
    /// What the sale earned.
    pub(super) rewards: Vec<Reward>,
    /// What refunds took back so far.
    pub(super) reversals: Vec<Reward>,
    /// Earlier refunds whose rewards the refund in progress has settled, and the feed has not been told of yet.
    settled: BTreeSet<ConversionId>,
}

impl SaleInHand {
    fn load(context: &Context<'_>, sale: &Conversion) -> Result<Self, Refusal> {
        let rewards: Vec<Reward> = context.set.rewards_of(context.account_id, sale.id)?.into_iter().cloned().collect();
        let reversals = rewards
            .iter()
            .flat_map(|reward| context.set.reversals_of(context.account_id, reward.id))
            .cloned()
            .collect();
        Ok(Self { sale: sale.clone(), rewards, reversals, settled: BTreeSet::new() })
    }

    /// A sale that has just been recorded.
    pub(super) fn new(sale: Conversion, rewards: Vec<Reward>) -> Self {
        Self { sale, rewards, reversals: Vec::new(), settled: BTreeSet::new() }
    }

    fn image(&self) -> ConversionImage {
        ConversionImage { conversion: self.sale.clone(), rewards: self.rewards.clone() }
    }
}

pub(super) fn record(context: &mut Context<'_>, command: &RecordRefund) -> Result<(Outcome, Changes), Refusal> {
    let sale = find_sale(context, command)?.cloned();
    let mut refund = new_refund(context, command);
    let mut changes = Changes::default();
    let Some(sale) = sale else {
        if refund.sale_event_id.is_empty() {
            // Nobody we know: then nobody referred them.
            changes.conversions.push(refund.clone());
        } else {
            refund.outcome = ConversionOutcome::Waiting;
            changes.conversions.push(refund.clone());
            let image = ConversionImage { conversion: refund.clone(), rewards: Vec::new() };
            changes.events.push(context.conversion_event(EventType::RefundWaiting, refund.occurred_at, image));
        }
        return Ok((outcome(&refund, &[]), changes));
    };
    check_fits(&sale, command.amount)?;
    let mut in_hand = SaleInHand::load(context, &sale)?;
    let taken_back = apply(context, &mut in_hand, &mut refund, &mut changes)?;
    Ok((outcome(&refund, &taken_back), changes))
}

fn outcome(refund: &Conversion, taken_back: &[Reward]) -> Outcome {
    Outcome::Refund(RefundOutcome {
        outcome: refund.outcome,
        conversion_id: refund.id,
        sale_id: refund.sale_id,
        rewards: taken_back.iter().map(Reward::summary).collect(),
    })
}

/// The sale that is refunded: the one that was named, or the customer's latest that the refund fits, referred or not. None for a
/// named sale that has not arrived, and for a customer of whom nothing is known.
fn find_sale<'set>(context: &Context<'set>, command: &RecordRefund) -> Result<Option<&'set Conversion>, Refusal> {
    let set = context.set;
    if let Some(sale_event_id) = &command.sale_event_id {
        let key = RequestKey {
            account_id: context.account_id,
            scope: RequestScope::Event(Some(ConversionKind::Sale)).as_str().to_owned(),
            key: sale_event_id.clone(),
        };
        let Some(request) = set.request(&key)? else { return Ok(None) };
        return set.conversion(context.account_id, ConversionId::from_uuid(request.effect)).map(Some);
    }
    let lead = lead::find_customer(context, &command.customer)?;
    // Kept until their lead arrives: what is refunded before must not be priced then.
    let mut sales = sale::unmatched_sales_of(context, lead, &command.customer)?;
    if let Some(lead) = lead {
        sales.extend(set.latest_sales_of(context.account_id, lead.id)?);
    } else if sales.is_empty() {
        return Ok(None);
    }
    sales
        .into_iter()
        .filter(|sale| check_fits(sale, command.amount).is_ok())
        .max_by_key(|sale| (sale.occurred_at, sale.id))
        .map(Some)
        .ok_or(Refusal::NoSaleToRefund)
}

fn check_fits(sale: &Conversion, amount: Money) -> Result<(), Refusal> {
    let Some(left) = sale.left() else { return Err(Refusal::NoSaleToRefund) };
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

fn new_refund(context: &mut Context<'_>, command: &RecordRefund) -> Conversion {
    Conversion {
        id: ConversionId::new(context.ids),
        account_id: context.account_id,
        kind: ConversionKind::Refund,
        event_id: command.event_id.clone(),
        outcome: ConversionOutcome::NotReferred,
        amount: Some(command.amount.negated()),
        refunded_minor: 0,
        sale_id: None,
        sale_event_id: command.sale_event_id.clone().unwrap_or_default(),
        lead_id: None,
        credit: None,
        channel: SaleChannel::Online,
        order: OrderDetails { refund_id: command.refund_id.clone(), ..OrderDetails::default() },
        candidates: Vec::new(),
        occurred_at: command.occurred_at.unwrap_or(context.now),
        created_at: context.now,
        version: 1,
    }
}

/// Applies the refunds that waited for a sale, in the order they happened. One that does not fit goes on waiting, where
/// ListConversions shows it.
pub(super) fn apply_waiting(
    context: &mut Context<'_>,
    mut in_hand: SaleInHand,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    let event_id = in_hand.sale.event_id.clone();
    let waiting: Vec<Conversion> =
        context.set.refunds_waiting_for(context.account_id, &event_id)?.into_iter().cloned().collect();
    for mut refund in waiting {
        let fits = refund.amount.is_some_and(|amount| check_fits(&in_hand.sale, amount.negated()).is_ok());
        if fits {
            refund.version += 1;
            apply(context, &mut in_hand, &mut refund, changes)?;
        }
    }
    Ok(())
}

/// Books one refund that fits against its sale, and returns what it takes back.
fn apply(
    context: &mut Context<'_>,
    in_hand: &mut SaleInHand,
    refund: &mut Conversion,
    changes: &mut Changes,
) -> Result<Vec<Reward>, Refusal> {
    // The feed was told that it waits, and must hear what became of it, referred or not.
    let was_waiting = refund.outcome == ConversionOutcome::Waiting;
    let sale = &mut in_hand.sale;
    sale.refunded_minor -= refund.amount.map_or(0, |amount| amount.amount_minor);
    sale.version += 1;
    refund.outcome = sale.outcome;
    refund.sale_id = Some(sale.id);
    refund.sale_event_id.clone_from(&sale.event_id);
    refund.lead_id = sale.lead_id;
    refund.credit = sale.credit;
    refund.channel = sale.channel;
    refund.order = OrderDetails { refund_id: refund.order.refund_id.clone(), ..sale.order.clone() };

    let mut taken_back = Vec::new();
    for place in 0..in_hand.rewards.len() {
        taken_back.extend(reverse(context, in_hand, place, refund, changes)?);
    }
    changes.conversions.push(in_hand.sale.clone());
    changes.conversions.push(refund.clone());
    if refund.outcome == ConversionOutcome::Attributed || was_waiting {
        let image = ConversionImage { conversion: refund.clone(), rewards: taken_back.clone() };
        changes.events.push(context.conversion_event(EventType::RefundRecorded, refund.occurred_at, image));
    }
    if refund.outcome == ConversionOutcome::Attributed {
        let event = context.conversion_event(EventType::SaleRefunded, refund.occurred_at, in_hand.image());
        changes.events.push(event);
    }
    tell_settled(context, in_hand, changes)?;
    Ok(taken_back)
}

/// Takes back one reward's share of what has been refunded so far. None when that is no more than before.
fn reverse(
    context: &mut Context<'_>,
    in_hand: &mut SaleInHand,
    place: usize,
    refund: &Conversion,
    changes: &mut Changes,
) -> Result<Option<Reward>, Refusal> {
    let reward = &mut in_hand.rewards[place];
    let ledger_account = match reward.state {
        RewardState::Pending => LedgerAccount::AffiliatePending,
        RewardState::Approved | RewardState::Paid => LedgerAccount::AffiliatePayable,
        // Denied earned nothing; reversed has nothing left.
        RewardState::Denied | RewardState::Reversed => return Ok(None),
    };
    let base = reward.calculation.base;
    let sale_minor = in_hand.sale.amount.map_or(0, |amount| amount.amount_minor);
    // What was refunded before the sale was priced is not in the base, and is not taken back again.
    let refunded_of_base = in_hand.sale.refunded_minor - (sale_minor - base.amount_minor);
    let target = portion(reward.value.amount_minor, refunded_of_base, base.amount_minor, reward.calculation.rounding)?;
    let difference = target - reward.reversed_minor;
    if difference == 0 {
        return Ok(None);
    }
    reward.reversed_minor = target;
    reward.updated_at = context.now;
    let mut reversal = Reward {
        id: RewardId::new(context.ids),
        conversion_id: refund.id,
        value: Money::new(-difference, reward.value.currency),
        reversed_minor: 0,
        reverses: Some(reward.id),
        calculation: Calculation {
            rule: RewardRule::Reversal,
            base: refund.amount.unwrap_or(base),
            ..reward.calculation.clone()
        },
        state: match reward.state {
            RewardState::Pending => RewardState::Pending,
            _ => RewardState::Approved,
        },
        created_at: context.now,
        ..reward.clone()
    };
    // Nothing is left of an unpaid reward: it and all that was taken back from it are settled against each other.
    let is_settled = target == reward.value.amount_minor && reward.state.may_become(RewardState::Reversed);
    if is_settled {
        reward.state = RewardState::Reversed;
        reversal.state = RewardState::Reversed;
    }
    let reward = reward.clone();
    if is_settled {
        settle_earlier(context.now, in_hand, reward.id, changes);
    }
    changes.postings.push(Posting::for_reward(
        &reversal,
        LedgerAccount::CommissionExpense,
        ledger_account,
        LedgerReason::Refunded,
        context.now,
    ));
    changes.rewards.push(reward);
    changes.rewards.push(reversal.clone());
    in_hand.reversals.push(reversal.clone());
    Ok(Some(reversal))
}

/// Settles with a reward what was taken back from it before.
fn settle_earlier(now: Time, in_hand: &mut SaleInHand, reward_id: RewardId, changes: &mut Changes) {
    for earlier in in_hand.reversals.iter_mut().filter(|earlier| earlier.reverses == Some(reward_id)) {
        earlier.state = RewardState::Reversed;
        earlier.updated_at = now;
        changes.rewards.push(earlier.clone());
        in_hand.settled.insert(earlier.conversion_id);
    }
}

/// Tells the feed of the earlier refunds whose rewards were settled.
fn tell_settled(context: &mut Context<'_>, in_hand: &mut SaleInHand, changes: &mut Changes) -> Result<(), Refusal> {
    for id in std::mem::take(&mut in_hand.settled) {
        // The refund may have been booked by this very command.
        let mut conversion = match changes.conversions.iter().rev().find(|conversion| conversion.id == id) {
            Some(conversion) => conversion.clone(),
            None => context.set.conversion(context.account_id, id)?.clone(),
        };
        conversion.version += 1;
        let rewards = in_hand.reversals.iter().filter(|reversal| reversal.conversion_id == id).cloned().collect();
        changes.conversions.push(conversion.clone());
        let image = ConversionImage { conversion, rewards };
        changes.events.push(context.conversion_event(EventType::RewardReversed, context.now, image));
    }
    Ok(())
}
