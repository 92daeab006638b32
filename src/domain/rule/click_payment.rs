//! What a click earns: which clicks count, and their rewards. A click has no conversion, so its rewards name it themselves. Only terms with a
//! rule for clicks come here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use super::{noted, tally, upline_reward};
use crate::domain::click::{Click, ClickPayment, CountedClick};
use crate::domain::conversion::WHOLE_SHARE_PPM;
use crate::domain::enrollment::Enrollment;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::RewardId;
use crate::domain::ledger::{LedgerAccount, LedgerReason, Posting};
use crate::domain::pricing::{self, CommissionEvent, Facts, OwnRates, Priced};
use crate::domain::program::Terms;
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Reward, RewardState, RewardUnit};

/// What a click earns for its affiliate.
pub(super) struct Earned {
    pub(super) payment: ClickPayment,
    pub(super) reward: Option<Arc<Reward>>,
}

/// Counts a click, and writes its rewards, postings and events: the affiliate's, and those of its uplines. A click that no rule pays for does
/// not count, so a later one of the day may.
pub(super) fn earn(
    context: &mut Context<'_>,
    click: &Click,
    enrollment: &Arc<Enrollment>,
    terms: &Terms,
) -> Result<Earned, Refusal> {
    // Clicks without such terms make no posting, and are recorded without the lock.
    context.set.check_locked(context.account_id)?;
    let (payment, rewards) = count(context, click, enrollment, terms)?;
    let reward = rewards.first().cloned();
    rewards.into_iter().for_each(|reward| context.tell(EventKind::RewardCreated, EventImage::Reward(reward)));
    Ok(Earned { payment, reward })
}

/// Counts a click, and writes its rewards and postings. Nobody is told.
pub(super) fn count(
    context: &mut Context<'_>,
    click: &Click,
    enrollment: &Arc<Enrollment>,
    terms: &Terms,
) -> Result<(ClickPayment, Vec<Arc<Reward>>), Refusal> {
    let Some(priced) = price(context, click, enrollment, terms)? else { return Ok((ClickPayment::NoRule, Vec::new())) };
    // Such a click was imported. Nobody had agreed with the affiliate on paying for it.
    if !enrollment.created_at.may_precede(click.occurred_at) {
        return Ok((ClickPayment::BeforeEnrollment, Vec::new()));
    }
    let day = tally::day_of(context, click.occurred_at)?;
    if context.set.has_counted(click, day)? {
        return Ok((ClickPayment::AlreadyCounted, Vec::new()));
    }
    let (priced, counted) = tally::count_click(context, click, terms, priced)?;
    let earned = with_uplines(context, click, enrollment, terms, priced)?;
    let rewards: Vec<_> =
        earned.into_iter().map(|(enrollment, priced)| write(context, click, &enrollment, terms, priced)).collect();
    context.put(CountedClick {
        account_id: click.account_id,
        tid: click.tid,
        affiliate_id: click.affiliate_id,
        day,
        click_id: click.id,
        reward_id: rewards.first().map(|reward| reward.id),
        counted,
    });
    Ok((if rewards.is_empty() { ClickPayment::Capped } else { ClickPayment::Earned }, rewards))
}

/// What a click earns without caps. `None` if no rule pays for it.
fn price(
    context: &mut Context<'_>,
    click: &Click,
    enrollment: &Enrollment,
    terms: &Terms,
) -> Result<Option<Priced>, Refusal> {
    let noted = noted::of_click(context, enrollment, terms)?;
    let program_currency = context.set.program(context.account_id, click.program_id)?.currency;
    let none = BTreeMap::new();
    let facts = Facts {
        event_kind: CommissionEvent::Click,
        amount: None,
        line_amount: None,
        quantity: 0,
        channel: "",
        coupon_code: "",
        item_sku: "",
        plan: "",
        collections: &[],
        custom_kind: "",
        order_id: "",
        metadata: &none,
        country_code: "",
        noted: noted.as_ref(),
        occurred_at: click.occurred_at,
        customer_sale: None,
        program_currency,
    };
    let priced = pricing::price(terms, &facts, OwnRates::default(), WHOLE_SHARE_PPM)?;
    Ok(priced.filter(|priced| priced.value.amount_minor > 0))
}

/// Who earns from a click, the affiliate first. Nobody if the caps had no room.
fn with_uplines(
    context: &mut Context<'_>,
    click: &Click,
    enrollment: &Arc<Enrollment>,
    terms: &Terms,
    priced: Priced,
) -> Result<Vec<(Arc<Enrollment>, Priced)>, Refusal> {
    if priced.value.amount_minor == 0 {
        return Ok(Vec::new());
    }
    let levels = &terms.rules.upline_levels;
    let shares = upline_reward::earning(context, click.occurred_at, enrollment, levels)?;
    let mut earned = vec![(Arc::clone(enrollment), priced.clone())];
    for (enrollment, share) in shares {
        let of_upline = pricing::price_for_upline(&priced, share)?;
        if of_upline.value.amount_minor != 0 {
            earned.push((enrollment, of_upline));
        }
    }
    Ok(earned)
}

fn write(
    context: &mut Context<'_>,
    click: &Click,
    enrollment: &Enrollment,
    terms: &Terms,
    Priced { value, calculation }: Priced,
) -> Arc<Reward> {
    let reward = Reward {
        id: RewardId::new(context.ids),
        account_id: context.account_id,
        conversion_id: None,
        affiliate_id: enrollment.affiliate_id,
        enrollment_id: enrollment.id,
        program_id: click.program_id,
        unit: RewardUnit::Cash,
        value,
        reversed_minor: 0,
        reverses: None,
        state: RewardState::Pending,
        calculation: Some(calculation),
        by_hand: None,
        click: Some(click.as_earning()),
        review: None,
        auto_approve_at: click.occurred_at.plus_days(terms.rules.hold_period_days),
        created_at: context.now,
        updated_at: context.now,
        deny_reason: String::new(),
        payout_id: None,
        approved_at: None,
        dispute: None,
    };
    let reward = context.put(reward);
    let (debit, credit) = (LedgerAccount::CommissionExpense, LedgerAccount::AffiliatePending);
    context.post(Posting::for_reward(&reward, debit, credit, LedgerReason::Earned, context.now));
    reward
}
