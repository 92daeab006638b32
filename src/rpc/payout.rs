//! Payouts on the wire.

mod change;
pub(super) mod owed;
mod results;
mod sending;

pub(super) use results::import;

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, KEY_LENGTH_MAX};
use super::call::render::{id_or_empty, money, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use crate::domain::payout::{Payout, PayoutProblem, Reopening};
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::rule::MarkPaid;
use crate::domain::time::Time;
use crate::error::Error;
use crate::pb;
use crate::store;
use crate::store::payout::PayoutQuery;

impl Change for pb::MarkPaidRequest {
    type Rule = MarkPaid;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::MarkPaidRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            reference: canonical::trimmed(&self.reference),
            note: canonical::trimmed(&self.note),
            message: canonical::trimmed(&self.message),
            paid_time: canonical::time(self.paid_time.as_ref());
            as_sent: request_id, reward_ids, amount,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(MarkPaid, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let reward_ids = fields.ids("reward_ids", &self.reward_ids);
        let amount = fields.optional_money("amount", self.amount.as_ref());
        let reference = fields.line("reference", &self.reference, KEY_LENGTH_MAX);
        let note = fields.paragraph("note", &self.note);
        let message = fields.paragraph("message", &self.message);
        let paid_at = paid_time(&mut fields, self.paid_time.as_ref(), asking);
        let affiliate = fields.complete(affiliate)?;
        Ok((MarkPaid { affiliate, reward_ids, amount, reference, note, message, paid_at }, ()))
    }

    fn render(payout: Arc<Payout>, replayed: bool, (): (), _asking: &Asking) -> pb::MarkPaidResponse {
        pb::MarkPaidResponse { payout: Some(render(&payout)), replayed }
    }
}

pub(super) async fn get(call: Call, message: pb::GetPayoutRequest) -> Result<pb::GetPayoutResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("payout_id", &message.payout_id);
    let id = fields.complete(id)?;
    let found = store::payout::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::Payout, id))?;
    Ok(pb::GetPayoutResponse { payout: Some(render(&found)) })
}

pub(super) async fn list(call: Call, message: pb::ListPayoutsRequest) -> Result<pb::ListPayoutsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let states = fields.values("states", &message.states);
    let run_id = fields.optional_id("payout_run_id", &message.payout_run_id);
    let currencies = fields.currencies("currencies", &message.currencies);
    let paid = fields.interval("paid_interval", message.paid_interval.as_ref());
    fields.finish()?;
    let filter =
        pb::ListPayoutsRequest { page_size: 0, page_token: String::new(), with_total_count: false, ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    if let Some(id) = run_id {
        let run = store::payout_run::find(call.store(), call.account_id(), id).await?;
        run.ok_or_else(|| Refusal::not_found(Resource::PayoutRun, id))?;
    }
    let query = PayoutQuery { affiliate_id, run_id, provider: None, states, currencies, paid };
    let payouts = store::payout::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.works_on(payouts.len()).await;
    let (payouts, next_page_token) = page.fill(payouts, |payout| payout.id.uuid(), |payout| render(&payout));
    let total_count = if message.with_total_count {
        Some(store::payout::count(call.store(), call.account_id(), &query).await?)
    } else {
        None
    };
    Ok(pb::ListPayoutsResponse { payouts, next_page_token, total_count })
}

/// When an affiliate got money. Not in the future.
fn paid_time(fields: &mut Fields, sent: Option<&prost_types::Timestamp>, asking: &Asking) -> Option<Time> {
    let paid_at = fields.time("paid_time", sent);
    if paid_at.is_some_and(|time| time > asking.now) {
        fields.wrong("paid_time", "is in the future; leave it out for now");
    }
    paid_at
}

/// A payout as stored in the feed, without the texts that a person wrote.
pub(super) fn image(payout: &Payout) -> pb::Payout {
    let mut image = pb::Payout {
        reference: String::new(),
        note: String::new(),
        message: String::new(),
        destination_hint: String::new(),
        ..render(payout)
    };
    for reopening in &mut image.reopenings {
        reopening.reason.clear();
        reopening.reference.clear();
    }
    image
}

fn render_problem(problem: &PayoutProblem) -> pb::PayoutProblem {
    pb::PayoutProblem {
        code: problem.kind.as_str().to_owned(),
        who_must_act: problem.kind.who_must_act().number(),
        text: problem.kind.describe().to_owned(),
        provider_code: problem.code.clone(),
        provider_debug_id: problem.debug_id.clone(),
    }
}

fn render(payout: &Payout) -> pb::Payout {
    let sending = payout.sending.as_deref();
    pb::Payout {
        attempt_count: sending.map_or(0, |sending| sending.attempt_count.into()),
        provider_payment_id: sending.map(|sending| sending.provider_payment_id.clone()).unwrap_or_default(),
        fee: sending.and_then(|sending| sending.fee).map(money),
        problem: sending.and_then(|sending| sending.problem.as_ref()).map(render_problem),
        wait_start_time: sending.and_then(|sending| sending.awaiting_since).map(timestamp),
        needed: sending.and_then(|sending| sending.needed).map(money),
        available: sending.and_then(|sending| sending.available).map(money),
        returned_amount: sending.and_then(|sending| sending.returned).map(money),
        cancel_request_time: sending.and_then(|sending| sending.cancel_requested_at).map(timestamp),
        id: payout.id.to_string(),
        affiliate_id: payout.affiliate_id.to_string(),
        amount: Some(money(payout.amount)),
        provider: payout.provider.number(),
        state: payout.state.number(),
        reward_count: payout.reward_count.into(),
        reference: payout.reference.clone(),
        note: payout.note.clone(),
        message: payout.message.clone(),
        paid_time: payout.paid_at.map(timestamp),
        payout_run_id: id_or_empty(payout.run_id),
        destination_kind: payout.destination.as_ref().map_or(0, |destination| destination.kind.number()),
        destination_hint: payout.destination.as_ref().map(|destination| destination.hint.clone()).unwrap_or_default(),
        test_account: payout.is_test,
        creator_key_id: id_or_empty(payout.created_by),
        approver_key_id: id_or_empty(payout.approved_by),
        approve_time: payout.approved_at.map(timestamp),
        cancel_time: payout.cancelled_at.map(timestamp),
        reopenings: payout.reopenings.iter().map(render_reopening).collect(),
        etag: payout.etag(),
        payout_export_id: id_or_empty(payout.export_id),
        payout_document_id: id_or_empty(payout.document_id),
        payout_document_number: payout.document_number.clone(),
        create_time: Some(timestamp(payout.created_at)),
        update_time: Some(timestamp(payout.updated_at)),
    }
}

fn render_reopening(reopening: &Reopening) -> pb::PayoutReopening {
    pb::PayoutReopening {
        reopen_time: Some(timestamp(reopening.reopened_at)),
        reopener_key_id: id_or_empty(reopening.reopened_by),
        reason: reopening.reason.clone(),
        paid_time: reopening.paid_at.map(timestamp),
        reference: reopening.reference.clone(),
    }
}
