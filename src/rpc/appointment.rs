//! Appointments on the wire, and what they share with custom events.

use std::borrow::Cow;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX, Warnings};
use super::call::render::id_or_empty;
use super::call::wire_enum::WireEnum;
use super::lead::{customer, referral};
use super::{conversion, reward, sale};
use crate::domain::conversion::{ConversionKind, OrderDetails, SaleChannel, SaleOutcome};
use crate::domain::request::RecordedKind;
use crate::domain::rule::RecordSale;
use crate::error::Error;
use crate::pb;

impl Change for pb::RecordAppointmentRequest {
    type Rule = RecordSale;
    type Kept = Warnings;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::Appointment, &self.event_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RecordAppointmentRequest,
            self,
            email: canonical::email(&self.email),
            tid: canonical::tid(&self.tid),
            ref_id: canonical::code(&self.ref_id),
            coupon_code: canonical::coupon_code(&self.coupon_code),
            first_name: canonical::description(&self.first_name),
            last_name: canonical::description(&self.last_name),
            occur_time: canonical::time(self.occur_time.as_ref());
            as_sent: event_id, external_id,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(RecordSale, Warnings), Error> {
        let mut fields = Fields::default();
        let rule = read(&mut fields, ConversionKind::Appointment, self, asking);
        let warnings = fields.take_warnings();
        fields.finish()?;
        Ok((rule, warnings))
    }

    fn render(
        outcome: SaleOutcome,
        replayed: bool,
        mut warnings: Warnings,
        _asking: &Asking,
    ) -> pb::RecordAppointmentResponse {
        sale::warn(&outcome, "appointment", &mut warnings);
        pb::RecordAppointmentResponse {
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

/// Reads the fields of an appointment. A custom event has the same ones.
pub(super) fn read(
    fields: &mut Fields,
    kind: ConversionKind,
    sent: &pb::RecordAppointmentRequest,
    asking: &Asking,
) -> RecordSale {
    let event_id = fields.required_key("event_id", &sent.event_id);
    let referral = referral(fields, &sent.tid, &sent.ref_id, &sent.coupon_code);
    let has_other_name = !sent.external_id.is_empty() || !referral.is_traceless();
    let customer = customer(fields, &sent.email, &sent.external_id, has_other_name);
    if !has_other_name && sent.email.trim().is_empty() {
        fields.wrong("email", "is required, or one of external_id, tid, ref_id and coupon_code in its place");
    }
    let order =
        OrderDetails { coupon_code: referral.coupon_code.clone().unwrap_or_default(), ..OrderDetails::default() };
    RecordSale {
        kind,
        event_id,
        customer,
        referral,
        amount: None,
        occurred_at: fields.occur_time("occur_time", sent.occur_time.as_ref(), asking.now),
        channel: SaleChannel::Online,
        first_name: fields.description("first_name", &sent.first_name, NAME_LENGTH_MAX),
        last_name: fields.description("last_name", &sent.last_name, NAME_LENGTH_MAX),
        mrr: None,
        order: Box::new(order),
    }
}
