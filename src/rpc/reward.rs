//! Rewards on the wire.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, KEY_LENGTH_MAX};
use super::call::render::{id_or_empty, money, reward_value, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::ladder::{brackets, brackets_amount, ladder_met};
use super::line::render_reward_line;
use super::program::{fraud, thresholds};
use crate::domain::conversion::{Conversion, Credit};
use crate::domain::id::ConversionId;
use crate::domain::money::{Currency, Money};
use crate::domain::period::Period;
use crate::domain::program::Commission;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::reward::{Calculation, Reward, RewardClick, RewardState, RewardSummary};
use crate::domain::rule::{ApproveRewards, CreateReward, DenyRewards, FulfillReward, Recipient, ReleaseRewards};
use crate::domain::tally::{Cap, CapApplied};
use crate::error::{Error, FieldPaths};
use crate::pb::create_reward_request::Recipient as WireRecipient;
use crate::pb::{self, reward_calculation::Rate};
use crate::store;
use crate::store::conversion::ConversionFilter;
use crate::store::reward::RewardQuery;

/// The maximum length of a denial's reason. It is short enough that 1,000 rewards denied for it fit into one answer.
const REASON_LENGTH_MAX: usize = 500;

pub(super) async fn get(call: Call, message: pb::GetRewardRequest) -> Result<pb::GetRewardResponse, Error> {
    let mut fields = Fields::default();
    let view = fields.optional_value("view", message.view).unwrap_or(RewardView::Full);
    let id = fields.id("reward_id", &message.reward_id);
    let id = fields.complete(id)?;
    let reward = store::reward::find(call.store(), call.account_id(), id).await?;
    let missing =
        || Error::from(Refusal::not_found(Resource::Reward, id)).with_paths(&[(Field::RewardIds, "reward_id")]);
    let reward = reward.ok_or_else(missing)?;
    let conversions = conversions(&call, view, std::slice::from_ref(&reward)).await?;
    Ok(pb::GetRewardResponse { reward: Some(render_with(&reward, &conversions)) })
}

/// The parts of a reward to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RewardView {
    /// Everything except the conversion.
    Basic,
    /// Everything.
    Full,
}

impl RewardView {
    pub(super) const ALL: &[Self] = &[Self::Basic, Self::Full];
}

/// The conversions of rewards, if the view shows them.
async fn conversions(
    call: &Call,
    view: RewardView,
    rewards: &[Reward],
) -> Result<HashMap<ConversionId, Conversion>, Error> {
    if view == RewardView::Basic {
        return Ok(HashMap::new());
    }
    let ids = rewards.iter().filter_map(|reward| reward.conversion_id);
    Ok(store::conversion::by_ids(call.store(), call.account_id(), ids).await?)
}

/// A reward as a message, with its conversion if that is given.
fn render_with(reward: &Reward, conversions: &HashMap<ConversionId, Conversion>) -> pb::Reward {
    let conversion = reward.conversion_id.and_then(|id| conversions.get(&id));
    let of_reward = |credit: &&Credit| credit.enrollment_id == reward.enrollment_id;
    let conversion = conversion.map(|conversion| pb::RewardConversion {
        event_id: conversion.event_id.clone(),
        amount: conversion.amount.map(money),
        lead_id: id_or_empty(conversion.lead_id),
        source: conversion.credits.iter().find(of_reward).map_or(0, |credit| credit.source.number()),
        order_id: conversion.order.order_id.clone(),
        order_number: conversion.order.order_number.clone(),
        refund_id: conversion.order.refund_id.clone(),
        quantity: conversion.order.quantity,
        occur_time: Some(timestamp(conversion.occurred_at)),
    });
    pb::Reward { conversion, ..render(reward) }
}

pub(super) async fn list(call: Call, message: pb::ListRewardsRequest) -> Result<pb::ListRewardsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let states = fields.values("states", &message.states);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let program_id = fields.optional_id("program_id", &message.program_id);
    let created = fields.interval("create_interval", message.create_interval.as_ref());
    let payout_id = fields.optional_id("payout_id", &message.payout_id);
    let units = fields.values("units", &message.units);
    let conversion = ConversionFilter {
        order_id: fields.key("order_id", &message.order_id),
        order_number: fields.key("order_number", message.order_number.trim()),
        refund_id: fields.key("refund_id", &message.refund_id),
        sources: fields.values("sources", &message.sources),
    };
    let origin = fields.optional_value("origin", message.origin);
    let view = fields.optional_value("view", message.view).unwrap_or(RewardView::Basic);
    fields.finish()?;
    let filter = pb::ListRewardsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id_of_list(affiliate.as_ref()).await?;
    let query = RewardQuery { states, units, affiliate_id, program_id, created, conversion, origin, payout_id };
    let rewards = store::reward::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.check_unless_found(&rewards, affiliate.as_ref()).await?;
    let conversions = conversions(&call, view, &rewards).await?;
    call.works_on(rewards.len()).await;
    let render = |reward: Reward| render_with(&reward, &conversions);
    let (rewards, next_page_token) = page.fill(rewards, |reward| reward.id.uuid(), render);
    Ok(pb::ListRewardsResponse { rewards, next_page_token })
}

impl Change for pb::ApproveRewardsRequest {
    type Rule = ApproveRewards;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Amount, "reward_ids")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::ApproveRewardsRequest, self; as_sent: request_id, reward_ids)
    }

    fn read(&self, _asking: &Asking) -> Result<(ApproveRewards, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let ids = fields.ids("reward_ids", &self.reward_ids);
        fields.finish()?;
        Ok((ApproveRewards { ids, skip_others: false }, ()))
    }

    fn render(rewards: Vec<Arc<Reward>>, replayed: bool, (): (), _asking: &Asking) -> pb::ApproveRewardsResponse {
        pb::ApproveRewardsResponse { rewards: rewards.iter().map(|reward| render(reward)).collect(), replayed }
    }
}

impl Change for pb::DenyRewardsRequest {
    type Rule = DenyRewards;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Amount, "reward_ids")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::DenyRewardsRequest,
            self,
            reason: canonical::trimmed(&self.reason);
            as_sent: request_id, reward_ids,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(DenyRewards, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let ids = fields.ids("reward_ids", &self.reward_ids);
        let reason = fields.paragraph_up_to("reason", &self.reason, REASON_LENGTH_MAX);
        if reason.is_empty() {
            let length = REASON_LENGTH_MAX;
            fields.wrong("reason", format!("is required, up to {length} characters: the affiliate will ask"));
        }
        fields.finish()?;
        Ok((DenyRewards { ids, reason, skip_others: false }, ()))
    }

    fn render(rewards: Vec<Arc<Reward>>, replayed: bool, (): (), _asking: &Asking) -> pb::DenyRewardsResponse {
        pb::DenyRewardsResponse { rewards: rewards.iter().map(|reward| render(reward)).collect(), replayed }
    }
}

impl Change for pb::ReleaseRewardsRequest {
    type Rule = ReleaseRewards;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::ReleaseRewardsRequest,
            self,
            reason: canonical::trimmed(&self.reason);
            as_sent: request_id, reward_ids,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(ReleaseRewards, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let ids = fields.ids("reward_ids", &self.reward_ids);
        let reason = fields.paragraph_up_to("reason", &self.reason, REASON_LENGTH_MAX);
        fields.finish()?;
        Ok((ReleaseRewards { ids, reason }, ()))
    }

    fn render(rewards: Vec<Arc<Reward>>, replayed: bool, (): (), _asking: &Asking) -> pb::ReleaseRewardsResponse {
        pb::ReleaseRewardsResponse { rewards: rewards.iter().map(|reward| render(reward)).collect(), replayed }
    }
}

impl Change for pb::CreateRewardRequest {
    type Rule = CreateReward;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Amount, "value"), (Field::EnrollmentId, "enrollment")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreateRewardRequest,
            self,
            recipient: canonical_recipient(self.recipient.as_ref()),
            state: canonical::default_number(self.state, RewardState::Approved.number()),
            reason: canonical::trimmed(&self.reason);
            as_sent: request_id, value,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateReward, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let recipient = recipient(&mut fields, self.recipient.as_ref());
        let value = fields.reward_value("value", self.value.as_ref());
        let state = fields.optional_value_of("state", self.state, STATES_AT_FIRST);
        let state = state.unwrap_or(RewardState::Approved);
        let reason = fields.paragraph_up_to("reason", &self.reason, REASON_LENGTH_MAX);
        let (recipient, (unit, value)) = fields.complete((recipient, value))?;
        Ok((CreateReward { recipient, unit, value, state, reason }, ()))
    }

    fn render(reward: Arc<Reward>, replayed: bool, (): (), _asking: &Asking) -> pb::CreateRewardResponse {
        pb::CreateRewardResponse { reward: Some(render(&reward)), replayed }
    }
}

/// The states that a reward can be created in.
const STATES_AT_FIRST: &[RewardState] = &[RewardState::Pending, RewardState::Approved, RewardState::Denied];

fn recipient(fields: &mut Fields, sent: Option<&WireRecipient>) -> Option<Recipient> {
    use pb::enrollment_selector::Selector;
    let enrollment = match sent {
        None => {
            fields.wrong("lead", "is required, or enrollment in its place");
            return None;
        }
        Some(WireRecipient::Lead(lead)) => return selector::lead(fields, "lead", Some(lead)).map(Recipient::Lead),
        Some(WireRecipient::Enrollment(enrollment)) => enrollment,
    };
    let Some(selector) = &enrollment.selector else {
        fields.wrong("enrollment", "must have one of id and ref_id");
        return None;
    };
    fields.within("enrollment", |fields| match selector {
        Selector::Id(id) => fields.id("id", id).map(Recipient::Enrollment),
        Selector::RefId(ref_id) => {
            let ref_id = fields.required_line("ref_id", ref_id, KEY_LENGTH_MAX);
            Some(Recipient::RefId(ref_id.to_lowercase()))
        }
    })
}

fn canonical_recipient(sent: Option<&WireRecipient>) -> Option<Option<WireRecipient>> {
    match sent? {
        WireRecipient::Lead(lead) => match selector::canonical_lead(lead) {
            Cow::Owned(lead) => Some(Some(WireRecipient::Lead(lead))),
            Cow::Borrowed(_) => None,
        },
        WireRecipient::Enrollment(enrollment) => match selector::canonical_enrollment(enrollment) {
            Cow::Owned(enrollment) => Some(Some(WireRecipient::Enrollment(enrollment))),
            Cow::Borrowed(_) => None,
        },
    }
}

impl Change for pb::FulfillRewardRequest {
    type Rule = FulfillReward;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Amount, "reward_id"), (Field::RewardIds, "reward_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::FulfillRewardRequest, self; as_sent: request_id, reward_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(FulfillReward, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("reward_id", &self.reward_id);
        Ok((FulfillReward { id: fields.complete(id)? }, ()))
    }

    fn render(reward: Arc<Reward>, replayed: bool, (): (), _asking: &Asking) -> pb::FulfillRewardResponse {
        pb::FulfillRewardResponse { reward: Some(render(&reward)), replayed }
    }
}

/// The reward as stored in the feed, without the texts that a person wrote.
pub(super) fn image(reward: &Reward) -> pb::Reward {
    let (deny_reason, create_reason, release_reason) = (String::new(), String::new(), String::new());
    pb::Reward { deny_reason, create_reason, release_reason, ..render(reward) }
}

/// A reward as a message.
pub(super) fn render(reward: &Reward) -> pb::Reward {
    let (by_hand, review) = (reward.by_hand.as_ref(), reward.review.as_ref());
    pb::Reward {
        id: reward.id.into(),
        conversion_id: id_or_empty(reward.conversion_id),
        affiliate_id: reward.affiliate_id.into(),
        enrollment_id: reward.enrollment_id.into(),
        program_id: reward.program_id.into(),
        value: Some(reward_value(reward.unit, reward.value)),
        reversed: Some(reward_value(reward.unit, Money::new(reward.reversed_minor, reward.value.currency))),
        reverses_reward_id: id_or_empty(reward.reverses),
        state: reward.state.number(),
        calculation: reward
            .calculation
            .as_ref()
            .map(|calculation| render_calculation(calculation, reward.value.currency)),
        auto_approve_time: Some(timestamp(reward.auto_approve_at)),
        create_time: Some(timestamp(reward.created_at)),
        update_time: Some(timestamp(reward.updated_at)),
        deny_reason: reward.deny_reason.clone(),
        create_reason: by_hand.map(|by_hand| by_hand.reason.clone()).unwrap_or_default(),
        lead_id: id_or_empty(by_hand.and_then(|by_hand| by_hand.lead_id)),
        conversion: None,
        bonus_terms_version: by_hand.map_or(0, |by_hand| by_hand.bonus_terms_version),
        payout_id: id_or_empty(reward.payout_id),
        submission_id: id_or_empty(by_hand.and_then(|by_hand| by_hand.submission_id)),
        threshold: by_hand.and_then(|by_hand| by_hand.threshold.as_deref()).map(thresholds::render_reached),
        click: reward.click.as_ref().map(render_click),
        suspicion: review.map(|review| review.flags.iter().map(fraud::render_flag).collect()).unwrap_or_default(),
        release_reason: review.map(|review| review.release_reason.clone()).unwrap_or_default(),
        dispute_conversion_id: id_or_empty(
            reward.dispute.filter(|dispute| dispute.frozen_from.is_some()).map(|dispute| dispute.dispute_id),
        ),
    }
}

/// The click of a reward.
pub(super) fn render_click(click: &RewardClick) -> pb::RewardClick {
    pb::RewardClick {
        click_id: click.click_id.to_string(),
        tid: click.tid.to_string(),
        link_id: click.link_id.to_string(),
        occur_time: Some(timestamp(click.occurred_at)),
    }
}

/// How a reward in this currency was computed.
pub(super) fn render_calculation(calculation: &Calculation, currency: Currency) -> pb::RewardCalculation {
    let of_sale = calculation.sale_amount.currency;
    let lines = calculation.lines.iter().map(|line| render_reward_line(line, of_sale, currency));
    let taken = calculation.rule_taken.as_ref();
    pb::RewardCalculation {
        rule: calculation.rule.number(),
        base_amount: Some(money(calculation.base_amount)),
        sale_amount: Some(money(calculation.sale_amount)),
        rate: Some(match calculation.commission {
            Commission::PercentPpm(ppm) => Rate::PercentPpm(ppm),
            Commission::Flat(flat) => Rate::Flat(money(flat)),
        }),
        share_ppm: calculation.share_ppm,
        terms_version: calculation.terms_version,
        rounding: calculation.rounding.number(),
        adjustment: calculation.adjustment.map(money),
        rule_name: taken.map(|rule| rule.name.to_string()).unwrap_or_default(),
        rule_number: taken.map_or(0, |rule| rule.number),
        quantity: taken.map_or(0, |rule| rule.quantity),
        first_sale_bonus: taken.and_then(|rule| rule.first_sale_bonus).map(money),
        amount_not_compared: calculation.amount_not_compared,
        upline: calculation.upline.as_ref().map(|upline| pb::UplineShare {
            level: upline.level,
            basis: upline.rate.basis.number(),
            percent_ppm: upline.rate.percent_ppm,
            credited_enrollment_id: upline.credited_enrollment_id.to_string(),
        }),
        lines: lines.collect(),
        split: calculation.split.as_ref().map(|split| pb::RewardSplit {
            shares_ppm: split.shares_ppm.clone(),
            place: split.place.saturating_add(1),
        }),
        caps: calculation.caps.iter().map(cap_applied).collect(),
        tally_change: calculation.tally_change.map(|change| pb::TallyChange {
            paid_before_minor: change.paid_before_minor,
            paid_after_minor: change.paid_after_minor,
            booked_minor: change.booked_minor,
        }),
        ladder: calculation.ladder.as_ref().map(ladder_met),
        brackets: calculation
            .brackets
            .as_ref()
            .map(|told| brackets(told, calculation.sale_amount.currency))
            .unwrap_or_default(),
        brackets_amount: calculation
            .brackets
            .as_ref()
            .map(|told| brackets_amount(told, calculation.sale_amount.currency)),
    }
}

/// A cap of the terms, as an event met it.
pub(super) fn cap_applied(applied: &CapApplied) -> pb::CapApplied {
    let Cap { scope, period, maximum } = applied.cap;
    pb::CapApplied {
        scope: scope.number(),
        period: period.number(),
        period_start_day: if period == Period::AllTime { String::new() } else { applied.starts_on.to_string() },
        maximum: Some(money(maximum)),
        paid_before: Some(money(Money::new(applied.paid_before_minor, maximum.currency))),
        room_minor: applied.room_minor(),
    }
}

/// The unchanging part of a reward, as a message.
pub(super) fn summary(summary: &RewardSummary) -> pb::RewardSummary {
    pb::RewardSummary {
        reward_id: summary.reward_id.into(),
        affiliate_id: summary.affiliate_id.into(),
        value: Some(reward_value(summary.unit, summary.value)),
    }
}
