//! Conversions on the wire: reading them back, and their form in answers and in the feed.

use super::call::parse::{Fields, KEY_LENGTH_MAX, LIST_LENGTH_MAX};
use super::call::render::{id_or_empty, money, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::program::fraud;
use super::{dispute, line, reward};
use crate::domain::attribution::{Candidate, Evidence};
use crate::domain::conversion::{ConversionImage, ConversionKind, ConversionOutcome, ConversionSelector, Credit};
use crate::domain::money::Money;
use crate::domain::refusal::{Refusal, Resource};
use crate::error::Error;
use crate::pb;
use crate::pb::conversion_result::Answer as ConversionAnswer;
use crate::store;
use crate::store::conversion::ConversionQuery;

pub(super) async fn get(call: Call, message: pb::GetConversionRequest) -> Result<pb::GetConversionResponse, Error> {
    let (store, account_id) = (call.store(), call.account_id());
    let mut fields = Fields::default();
    let view = fields.optional_value("view", message.view).unwrap_or(View::Full);
    let selector = selector::conversion(&mut fields, "conversion", message.conversion.as_ref());
    let selector = fields.complete(selector)?;
    let image = store::conversion::find(store, account_id, &selector).await?;
    let image = image.ok_or_else(|| Refusal::not_found(Resource::Conversion, &selector))?;
    Ok(pb::GetConversionResponse { conversion: Some(render(&image, view)) })
}

pub(super) async fn batch_get(
    call: Call,
    message: pb::BatchGetConversionsRequest,
) -> Result<pb::BatchGetConversionsResponse, Error> {
    let mut fields = Fields::default();
    let view = fields.optional_value("view", message.view).unwrap_or(View::Basic);
    let count = message.conversions.len();
    if !(1..=LIST_LENGTH_MAX).contains(&count) {
        fields.wrong("conversions", format!("has {count} selectors; send 1 to {LIST_LENGTH_MAX}"));
    }
    fields.finish()?;
    let read = message.conversions.iter().map(|sent| {
        let mut fields = Fields::default();
        let selector = selector::conversion(&mut fields, "conversion", Some(sent));
        fields.complete(selector)
    });
    let read: Vec<Result<ConversionSelector, Error>> = read.collect();
    let selectors: Vec<ConversionSelector> = read.iter().flatten().cloned().collect();
    let mut found = store::conversion::find_all(call.store(), call.account_id(), &selectors).await?.into_iter();
    call.works_on(count).await;
    let mut room = page::Room::default();
    let results = read.into_iter().map(|selector| {
        let conversion = selector.and_then(|selector| {
            let image = found.next().flatten();
            let image = image.ok_or_else(|| Refusal::not_found(Resource::Conversion, &selector))?;
            room.take(render(&image, view)).ok_or(Error::AnswerFull)
        });
        let answer = match conversion {
            Ok(conversion) => ConversionAnswer::Conversion(conversion),
            Err(error) => ConversionAnswer::Error(error.into_rpc_status(&call.name)),
        };
        pb::ConversionResult { answer: Some(answer) }
    });
    Ok(pb::BatchGetConversionsResponse { results: results.collect() })
}

pub(super) async fn list(
    call: Call,
    message: pb::ListConversionsRequest,
) -> Result<pb::ListConversionsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let kinds = fields.values("kinds", &message.kinds);
    let outcomes = fields.values("outcomes", &message.outcomes);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let program_id = fields.optional_id("program_id", &message.program_id);
    let lead = selector::optional_lead(&mut fields, "lead", message.lead.as_ref());
    let occurred = fields.interval("occur_interval", message.occur_interval.as_ref());
    let view = fields.optional_value("view", message.view).unwrap_or(View::Basic);
    let order_id = fields.key("order_id", &message.order_id);
    let order_number = Some(fields.line("order_number", &message.order_number, KEY_LENGTH_MAX));
    let custom_kind = fields.new_code("custom_kind", &message.custom_kind);
    let metadata = fields.wanted_metadata("metadata", &message.metadata);
    fields.finish()?;
    let filter = pb::ListConversionsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page_with(&metadata, &filter, shape, &message.page_token).await?;
    let referred = || vec![ConversionOutcome::Attributed, ConversionOutcome::Waiting];
    let query = ConversionQuery {
        kinds,
        outcomes: if outcomes.is_empty() { referred() } else { outcomes },
        affiliate_id: call.affiliate_id_of_list(affiliate.as_ref()).await?,
        program_id,
        lead_ids: call.lead_ids(lead.as_ref()).await?,
        occurred,
        order_id,
        order_number: order_number.filter(|number| !number.is_empty()),
        custom_kind: custom_kind.map(|kind| kind.to_ascii_lowercase()),
        metadata,
        without_candidates: view == View::Basic,
    };
    let found = store::conversion::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.check_unless_found(&found.rows, affiliate.as_ref()).await?;
    call.works_on(found.rows.len()).await;
    let (conversions, next_page_token) =
        page.fill_until(found.rows, found.ended_at, |image| image.conversion.id.uuid(), |image| render(&image, view));
    Ok(pb::ListConversionsResponse { conversions, next_page_token })
}

/// The parts of a conversion to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Everything except the candidates.
    Basic,
    /// Everything.
    Full,
}

impl View {
    pub(super) const ALL: &[Self] = &[Self::Basic, Self::Full];
}

/// The outcome of an event with these credits: attributed if there is any.
pub(super) fn outcome_of(credits: &[Credit]) -> ConversionOutcome {
    if credits.is_empty() { ConversionOutcome::NotReferred } else { ConversionOutcome::Attributed }
}

/// Credits as messages.
pub(super) fn credits(credits: &[Credit]) -> Vec<pb::Credit> {
    let credit = |credit: &Credit| pb::Credit {
        affiliate_id: credit.affiliate_id.into(),
        enrollment_id: credit.enrollment_id.into(),
        program_id: credit.program_id.into(),
        terms_version: credit.terms_version,
        source: credit.source.number(),
        share_ppm: credit.share_ppm,
    };
    credits.iter().map(credit).collect()
}

/// The conversion and its rewards as stored in the feed.
pub(super) fn image(image: &ConversionImage) -> pb::Conversion {
    pb::Conversion {
        coupon_code: String::new(),
        correction_reason: String::new(),
        dispute: dispute::of_conversion(&image.conversion)
            .map(|told| pb::ConversionDispute { reason: String::new(), ..told }),
        rewards: image.rewards.iter().map(|reward| reward::image(reward)).collect(),
        ..render(image, View::Basic)
    }
}

/// The conversion and its rewards as a message.
pub(super) fn render(image: &ConversionImage, view: View) -> pb::Conversion {
    let conversion = &image.conversion;
    let order = &conversion.order;
    let is_sale = conversion.kind == ConversionKind::Sale;
    let refunded =
        conversion.amount.filter(|_| is_sale).map(|sold| Money::new(conversion.refunded_minor, sold.currency));
    let excess = conversion.amount.filter(|_| conversion.excess_minor > 0);
    let excess = excess.map(|amount| Money::new(conversion.excess_minor, amount.currency));
    let told_dispute = dispute::of_conversion(conversion);
    pb::Conversion {
        id: conversion.id.into(),
        kind: conversion.kind.number(),
        event_id: conversion.event_id.clone(),
        outcome: conversion.outcome.number(),
        amount: conversion.amount.map(money),
        refunded_amount: refunded.map(money),
        excess_amount: excess.map(money),
        sale_conversion_id: id_or_empty(conversion.sale_id),
        sale_event_id: conversion.sale_event_id.clone(),
        lead_id: id_or_empty(conversion.lead_id),
        credits: credits(&conversion.credits),
        channel: if is_sale { conversion.channel.number() } else { 0 },
        coupon_code: order.coupon_code.clone(),
        plan: order.plan.clone(),
        item_sku: order.item_sku.clone(),
        custom_kind: order.custom_kind.clone(),
        metadata: order.metadata.clone(),
        collections: order.collections.clone(),
        country_code: order.country_code.clone(),
        lines: line::render(conversion),
        quantity: order.quantity,
        order_id: order.order_id.clone(),
        order_number: order.order_number.clone(),
        refund_id: order.refund_id.clone(),
        commission_adjustment: order.commission_adjustment.map(money),
        correction_reason: if told_dispute.is_some() { String::new() } else { order.reason.clone() },
        refunded_total: order.refunded_total.map(money),
        refund_undo_id: id_or_empty(order.undone_by),
        undone_refund_id: id_or_empty(order.undone_refund_id),
        dispute: told_dispute,
        open_dispute_conversion_ids: dispute::open_of(conversion),
        candidates: match view {
            View::Basic => Vec::new(),
            View::Full => conversion.candidates.iter().map(candidate).collect(),
        },
        rewards: image.rewards.iter().map(|reward| reward::render(reward)).collect(),
        occur_time: Some(timestamp(conversion.occurred_at)),
        create_time: Some(timestamp(conversion.created_at)),
        version: conversion.version,
        suspicions: fraud::render_suspicions(&order.suspicions),
    }
}

/// A candidate for the credit as a message.
pub(super) fn candidate(candidate: &Candidate) -> pb::AttributionCandidate {
    pb::AttributionCandidate {
        source: candidate.evidence.source().number(),
        evidence: Some(match &candidate.evidence {
            Evidence::Lead(id) => pb::attribution_candidate::Evidence::LeadId((*id).into()),
            Evidence::Coupon(code) => pb::attribution_candidate::Evidence::CouponCode(code.clone()),
            Evidence::Click(id) => pb::attribution_candidate::Evidence::ClickId((*id).into()),
            Evidence::RefId(ref_id) => pb::attribution_candidate::Evidence::RefId(ref_id.clone()),
            Evidence::Link(id) => pb::attribution_candidate::Evidence::LinkId((*id).into()),
            Evidence::Tid(tid) => pb::attribution_candidate::Evidence::Tid(tid.clone()),
        }),
        affiliate_id: id_or_empty(candidate.affiliate_id),
        enrollment_id: id_or_empty(candidate.enrollment_id),
        result: candidate.result.number(),
        sub_id: candidate.sub_id.clone(),
    }
}
