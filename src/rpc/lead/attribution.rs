//! Bindings of leads on the wire: binding one by hand, and reading who a lead is bound to and why.

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::conversion::{ConversionImage, ConversionKind, ConversionOutcome};
use crate::domain::id::LeadId;
use crate::domain::lead::{Binding, Lead, ManualBinding};
use crate::domain::refusal::Field;
use crate::domain::rule::{AttributeLead, Referrer};
use crate::domain::time::Interval;
use crate::error::{Error, FieldPaths};
use crate::pb::{self, referrer::Selector};
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::{Fields, KEY_LENGTH_MAX};
use crate::rpc::call::render::{id_or_empty, timestamp};
use crate::rpc::call::{Call, selector};
use crate::rpc::conversion::{self, View};
use crate::rpc::lead::{referrers, render};
use crate::store;
use crate::store::conversion::ConversionQuery;
use crate::store::list::{ListOrder, Walk};

/// The paths of the fields that name a referrer.
pub(super) const REFERRER_PATHS: FieldPaths = &[
    (Field::EnrollmentId, "referrer.enrollment_id"),
    (Field::LinkId, "referrer.ref_id"),
    (Field::Affiliate, "referrer.affiliate"),
    (Field::ProgramId, "referrer.program_id"),
];

/// The maximum length of the reason for a binding. It is short, because all sales of the lead read it.
const REASON_LENGTH_MAX: usize = 500;

/// How many events of the moment of a binding are looked at. More than one are rare.
const EVENTS_AT_ONCE_MAX: u64 = 50;

/// The referrer that a request names. It is required.
pub(super) fn referrer(fields: &mut Fields, field: &str, sent: Option<&pb::Referrer>) -> Option<Referrer> {
    let sent = fields.required(field, sent)?;
    let Some(named) = &sent.selector else {
        fields.wrong(field, "must have one of enrollment_id, ref_id and affiliate");
        return None;
    };
    fields.within(field, |fields| {
        let program_id = fields.optional_id("program_id", &sent.program_id);
        if !sent.program_id.is_empty() && !matches!(named, Selector::Affiliate(_)) {
            fields.wrong("program_id", "is only taken beside affiliate; the enrollment has its program");
        }
        match named {
            Selector::EnrollmentId(id) => fields.id("enrollment_id", id).map(Referrer::Enrollment),
            Selector::RefId(code) => {
                let code = fields.required_line("ref_id", code, KEY_LENGTH_MAX);
                Some(Referrer::Code(code.to_ascii_lowercase()))
            }
            Selector::Affiliate(affiliate) => {
                let affiliate = selector::affiliate(fields, "affiliate", Some(affiliate))?;
                Some(Referrer::Affiliate { affiliate, program_id })
            }
        }
    })
}

/// The referrer that a request names, in the form that it is compared in.
pub(super) fn canonical_referrer(sent: &pb::Referrer) -> Cow<'_, pb::Referrer> {
    let selector = match &sent.selector {
        Some(Selector::RefId(code)) => canonical::code(code).map(Selector::RefId),
        Some(Selector::Affiliate(affiliate)) => match selector::canonical_affiliate(affiliate) {
            Cow::Owned(canonical) => Some(Selector::Affiliate(canonical)),
            Cow::Borrowed(_) => None,
        },
        Some(Selector::EnrollmentId(_)) | None => None,
    };
    canonical!(pb::Referrer, sent, selector: selector.map(Some); as_sent: program_id)
}

impl Change for pb::AttributeLeadRequest {
    type Rule = AttributeLead;
    type Kept = ();

    const PATHS: FieldPaths = REFERRER_PATHS;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::AttributeLeadRequest,
            self,
            lead: canonical::inside(self.lead.as_ref(), selector::canonical_lead),
            referrer: canonical::inside(self.referrer.as_ref(), canonical_referrer),
            reason: canonical::trimmed(&self.reason),
            referral_time: canonical::time(self.referral_time.as_ref());
            as_sent: request_id,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(AttributeLead, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let lead = selector::lead(&mut fields, "lead", self.lead.as_ref());
        let referrer = referrer(&mut fields, "referrer", self.referrer.as_ref());
        let reason = fields.paragraph_up_to("reason", &self.reason, REASON_LENGTH_MAX);
        if reason.is_empty() {
            fields.wrong("reason", "is required, for people who ask later why the lead was bound");
        }
        let referred_at = fields.occur_time("referral_time", self.referral_time.as_ref(), asking.now);
        let (lead, referrer) = fields.complete((lead, referrer))?;
        Ok((AttributeLead { lead, referrer, reason, referred_at }, ()))
    }

    fn render(lead: Arc<Lead>, replayed: bool, (): (), _asking: &Asking) -> pb::AttributeLeadResponse {
        pb::AttributeLeadResponse { lead: Some(render(&lead)), replayed }
    }
}

pub(in crate::rpc) async fn get(
    call: Call,
    message: pb::GetAttributionRequest,
) -> Result<pb::GetAttributionResponse, Error> {
    let mut fields = Fields::default();
    let wanted = selector::lead(&mut fields, "lead", message.lead.as_ref());
    let wanted = fields.complete(wanted)?;
    let lead = call.lead(&wanted).await?;
    let (enrollments, affiliates) = referrers(&call, &lead).await?;
    let conversion = deciding_event(&call, &lead).await?;
    Ok(pb::GetAttributionResponse {
        enrollments,
        affiliates,
        conversion: conversion.map(|image| conversion::render(&image, View::Full)),
        manual_bindings: lead.details.manual_bindings.iter().map(render_manual).collect(),
        lead: Some(render(&lead)),
    })
}

/// The event that bound a lead. For a lead that is not bound, its latest one.
async fn deciding_event(call: &Call, lead: &Lead) -> Result<Option<ConversionImage>, Error> {
    let Some(binding) = &lead.binding else {
        let walk = Walk { order: ListOrder::NewestFirst, after: None, limit: 1 };
        return Ok(events(call, lead.id, Interval::default(), walk).await?.pop());
    };
    let manual = lead.details.manual_bindings.iter().rev().find(|manual| manual.binding == *binding);
    match manual {
        Some(ManualBinding { merged_id: Some(id), .. }) => binding_event(call, *id, binding).await,
        Some(_) => Ok(None),
        None => binding_event(call, lead.id, binding).await,
    }
}

async fn binding_event(call: &Call, lead_id: LeadId, binding: &Binding) -> Result<Option<ConversionImage>, Error> {
    let (start, end) = (Some(binding.bound_at), Some(binding.bound_at.plus_micros(1)));
    let found = events(call, lead_id, Interval { start, end }, Walk::first(EVENTS_AT_ONCE_MAX)).await?;
    let binds = |image: &ConversionImage| {
        let credits = &image.conversion.credits;
        image.conversion.outcome == ConversionOutcome::Attributed
            && credits.iter().any(|credit| binding.credits.iter().any(|own| own.enrollment_id == credit.enrollment_id))
    };
    Ok(found.into_iter().find(binds))
}

/// The events of a lead that may bind it.
async fn events(call: &Call, lead_id: LeadId, occurred: Interval, walk: Walk) -> Result<Vec<ConversionImage>, Error> {
    let query = ConversionQuery {
        kinds: ConversionKind::ALL.iter().copied().filter(|kind| kind.is_attributed()).collect(),
        lead_ids: vec![lead_id],
        occurred,
        ..ConversionQuery::default()
    };
    Ok(store::conversion::list(call.store(), call.account_id(), &query, walk).await?.rows)
}

fn render_manual(manual: &ManualBinding) -> pb::ManualBinding {
    pb::ManualBinding {
        credits: conversion::credits(&manual.binding.credits),
        bind_time: Some(timestamp(manual.binding.bound_at)),
        referral_time: Some(timestamp(manual.binding.referred_at)),
        create_time: Some(timestamp(manual.made_at)),
        reason: manual.reason.clone(),
        merged_lead_id: id_or_empty(manual.merged_id),
    }
}
