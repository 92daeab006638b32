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

/// The value of a sale's reward, and its calculation. An enrollment's own commission takes precedence over the program's.
///
/// `reward = round(base x ppm / 1,000,000)`, or `round(flat x base / whole)`. `whole` is the amount of the sale, and `base` is
/// the part that is not refunded. A refund before pricing therefore leaves the same earnings as one after pricing.
fn price(
    enrollment: &Enrollment,
    terms: &Terms,
    base: Money,
    whole_minor: i64,
) -> Result<(Money, Calculation), Refusal> {
    let (rule, commission) = match enrollment.commission_override {
        Some(commission) => (RewardRule::Enrollment, commission),
        None => (RewardRule::Program, terms.rules.commission),
    };
    let rounding = terms.rules.rounding;
    let value = match commission {
        Commission::PercentPpm(ppm) => {
            Money::new(portion(base.amount_minor, ppm.into(), PPM, rounding)?, base.currency)
        }
        Commission::Flat(flat) => {
            Money::new(portion(flat.amount_minor, base.amount_minor, whole_minor, rounding)?, flat.currency)
        }
    };
    let calculation = Calculation { rule, base_amount: base, commission, terms_version: terms.version, rounding };
    Ok((value, calculation))
}

/// Prices a credited sale, and writes its reward and posting. `None` when the reward rounds to zero.
pub(super) fn earn(
    context: &mut Context<'_>,
    sale: &Conversion,
    base: Money,
    enrollment: &Enrollment,
    credit: Credit,
    terms: &Terms,
) -> Result<Option<Arc<Reward>>, Refusal> {
    let whole_minor = sale.amount.map_or(0, |amount| amount.amount_minor);
    let (value, calculation) = price(enrollment, terms, base, whole_minor)?;
    if value.amount_minor == 0 {
        return Ok(None);
    }
    let reward = Reward {
        id: RewardId::new(context.ids),
        account_id: context.account_id,
        conversion_id: sale.id,
        affiliate_id: credit.affiliate_id,
        enrollment_id: credit.enrollment_id,
        program_id: credit.program_id,
        unit: RewardUnit::Cash,
        value,
        reversed_minor: 0,
        reverses: None,
        state: RewardState::Pending,
        calculation,
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
