//! Rewards on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::Fields;
use super::call::render::{id_or_empty, money, reward_value, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use crate::domain::money::Money;
use crate::domain::program::Commission;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::reward::{Reward, RewardSummary};
use crate::domain::rule::{ApproveRewards, DenyRewards};
use crate::error::{Error, FieldPaths};
use crate::pb::{self, reward_calculation::Rate};
use crate::store;
use crate::store::reward::RewardQuery;

/// The maximum length of a denial's reason. It is short enough that 1,000 rewards denied for it fit into one answer.
const REASON_LENGTH_MAX: usize = 500;

pub(super) async fn get(call: Call, message: pb::GetRewardRequest) -> Result<pb::GetRewardResponse, Error> {
    let mut fields = Fields::default();
    let Some(id) = fields.id("reward_id", &message.reward_id) else { return Err(fields.into_error()) };
    let reward = store::reward::find(call.store(), call.account_id(), id).await?;
    let missing =
        || Error::from(Refusal::not_found(Resource::Reward, id)).with_paths(&[(Field::RewardIds, "reward_id")]);
    let reward = reward.ok_or_else(missing)?;
    Ok(pb::GetRewardResponse { reward: Some(render(&reward)) })
}

pub(super) async fn list(call: Call, message: pb::ListRewardsRequest) -> Result<pb::ListRewardsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let states = fields.values("states", &message.states);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let program_id = fields.optional_id("program_id", &message.program_id);
    let created = fields.interval("create_interval", message.create_interval.as_ref());
    fields.finish()?;
    let filter = pb::ListRewardsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let query = RewardQuery { states, affiliate_id, program_id, created };
    let rewards = store::reward::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.works_on(rewards.len()).await;
    let (rewards, next_page_token) = page.fill(rewards, |reward| reward.id.uuid(), |reward| render(&reward));
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

/// The reward as stored in the feed, without the text that a person wrote.
pub(super) fn image(reward: &Reward) -> pb::Reward {
    pb::Reward { deny_reason: String::new(), ..render(reward) }
}

/// A reward as a message.
pub(super) fn render(reward: &Reward) -> pb::Reward {
    let calculation = &reward.calculation;
    pb::Reward {
        id: reward.id.to_string(),
        conversion_id: reward.conversion_id.to_string(),
        affiliate_id: reward.affiliate_id.to_string(),
        enrollment_id: reward.enrollment_id.to_string(),
        program_id: reward.program_id.to_string(),
        value: Some(reward_value(reward.unit, reward.value)),
        reversed: Some(reward_value(reward.unit, Money::new(reward.reversed_minor, reward.value.currency))),
        reverses_reward_id: id_or_empty(reward.reverses),
        state: reward.state.number(),
        calculation: Some(pb::RewardCalculation {
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
        }),
        auto_approve_time: Some(timestamp(reward.auto_approve_at)),
        create_time: Some(timestamp(reward.created_at)),
        update_time: Some(timestamp(reward.updated_at)),
        deny_reason: reward.deny_reason.clone(),
    }
}

/// The unchanging part of a reward, as a message.
pub(super) fn summary(summary: &RewardSummary) -> pb::RewardSummary {
    pb::RewardSummary {
        reward_id: summary.reward_id.to_string(),
        affiliate_id: summary.affiliate_id.to_string(),
        value: Some(reward_value(summary.unit, summary.value)),
    }
}
