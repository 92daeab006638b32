//! Taking rewards back, in part or whole: by refunds, and when another affiliate turns out to have earned them. A reward's value
//! never changes; what is taken back is a reward of its own with a negative value. Knows no command.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::commission;
use super::context::Context;
use super::line::{self, PresentPrice};
use super::reward::tell_updated;
use crate::domain::conversion::Conversion;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{ConversionId, RewardId};
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::money::{Money, portion};
use crate::domain::pricing::{self, Priced};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Calculation, Reward, RewardRule, RewardState};

/// Why rewards are taken back.
pub(super) struct Cause {
    /// The conversion that the new rewards belong to: a refund, a correction, or the sale itself.
    pub(super) conversion_id: ConversionId,
    /// The amount from which they are computed: the refunded amount, negative, or the difference of a correction.
    pub(super) base_amount: Option<Money>,
    pub(super) reason: LedgerReason,
    /// The rule of the rewards that take back.
    pub(super) rule: RewardRule,
}

/// How much of a reward is taken back in all.
pub(super) struct Target {
    minor: i64,
    /// How the sale is priced now, if another rule of the terms may apply than when the reward was earned.
    calculation: Option<Calculation>,
}

impl Target {
    /// This much.
    pub(super) const fn of(minor: i64) -> Self {
        Self { minor, calculation: None }
    }

    /// How much it is.
    pub(super) const fn minor(&self) -> i64 {
        self.minor
    }

    /// All of a reward.
    pub(super) fn whole(reward: &Reward) -> Self {
        Self { minor: reward.value.amount_minor, calculation: None }
    }
}

/// How much of a reward the corrections and the refunds of its sale have taken back: the difference to the value that the sale earns
/// with its present amount, and `round(that value x refunded / amount)`. Negative if a correction has raised the reward.
pub(super) fn taken_part(context: &mut Context<'_>, sale: &Conversion, reward: &Reward) -> Result<Target, Refusal> {
    let nothing = Target { minor: 0, calculation: None };
    let (Some(calculation), Some(amount), None) = (&reward.calculation, sale.amount, reward.reverses) else {
        return Ok(nothing);
    };
    let price = present_price(context, sale, calculation, reward, amount)?;
    let Some(PresentPrice { value_minor, calculation: present }) = price else { return Ok(Target::whole(reward)) };
    let refunded_minor = match amount.amount_minor {
        _ if !sale.order.lines.is_empty() => {
            let priced = present.as_ref().unwrap_or(calculation);
            line::refunded_minor(sale, &priced.lines, calculation.rounding)?
        }
        // A refund of a free order takes all of its flat commission back.
        0 if sale.refund_count > 0 => value_minor,
        0 => 0,
        amount_minor => portion(value_minor, sale.refunded_minor, amount_minor, calculation.rounding)?,
    };
    Ok(Target { minor: reward.value.amount_minor - value_minor + refunded_minor, calculation: present })
}

/// Whether a sale earns money of another currency with its present amount than a reward is in. All of the reward is then taken back, because
/// amounts of two currencies are never added.
pub(super) fn has_other_currency(
    context: &mut Context<'_>,
    sale: &Conversion,
    reward: &Reward,
) -> Result<bool, Refusal> {
    let (Some(calculation), Some(amount), None) = (&reward.calculation, sale.amount, reward.reverses) else {
        return Ok(false);
    };
    Ok(present_price(context, sale, calculation, reward, amount)?.is_none())
}

/// What the sale of a reward earns with this amount, before refunds. With another amount another rule of the terms may apply. `None`: it is in
/// another currency than the reward.
pub(super) fn present_price(
    context: &mut Context<'_>,
    sale: &Conversion,
    calculation: &Calculation,
    reward: &Reward,
    amount: Money,
) -> Result<Option<PresentPrice>, Refusal> {
    if !sale.order.lines.is_empty() {
        return line::present_price(context, sale, calculation, reward);
    }
    if amount == calculation.base_amount {
        return Ok(Some(PresentPrice { value_minor: reward.value.amount_minor, calculation: None }));
    }
    if matches!(calculation.rule, RewardRule::Program | RewardRule::TermsRule) {
        let priced = commission::price_again(context, sale, reward, calculation)?;
        if let Some(Priced { value, calculation }) = priced {
            let price = PresentPrice { value_minor: value.amount_minor, calculation: Some(calculation) };
            return Ok((value.currency == reward.value.currency).then_some(price));
        }
    }
    let value_minor = pricing::value_at(calculation, amount)?.amount_minor;
    Ok(Some(PresentPrice { value_minor, calculation: None }))
}

/// Takes so much of a reward back that `target` of it is taken back in all, or gives the difference if more was taken back
/// before. `None` when there is no difference.
/// Adds the rewards that are settled by this to `settled`.
pub(super) fn take_back(
    context: &mut Context<'_>,
    reward: &Reward,
    target: &Target,
    cause: &Cause,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Option<Arc<Reward>>, Refusal> {
    let ledger_account = match reward.state {
        RewardState::Pending | RewardState::Held => LedgerAccount::AffiliatePending,
        RewardState::Frozen => LedgerAccount::AffiliateFrozen,
        RewardState::Approved | RewardState::InPayout | RewardState::Paid => LedgerAccount::AffiliatePayable,
        // A denied reward earned nothing. A reversed reward has nothing left to take back.
        RewardState::Denied | RewardState::Reversed => return Ok(None),
    };
    let target_minor = target.minor;
    let difference_minor = target_minor - reward.reversed_minor;
    if difference_minor == 0 || reward.reverses.is_some() {
        return Ok(None);
    }
    // When nothing is left of an unpaid reward, the reward and its reversals are settled against each other.
    let is_whole = target_minor == reward.value.amount_minor && reward.state.may_become(RewardState::Reversed);
    let is_settled = is_whole && !has_paid_reversal(context, reward.id)?;
    if is_settled {
        settle_earlier(context, reward.id, settled)?;
    }
    let reward = context.put(Reward {
        reversed_minor: target_minor,
        state: if is_settled { RewardState::Reversed } else { reward.state },
        dispute: reward.dispute.filter(|_| !is_settled),
        updated_at: context.now,
        ..reward.clone()
    });
    if is_settled {
        settled.push(Arc::clone(&reward));
    }
    let reversal = Reward {
        id: RewardId::new(context.ids),
        // What comes from no conversion is taken back by a reward that does not either.
        conversion_id: reward.conversion_id.map(|_| cause.conversion_id),
        value: Money::new(-difference_minor, reward.value.currency),
        reversed_minor: 0,
        reverses: Some(reward.id),
        calculation: target.calculation.as_ref().or(reward.calculation.as_ref()).map(|calculation| Calculation {
            rule: cause.rule,
            base_amount: cause.base_amount.unwrap_or(calculation.base_amount),
            lines: Vec::new(),
            brackets: None,
            ..calculation.clone()
        }),
        state: match reward.state {
            RewardState::InPayout | RewardState::Paid => RewardState::Approved,
            state => state,
        },
        payout_id: None,
        review: None,
        approved_at: reward.approved_at.filter(|_| matches!(reward.state, RewardState::Approved | RewardState::Frozen)),
        dispute: reward.dispute.filter(|_| reward.state == RewardState::Frozen),
        created_at: context.now,
        ..reward.as_ref().clone()
    };
    let reversal = context.put(reversal);
    context.post(Posting::for_reward(
        &reversal,
        LedgerAccount::CommissionExpense,
        ledger_account,
        cause.reason,
        context.now,
    ));
    Ok(Some(reversal))
}

/// Whether a payout has or paid a reversal of a reward that is not paid itself. The payout of the reward was cancelled then, after another one
/// had taken the reversal.
pub(super) fn has_paid_reversal(context: &Context<'_>, reward_id: RewardId) -> Result<bool, Refusal> {
    let reversals = context.set.reversals_of(context.account_id, reward_id)?;
    Ok(reversals.iter().any(|reversal| matches!(reversal.state, RewardState::InPayout | RewardState::Paid)))
}

/// Settles the earlier reversals of a reward.
pub(super) fn settle_earlier(
    context: &mut Context<'_>,
    reward_id: RewardId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    let earlier = context.set.reversals_of(context.account_id, reward_id)?;
    let earlier: Vec<_> = earlier.into_iter().cloned().collect();
    for reversal in earlier {
        let row = Reward {
            state: RewardState::Reversed,
            dispute: None,
            updated_at: context.now,
            ..reversal.as_ref().clone()
        };
        settled.push(context.put(row));
    }
    Ok(())
}

/// Adds an event for each settled reward, and one for each earlier refund that has a settled reward. The sale gets no event here,
/// because its new image is already in the feed.
pub(super) fn tell_settled(
    context: &mut Context<'_>,
    settled: Vec<Arc<Reward>>,
    sale_id: ConversionId,
) -> Result<(), Refusal> {
    let conversions: BTreeSet<_> = settled.iter().filter_map(|reward| reward.conversion_id).collect();
    settled.into_iter().for_each(|reward| context.tell(EventKind::RewardReversed, EventImage::Reward(reward)));
    for id in conversions.into_iter().filter(|id| *id != sale_id) {
        tell_updated(context, id)?;
    }
    Ok(())
}
