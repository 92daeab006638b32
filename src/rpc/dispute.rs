//! Disputes on the wire, and how they end.

use std::borrow::Cow;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, Warnings};
use super::call::render::{id_or_empty, money};
use super::call::wire_enum::WireEnum;
use super::reward;
use crate::domain::conversion::{Conversion, RefundOutcome};
use crate::domain::dispute::{DisputeOutcome, DisputePart, DisputeState};
use crate::domain::money::Money;
use crate::domain::refusal::Field;
use crate::domain::request::RecordedKind;
use crate::domain::rule::{OpenDispute, ResolveDispute};
use crate::error::{Error, FieldPaths};
use crate::pb;

/// The maximum length of the reason.
const REASON_LENGTH_MAX: usize = 500;

impl Change for pb::OpenDisputeRequest {
    type Rule = OpenDispute;
    type Kept = Warnings;

    const PATHS: FieldPaths = &[(Field::Conversion, "sale_event_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::Dispute, &self.event_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::OpenDisputeRequest,
            self,
            reason: canonical::trimmed(&self.reason),
            occur_time: canonical::time(self.occur_time.as_ref());
            as_sent: event_id, sale_event_id, amount,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(OpenDispute, Warnings), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let sale_event_id = fields.required_key("sale_event_id", &self.sale_event_id);
        let amount = fields.optional_money("amount", self.amount.as_ref());
        let reason = fields.paragraph_up_to("reason", &self.reason, REASON_LENGTH_MAX);
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        let warnings = fields.take_warnings();
        fields.finish()?;
        Ok((OpenDispute { event_id, sale_event_id, amount, reason, occurred_at }, warnings))
    }

    fn render(dispute: RefundOutcome, replayed: bool, warnings: Warnings, _asking: &Asking) -> pb::OpenDisputeResponse {
        pb::OpenDisputeResponse {
            outcome: dispute.outcome.number(),
            conversion_id: dispute.conversion_id.to_string(),
            sale_conversion_id: id_or_empty(dispute.sale_id),
            rewards: dispute.rewards.iter().map(reward::summary).collect(),
            replayed,
            warnings,
        }
    }
}

impl Change for pb::ResolveDisputeRequest {
    type Rule = ResolveDispute;
    type Kept = Warnings;

    const PATHS: FieldPaths = &[(Field::Conversion, "dispute_event_id"), (Field::Amount, "lost_amount")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::DisputeResolution, &self.event_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::ResolveDisputeRequest,
            self,
            reason: canonical::trimmed(&self.reason),
            occur_time: canonical::time(self.occur_time.as_ref());
            as_sent: event_id, dispute_event_id, outcome, lost_amount,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(ResolveDispute, Warnings), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let dispute_event_id = fields.required_key("dispute_event_id", &self.dispute_event_id);
        let outcome = fields.value_of("outcome", self.outcome, DisputeOutcome::VALUES);
        let lost_amount = fields.optional_money("lost_amount", self.lost_amount.as_ref());
        if lost_amount.is_some_and(|amount| amount.amount_minor == 0) {
            fields.wrong("lost_amount", "must be more than zero; a dispute of which nothing is lost is WON");
        }
        if self.lost_amount.is_some() && outcome == Some(DisputeOutcome::Won) {
            fields.wrong("lost_amount", "is only for LOST; leave it out");
        }
        let reason = fields.paragraph_up_to("reason", &self.reason, REASON_LENGTH_MAX);
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        let warnings = fields.take_warnings();
        let outcome = fields.complete(outcome)?;
        Ok((ResolveDispute { event_id, dispute_event_id, outcome, lost_amount, reason, occurred_at }, warnings))
    }

    fn render(end: RefundOutcome, replayed: bool, warnings: Warnings, _asking: &Asking) -> pb::ResolveDisputeResponse {
        pb::ResolveDisputeResponse {
            outcome: end.outcome.number(),
            conversion_id: end.conversion_id.to_string(),
            sale_conversion_id: id_or_empty(end.sale_id),
            rewards: end.rewards.iter().map(reward::summary).collect(),
            replayed,
            warnings,
        }
    }
}

/// The part that a conversion has in a dispute.
pub(super) fn of_conversion(conversion: &Conversion) -> Option<pb::ConversionDispute> {
    let reason = conversion.order.reason.clone();
    match conversion.order.dispute.as_deref()? {
        DisputePart::OpenOf(_) => None,
        DisputePart::Dispute(kept) => {
            let lost = kept.taken_minor.zip(conversion.amount);
            let lost_amount = lost.map(|(minor, amount)| money(Money::new(minor, amount.currency)));
            let state = kept.state.number();
            Some(pb::ConversionDispute { state, dispute_conversion_id: String::new(), lost_amount, reason })
        }
        DisputePart::Resolution(part) => Some(pb::ConversionDispute {
            state: DisputeState::from(part.outcome).number(),
            dispute_conversion_id: part.dispute_id.to_string(),
            lost_amount: None,
            reason,
        }),
    }
}

/// The open disputes of a sale.
pub(super) fn open_of(conversion: &Conversion) -> Vec<String> {
    match conversion.order.dispute.as_deref() {
        Some(DisputePart::OpenOf(open)) => open.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}
