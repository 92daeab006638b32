//! Rewards of customers on the wire: the promise of terms, what was granted, and the call that fulfils it.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::Fields;
use super::call::render::{reward_value, timestamp};
use super::call::selector;
use super::call::wire_enum::WireEnum;
use super::lead;
use crate::domain::customer_reward::{CustomerReward, CustomerRewardEvent, CustomerRewardPromise};
use crate::domain::lead::Lead;
use crate::domain::reward::RewardUnit;
use crate::domain::rule::FulfillCustomerReward;
use crate::error::Error;
use crate::pb;

/// Reads what terms promise customers; `None` when it is not set.
pub(super) fn promise(
    fields: &mut Fields,
    field: &str,
    sent: Option<&pb::CustomerRewardPromise>,
) -> Option<CustomerRewardPromise> {
    let sent = sent?;
    fields.within(field, |fields| {
        let event = fields.value_of("event_kind", sent.event_kind, CustomerRewardEvent::ALL);
        let value = fields.reward_value("value", sent.value.as_ref());
        if let Some((RewardUnit::Cash, _)) = value {
            fields.wrong("value.cash", "is not taken, because customers are not paid; use discount_money or credits");
        }
        let (event, (unit, value)) = event.zip(value)?;
        Some(CustomerRewardPromise { event, unit, value })
    })
}

/// A promise as a message.
pub(super) fn render_promise(promise: &CustomerRewardPromise) -> pb::CustomerRewardPromise {
    let value = Some(reward_value(promise.unit, promise.value));
    pb::CustomerRewardPromise { event_kind: promise.event.number(), value }
}

/// The reward of a customer as a message.
pub(super) fn render(reward: &CustomerReward) -> pb::CustomerReward {
    pb::CustomerReward {
        program_id: reward.program_id.to_string(),
        value: Some(reward_value(reward.unit, reward.value)),
        state: reward.state.number(),
        conversion_id: reward.conversion_id.to_string(),
        terms_version: reward.terms_version,
        grant_time: Some(timestamp(reward.granted_at)),
        update_time: Some(timestamp(reward.updated_at)),
    }
}

impl Change for pb::FulfillCustomerRewardRequest {
    type Rule = FulfillCustomerReward;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::FulfillCustomerRewardRequest,
            self,
            lead: canonical::inside(self.lead.as_ref(), selector::canonical_lead);
            as_sent: request_id, program_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(FulfillCustomerReward, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let lead = selector::lead(&mut fields, "lead", self.lead.as_ref());
        let program_id = fields.optional_id("program_id", &self.program_id);
        Ok((FulfillCustomerReward { lead: fields.complete(lead)?, program_id }, ()))
    }

    fn render(lead: Arc<Lead>, replayed: bool, (): (), _asking: &Asking) -> pb::FulfillCustomerRewardResponse {
        pb::FulfillCustomerRewardResponse { lead: Some(lead::render(&lead)), replayed }
    }
}
