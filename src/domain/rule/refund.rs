//! The rule of refunds. Refunds take rewards back cumulatively, under the terms of the sale.
//!
//! `reversed so far = round(reward x refunded so far / base)`. Each refund takes back the difference to the amount taken back
//! before. Several partial refunds therefore take back as much as one refund of their sum. A full refund leaves exactly zero.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::{Context, Rule};
use super::reward::tell_updated;
use crate::domain::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credits, OrderDetails, RefundOutcome, SaleChannel,
    WaitingRefund,
};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, ConversionId, RewardId};
use crate::domain::lead::Customer;
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::money::{Money, portion};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::request::{RecordedKind, Request, RequestKey};
use crate::domain::reward::{Calculation, Reward, RewardRule, RewardState};
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
    /// The refunded amount. It is more than zero, unless the sale is free.
    pub amount: Money,
    /// The merchant's id of the refund; may be empty.
    pub refund_id: String,
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
        let refund = self.new_refund(context);
        let (refund, taken_back) = match sale {
            Some(sale) => {
                check_fits(&sale, self.amount)?;
                book(context, &sale, refund)?
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
    /// The refunded sale: the named one, or the customer's latest sale that the refund fits, referred or not. `None` when the
    /// named sale has not arrived, and when the customer is unknown.
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
        if let Some(lead) = lead {
            sales.extend(set.latest_sales_of(account_id, lead.id)?);
        } else if sales.is_empty() {
            return Ok(None);
        }
        let fitting = sales.into_iter().filter(|sale| check_fits(sale, self.amount).is_ok());
        fitting.max_by_key(|sale| (sale.occurred_at, sale.id)).map(Some).ok_or(Refusal::NoSaleToRefund)
    }

    fn new_refund(&self, context: &mut Context<'_>) -> Conversion {
        Conversion {
            id: ConversionId::new(context.ids),
            account_id: context.account_id,
            kind: ConversionKind::Refund,
            event_id: self.event_id.clone(),
            outcome: ConversionOutcome::NotReferred,
            amount: Some(self.amount.negated()),
            refunded_minor: 0,
            sale_id: None,
            sale_event_id: self.sale_event_id.clone().unwrap_or_default(),
            lead_id: None,
            credits: Credits::new(),
            channel: SaleChannel::Online,
            order: OrderDetails { refund_id: self.refund_id.clone(), ..OrderDetails::default() },
            candidates: Vec::new(),
            occurred_at: self.occurred_at.unwrap_or(context.now),
            created_at: context.now,
            version: 1,
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

/// Books the refunds that waited for a sale, in the order in which they happened. A refund that does not fit keeps waiting, and
/// ListConversions shows it.
pub(super) fn book_waiting(context: &mut Context<'_>, sale: &Conversion) -> Result<(), Refusal> {
    let refunds = context.set.refunds_waiting_for(context.account_id, &sale.event_id)?;
    let refunds: Vec<_> = refunds.into_iter().cloned().collect();
    for refund in refunds {
        let sale = Arc::clone(context.set.conversion(context.account_id, sale.id)?);
        if refund.amount.is_some_and(|amount| check_fits(&sale, amount.negated()).is_ok()) {
            let key = (refund.account_id, refund.sale_event_id.clone(), refund.id);
            context.set.remove::<WaitingRefund>(&key);
            book(context, &sale, Conversion { version: refund.version + 1, ..refund.as_ref().clone() })?;
        }
    }
    Ok(())
}

/// Books a fitting refund against its sale. Returns the refund and its negative rewards.
fn book(
    context: &mut Context<'_>,
    sale: &Conversion,
    refund: Conversion,
) -> Result<(Arc<Conversion>, Vec<Arc<Reward>>), Refusal> {
    // A waiting refund already has an event in the feed. Readers must also get an event about its outcome, even when nobody
    // referred the sale.
    let was_waiting = refund.outcome == ConversionOutcome::Waiting;
    let refunded_minor = sale.refunded_minor - refund.amount.map_or(0, |amount| amount.amount_minor);
    let sale = context.put(Conversion { refunded_minor, version: sale.version + 1, ..sale.clone() });
    let refund = context.put(Conversion {
        outcome: sale.outcome,
        sale_id: Some(sale.id),
        sale_event_id: sale.event_id.clone(),
        lead_id: sale.lead_id,
        credits: sale.credits.clone(),
        channel: sale.channel,
        order: OrderDetails { refund_id: refund.order.refund_id.clone(), ..sale.order.clone() },
        ..refund
    });

    let rewards: Vec<_> = context.set.rewards_of(context.account_id, sale.id)?.into_iter().cloned().collect();
    let (mut taken_back, mut settled) = (Vec::new(), Vec::new());
    for reward in rewards {
        taken_back.extend(reverse(context, &sale, &reward, &refund, &mut settled)?);
    }
    if refund.outcome == ConversionOutcome::Attributed || was_waiting {
        let image = ConversionImage { conversion: Arc::clone(&refund), rewards: taken_back.clone() };
        context.tell_conversion(EventKind::RefundRecorded, refund.occurred_at, image);
    }
    if refund.outcome == ConversionOutcome::Attributed {
        let image = context.set.image(context.account_id, sale.id)?;
        context.tell_conversion(EventKind::SaleRefunded, refund.occurred_at, image);
    }
    tell_settled(context, settled, sale.id)?;
    Ok((refund, taken_back))
}

/// Takes back one reward's share of all refunds so far. `None` when there is nothing more to take back. Adds the rewards that are
/// settled by this to `settled`.
fn reverse(
    context: &mut Context<'_>,
    sale: &Conversion,
    reward: &Reward,
    refund: &Conversion,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Option<Arc<Reward>>, Refusal> {
    let ledger_account = match reward.state {
        RewardState::Pending => LedgerAccount::AffiliatePending,
        RewardState::Approved | RewardState::Paid => LedgerAccount::AffiliatePayable,
        // A denied reward earned nothing. A reversed reward has nothing left to take back.
        RewardState::Denied | RewardState::Reversed => return Ok(None),
    };
    let base = reward.calculation.base_amount;
    let sale_minor = sale.amount.map_or(0, |amount| amount.amount_minor);
    // The base does not contain the part that was refunded before the sale was priced. That part must not be taken back a second
    // time.
    let refunded_of_base = sale.refunded_minor - (sale_minor - base.amount_minor);
    let value_minor = reward.value.amount_minor;
    let target = match base.amount_minor {
        // A refund of a free order takes all of its flat commission back.
        0 => value_minor,
        base_minor => portion(value_minor, refunded_of_base, base_minor, reward.calculation.rounding)?,
    };
    let difference = target - reward.reversed_minor;
    if difference == 0 {
        return Ok(None);
    }
    // When nothing is left of an unpaid reward, the reward and its reversals are settled against each other.
    let is_settled = target == reward.value.amount_minor && reward.state.may_become(RewardState::Reversed);
    if is_settled {
        settle_earlier(context, reward.id, settled)?;
    }
    let reward = context.put(Reward {
        reversed_minor: target,
        state: if is_settled { RewardState::Reversed } else { reward.state },
        updated_at: context.now,
        ..reward.clone()
    });
    if is_settled {
        settled.push(Arc::clone(&reward));
    }
    let reversal = Reward {
        id: RewardId::new(context.ids),
        conversion_id: refund.id,
        value: Money::new(-difference, reward.value.currency),
        reversed_minor: 0,
        reverses: Some(reward.id),
        calculation: Calculation {
            rule: RewardRule::Reversal,
            base_amount: refund.amount.unwrap_or(base),
            ..reward.calculation.clone()
        },
        state: match reward.state {
            RewardState::Paid => RewardState::Approved,
            state => state,
        },
        created_at: context.now,
        ..reward.as_ref().clone()
    };
    let reversal = context.put(reversal);
    let (expense, reason) = (LedgerAccount::CommissionExpense, LedgerReason::Refunded);
    context.post(Posting::for_reward(&reversal, expense, ledger_account, reason, context.now));
    Ok(Some(reversal))
}

/// Settles the earlier reversals of a reward.
fn settle_earlier(
    context: &mut Context<'_>,
    reward_id: RewardId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    let earlier = context.set.reversals_of(context.account_id, reward_id)?;
    let earlier: Vec<_> = earlier.into_iter().cloned().collect();
    for reversal in earlier {
        let row = Reward { state: RewardState::Reversed, updated_at: context.now, ..reversal.as_ref().clone() };
        settled.push(context.put(row));
    }
    Ok(())
}

/// Adds an event for each settled reward, and one for each earlier refund that has a settled reward. The sale gets no event here,
/// because its new image is already in the feed.
fn tell_settled(context: &mut Context<'_>, settled: Vec<Arc<Reward>>, sale_id: ConversionId) -> Result<(), Refusal> {
    let conversions: BTreeSet<_> = settled.iter().map(|reward| reward.conversion_id).collect();
    settled.into_iter().for_each(|reward| context.tell(EventKind::RewardReversed, EventImage::Reward(reward)));
    for id in conversions.into_iter().filter(|id| *id != sale_id) {
        tell_updated(context, id)?;
    }
    Ok(())
}
