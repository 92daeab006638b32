//! Custom events on the wire.

use std::borrow::Cow;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, Warnings};
use super::call::render::id_or_empty;
use super::call::wire_enum::WireEnum;
use super::{appointment, conversion, reward, sale};
use crate::domain::conversion::{ConversionKind, SaleOutcome};
use crate::domain::request::RecordedKind;
use crate::domain::rule::RecordSale;
use crate::error::Error;
use crate::pb;

impl Change for pb::RecordCustomEventRequest {
    type Rule = RecordSale;
    type Kept = Warnings;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::CustomEvent, &self.event_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RecordCustomEventRequest,
            self,
            custom_kind: canonical::code(&self.custom_kind),
            email: canonical::email(&self.email),
            tid: canonical::tid(&self.tid),
            ref_id: canonical::code(&self.ref_id),
            coupon_code: canonical::coupon_code(&self.coupon_code),
            first_name: canonical::description(&self.first_name),
            last_name: canonical::description(&self.last_name),
            occur_time: canonical::time(self.occur_time.as_ref());
            as_sent: event_id, external_id, amount,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(RecordSale, Warnings), Error> {
        let mut fields = Fields::default();
        let custom_kind = fields.new_code("custom_kind", &self.custom_kind).map(|kind| kind.to_ascii_lowercase());
        if self.custom_kind.trim().is_empty() {
            fields.wrong("custom_kind", "is required");
        }
        let mut rule = appointment::read(&mut fields, ConversionKind::CustomEvent, &shared(self), asking);
        rule.amount = fields.optional_money("amount", self.amount.as_ref());
        let warnings = fields.take_warnings();
        rule.order.custom_kind = fields.complete(custom_kind)?;
        rule.referral.custom_kind.clone_from(&rule.order.custom_kind);
        Ok((rule, warnings))
    }

    fn render(
        outcome: SaleOutcome,
        replayed: bool,
        mut warnings: Warnings,
        _asking: &Asking,
    ) -> pb::RecordCustomEventResponse {
        sale::warn(&outcome, "event", &mut warnings);
        pb::RecordCustomEventResponse {
            outcome: conversion::outcome_of(&outcome.credits).number(),
            conversion_id: outcome.conversion_id.to_string(),
            lead_id: id_or_empty(outcome.lead_id),
            credits: conversion::credits(&outcome.credits),
            replayed,
            warnings,
            rewards: outcome.rewards.iter().map(reward::summary).collect(),
        }
    }
}

/// The fields that an appointment has too.
fn shared(sent: &pb::RecordCustomEventRequest) -> pb::RecordAppointmentRequest {
    pb::RecordAppointmentRequest {
        event_id: sent.event_id.clone(),
        email: sent.email.clone(),
        external_id: sent.external_id.clone(),
        tid: sent.tid.clone(),
        ref_id: sent.ref_id.clone(),
        coupon_code: sent.coupon_code.clone(),
        first_name: sent.first_name.clone(),
        last_name: sent.last_name.clone(),
        occur_time: sent.occur_time,
    }
}
