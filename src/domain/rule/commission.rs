//! The commission on a sale: terms and amount in, reward out.

use std::sync::Arc;

use super::context::Context;
use crate::domain::conversion::{Conversion, Credit};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::RewardId;
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::money::{Money, PPM, portion};
use crate::domain::program::{Commission, Terms};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Calculation, Reward, RewardRule, RewardState, RewardUnit};

/// The value of a sale's reward, and its calculation. The commission that the enrollment had of its own when the sale happened takes
/// precedence over the program's.
///
/// `commission = round(amount x ppm / 1,000,000)`, or `flat`. `amount` is the whole amount of the sale: what was refunded before the
/// sale is priced is taken back from the reward, as later refunds are. `reward = round(commission x share / 1,000,000)`.
fn price(
    commission_override: Option<Commission>,
    terms: &Terms,
    amount: Money,
    share_ppm: i32,
) -> Result<(Money, Calculation), Refusal> {
    let (rule, commission) = match commission_override {
        Some(commission) => (RewardRule::Enrollment, commission),
        None => (RewardRule::Program, terms.rules.commission),
    };
    let rounding = terms.rules.rounding;
    let calculation = Calculation {
        rule,
        base_amount: amount,
        sale_amount: amount,
        commission,
        share_ppm,
        terms_version: terms.version,
        rounding,
        adjustment: None,
    };
    Ok((value_at(&calculation, amount)?, calculation))
}

/// The value that a sale of this amount earns by the rates of a calculation.
pub(super) fn value_at(calculation: &Calculation, amount: Money) -> Result<Money, Refusal> {
    let rounding = calculation.rounding;
    let value = match calculation.commission {
        Commission::PercentPpm(ppm) => {
            Money::new(portion(amount.amount_minor, ppm.into(), PPM, rounding)?, amount.currency)
        }
        Commission::Flat(flat) => flat,
    };
    Ok(Money::new(portion(value.amount_minor, calculation.share_ppm.into(), PPM, rounding)?, value.currency))
}

/// Prices a credited sale, and writes its reward and posting. `None` when the reward rounds to zero.
pub(super) fn earn(
    context: &mut Context<'_>,
    sale: &Conversion,
    amount: Money,
    enrollment: &Enrollment,
    credit: &Credit,
    terms: &Terms,
) -> Result<Option<Arc<Reward>>, Refusal> {
    let commission_override = enrollment.standing_at(sale.occurred_at).commission_override;
    let (value, calculation) = price(commission_override, terms, amount, credit.share_ppm)?;
    if value.amount_minor == 0 {
        return Ok(None);
    }
    let reward = Reward {
        id: RewardId::new(context.ids),
        account_id: context.account_id,
        conversion_id: Some(sale.id),
        affiliate_id: credit.affiliate_id,
        enrollment_id: credit.enrollment_id,
        program_id: credit.program_id,
        unit: RewardUnit::Cash,
        value,
        reversed_minor: 0,
        reverses: None,
        state: RewardState::Pending,
        calculation: Some(calculation),
        by_hand: None,
        auto_approve_at: sale.occurred_at.plus_days(terms.rules.hold_period_days),
        created_at: context.now,
        updated_at: context.now,
        deny_reason: String::new(),
    };
    let reward = context.put(reward);
    context.post(Posting::for_reward(
        &reward,
        LedgerAccount::CommissionExpense,
        LedgerAccount::AffiliatePending,
        LedgerReason::Earned,
        context.now,
    ));
    Ok(Some(reward))
}
