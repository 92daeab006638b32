//! ExplainConversion on the wire. The domain explains and makes the sentences; here they become messages.

use super::call::Call;
use super::call::parse::Fields;
use super::call::render::{id_or_empty, money, reward_value, timestamp};
use super::call::selector;
use super::call::wire_enum::WireEnum;
use super::conversion::{self, View};
use super::customer_reward;
use super::ladder::{brackets, brackets_amount, ladder_met};
use super::line;
use super::program::condition;
use super::program::terms::commission;
use super::program::thresholds;
use super::program::uplines;
use super::reward::cap_applied;
use crate::domain::explanation::{
    self, CandidateExplanation, CommissionStep, Compared, Computation, CouponHolder, CreditExplanation,
    LadderExplanation, LaterTerms, LineExplanation, RewardApproval, RewardChange, RewardExplanation,
    ThresholdExplanation, UplineExplanation,
};
use crate::domain::ladder::LadderMeasure;
use crate::domain::money::{Money, Unrounded};
use crate::domain::refusal::{Refusal, Resource};
use crate::error::Error;
use crate::pb;
use crate::store;

/// How many values of a comparison are returned.
const VALUES_MAX: usize = 10;

pub(super) async fn explain(
    call: Call,
    message: pb::ExplainConversionRequest,
) -> Result<pb::ExplainConversionResponse, Error> {
    let mut fields = Fields::default();
    let selector = selector::conversion(&mut fields, "conversion", message.conversion.as_ref());
    let selector = fields.complete(selector)?;
    let snapshot = call.store().snapshot().await?;
    let dossier = store::explanation::dossier(&snapshot, call.account_id(), &selector).await?;
    drop(snapshot);
    let dossier = dossier.ok_or_else(|| Refusal::not_found(Resource::Conversion, &selector))?;
    let told = explanation::explain(&dossier);
    Ok(pb::ExplainConversionResponse {
        sentences: explanation::sentences(&dossier, &told),
        conversion: Some(conversion::render(&dossier.image, View::Full)),
        result: told.result.number(),
        actions: told.actions.iter().map(|action| action.number()).collect(),
        candidates: told.candidates.iter().map(candidate).collect(),
        credits: told.credits.iter().map(credit).collect(),
        rewards: told.rewards.iter().map(reward).collect(),
        sale_result: told.sale_result.map_or(0, WireEnum::number),
        customer_reward: told.customer_reward.as_ref().map(customer_reward::render),
    })
}

fn candidate(told: &CandidateExplanation) -> pb::CandidateExplanation {
    pb::CandidateExplanation {
        candidate: Some(conversion::candidate(&told.candidate)),
        evidence_time: told.evidence_at.map(timestamp),
        window_end_time: told.window_ends_at.map(timestamp),
        bind_time: told.bound_at.map(timestamp),
        bound_by_hand: told.is_bound_by_hand,
        cause_time: told.cause_at.map(timestamp),
        coupon_holders: told.holders.iter().map(holder).collect(),
        coupon_item_sku: told.coupon_item_sku.clone(),
        coupon_channel: told.coupon_channel.map_or(0, WireEnum::number),
        coupon_max_uses: told.coupon_max_uses,
        attribution_model: told.attribution_model.map_or(0, WireEnum::number),
        actions: told.actions.iter().map(|action| action.number()).collect(),
    }
}

fn holder(holder: &CouponHolder) -> pb::CouponHolder {
    pb::CouponHolder {
        coupon_id: holder.coupon_id.to_string(),
        affiliate_id: holder.affiliate_id.to_string(),
        assign_time: Some(timestamp(holder.assigned_at)),
        remove_time: holder.removed_at.map(timestamp),
    }
}

fn credit(told: &CreditExplanation) -> pb::CreditExplanation {
    pb::CreditExplanation {
        credit: conversion::credits(std::slice::from_ref(&told.credit)).pop(),
        terms_start_time: Some(timestamp(told.terms_start_at)),
        terms_end_time: told.terms_end_at.map(timestamp),
        terms_reach: told.terms_reach.number(),
        later_terms: told.later_terms.iter().map(later_terms).collect(),
        rounding: told.rounding.number(),
        hold_period_days: told.hold_period_days,
        steps: told.steps.iter().map(step).collect(),
        computation: told.computation.as_ref().map(computation),
        lines: told.lines.iter().map(line_of).collect(),
        ladder: told.ladder.as_ref().map(ladder),
        expected_rest: told.expected_rest.map(money),
        recorded_rest: told.recorded_rest.map(money),
        difference: told.difference.map_or(0, WireEnum::number),
        uplines: told.uplines.iter().map(upline).collect(),
        threshold_bonuses: told.threshold_bonuses.iter().map(threshold_bonus).collect(),
    }
}

fn threshold_bonus(told: &ThresholdExplanation) -> pb::ThresholdBonusExplanation {
    pb::ThresholdBonusExplanation {
        bonus: Some(thresholds::render(&told.bonus)),
        period_start_day: thresholds::start_day(told.bonus.period, told.starts_on),
        sale_count: told.sale_count,
        sales_amount: Some(money(told.amount)),
        reward_id: id_or_empty(told.earned.as_ref().map(|earned| earned.reward_id)),
        reaching_conversion_id: id_or_empty(told.earned.as_ref().map(|earned| earned.conversion_id)),
    }
}

fn upline(told: &UplineExplanation) -> pb::UplineExplanation {
    pb::UplineExplanation {
        level: told.level,
        rate: Some(uplines::render(&told.rate)),
        affiliate_id: id_or_empty(told.affiliate_id),
        enrollment_id: id_or_empty(told.enrollment_id),
        result: told.result.number(),
        value_amount: told.value.map(money),
        recorded_rest: told.recorded_rest.map(money),
    }
}

fn ladder(told: &LadderExplanation) -> pb::LadderExplanation {
    let is_amount = told.measure == LadderMeasure::Amount;
    let currency = told.met.amount_before.currency;
    let next = told.next.filter(|_| is_amount);
    pb::LadderExplanation {
        mode: told.mode.number(),
        met: Some(ladder_met(&told.met)),
        next_commission: told.next.map(|next| commission(next.commission)),
        missing_sale_count: if is_amount { 0 } else { told.missing },
        missing_amount: next.map(|_| money(Money::new(told.missing, currency))),
        booked_change: told.changed.map(money),
        brackets: told.brackets.as_ref().map(|told| brackets(told, currency)).unwrap_or_default(),
        brackets_amount: told.brackets.as_ref().map(|told| brackets_amount(told, currency)),
    }
}

fn line_of(told: &LineExplanation) -> pb::LineExplanation {
    let of_sale = told.sale_currency;
    pb::LineExplanation {
        line: Some(line::render_line(&told.line, of_sale, true)),
        steps: told.steps.iter().map(step).collect(),
        computation: Some(line::render_reward_line(&told.priced, of_sale, told.rest.currency)),
        commission_unrounded: Some(unrounded(told.commission_unrounded)),
        rest_amount: Some(money(told.rest)),
    }
}

fn later_terms(later: &LaterTerms) -> pb::LaterTerms {
    pb::LaterTerms {
        version: later.version,
        start_time: Some(timestamp(later.starts_at)),
        end_time: later.ends_at.map(timestamp),
        reach: later.reach.number(),
        result: later.result.number(),
    }
}

fn step(step: &CommissionStep) -> pb::CommissionStep {
    pb::CommissionStep {
        source: step.source.number(),
        rule_name: step.rule_name.clone(),
        rule_number: step.rule_number,
        commission: step.commission.map(commission),
        result: step.result.number(),
        actual: step.actual.clone(),
        cause_time: step.cause_at.map(timestamp),
        comparisons: step.comparisons.iter().map(comparison).collect(),
        dated_commission_number: step.version.map_or(0, |version| version.number),
        commission_start_time: step.version.and_then(|version| version.starts_at).map(timestamp),
        commission_end_time: step.version.and_then(|version| version.ends_at).map(timestamp),
    }
}

fn comparison(compared: &Compared) -> pb::ComparisonExplanation {
    let mut values = condition::values(&compared.compare);
    values.truncate(VALUES_MAX);
    pb::ComparisonExplanation {
        field: compared.compare.field.number(),
        comparison: compared.compare.comparison.number(),
        key: compared.compare.key.clone(),
        values,
        actual: compared.actual.clone(),
        holds: compared.holds,
        not_compared: compared.is_other_currency,
    }
}

fn computation(told: &Computation) -> pb::CommissionComputation {
    pb::CommissionComputation {
        base_amount: Some(money(told.base_amount)),
        commission: Some(commission(told.commission)),
        quantity: told.quantity,
        commission_unrounded: Some(unrounded(told.commission_unrounded)),
        commission_amount: Some(money(told.commission_amount)),
        share_ppm: told.share_ppm,
        value_unrounded: Some(unrounded(told.value_unrounded)),
        value_amount: Some(money(told.value)),
        first_sale_bonus: told.first_sale_bonus.map(money),
        caps: told.caps.iter().map(cap_applied).collect(),
        value_before_caps: Some(money(told.value_before_caps)),
    }
}

fn unrounded(amount: Unrounded) -> pb::UnroundedMoney {
    pb::UnroundedMoney {
        whole_minor: amount.whole_minor,
        millionths: amount.millionths,
        currency_code: amount.currency.code().to_owned(),
    }
}

fn reward(told: &RewardExplanation) -> pb::RewardExplanation {
    let is_by_itself = told.approval == RewardApproval::ByItself;
    pb::RewardExplanation {
        reward_id: told.reward_id.to_string(),
        state: told.state.number(),
        rest: Some(reward_value(told.unit, told.rest)),
        approval: told.approval.number(),
        auto_approve_time: is_by_itself.then(|| timestamp(told.auto_approve_at)),
        changes: told.changes.iter().map(|change| change_of(told, change)).collect(),
        dispute_conversion_id: id_or_empty(told.dispute_id),
    }
}

fn change_of(told: &RewardExplanation, change: &RewardChange) -> pb::RewardChange {
    pb::RewardChange {
        reward_id: change.reward_id.to_string(),
        conversion_id: id_or_empty(Some(change.conversion_id)),
        kind: change.kind.number(),
        event_id: change.event_id.clone(),
        value: Some(reward_value(told.unit, change.value)),
        occur_time: Some(timestamp(change.occurred_at)),
    }
}
