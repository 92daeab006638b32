//! The calls that create payouts and take them on.

use std::borrow::Cow;
use std::sync::Arc;

use super::render;
use crate::domain::payout::Payout;
use crate::domain::refusal::Field;
use crate::domain::rule::{ApprovePayouts, CancelPayout, ConfirmPayouts, CreatePayout, ReopenPayout};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::{Fields, KEY_LENGTH_MAX};
use crate::rpc::call::selector;

impl Change for pb::CreatePayoutRequest {
    type Rule = CreatePayout;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreatePayoutRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            note: canonical::trimmed(&self.note),
            message: canonical::trimmed(&self.message);
            as_sent: request_id, currency_code, reward_ids, minimum, provider,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreatePayout, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let currency = fields.currency("currency_code", &self.currency_code);
        let reward_ids =
            if self.reward_ids.is_empty() { Vec::new() } else { fields.ids("reward_ids", &self.reward_ids) };
        let minimum = fields.optional_money("minimum", self.minimum.as_ref());
        if let (Some(minimum), Some(currency)) = (minimum, currency)
            && minimum.currency != currency
        {
            fields.wrong("minimum.currency_code", "must be the payout's currency_code");
        }
        let provider = fields.optional_value("provider", self.provider);
        let note = fields.paragraph("note", &self.note);
        let message = fields.paragraph("message", &self.message);
        let (affiliate, currency) = fields.complete((affiliate, currency))?;
        Ok((CreatePayout { affiliate, currency, reward_ids, minimum, provider, note, message }, ()))
    }

    fn render(payout: Arc<Payout>, replayed: bool, (): (), _asking: &Asking) -> pb::CreatePayoutResponse {
        pb::CreatePayoutResponse { payout: Some(render(&payout)), replayed }
    }
}

/// The most payouts that one call approves. They are approved in one transaction, and others wait for it.
const APPROVED_MAX: usize = 200;

impl Change for pb::ApprovePayoutsRequest {
    type Rule = ApprovePayouts;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::PayoutId, "payout_ids"), (Field::Etag, "etags")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::ApprovePayoutsRequest, self; as_sent: request_id, payout_ids, etags)
    }

    fn read(&self, _asking: &Asking) -> Result<(ApprovePayouts, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let ids = fields.some_ids("payout_ids", &self.payout_ids, APPROVED_MAX);
        let etags = etags(&mut fields, &self.etags, self.payout_ids.len());
        fields.finish()?;
        Ok((ApprovePayouts { ids, etags }, ()))
    }

    fn render(payouts: Vec<Arc<Payout>>, replayed: bool, (): (), _asking: &Asking) -> pb::ApprovePayoutsResponse {
        pb::ApprovePayoutsResponse { payouts: payouts.iter().map(|payout| render(payout)).collect(), replayed }
    }
}

impl Change for pb::ConfirmPayoutsRequest {
    type Rule = ConfirmPayouts;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::PayoutId, "payout_ids"), (Field::Etag, "etags")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::ConfirmPayoutsRequest,
            self,
            reference: canonical::trimmed(&self.reference),
            paid_time: canonical::time(self.paid_time.as_ref());
            as_sent: request_id, payout_ids, etags,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(ConfirmPayouts, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let ids = fields.ids("payout_ids", &self.payout_ids);
        let etags = etags(&mut fields, &self.etags, self.payout_ids.len());
        let reference = fields.line("reference", &self.reference, KEY_LENGTH_MAX);
        let paid_at = super::paid_time(&mut fields, self.paid_time.as_ref(), asking);
        fields.finish()?;
        Ok((ConfirmPayouts { ids, etags, reference, paid_at }, ()))
    }

    fn render(payouts: Vec<Arc<Payout>>, replayed: bool, (): (), _asking: &Asking) -> pb::ConfirmPayoutsResponse {
        pb::ConfirmPayoutsResponse { payouts: payouts.iter().map(|payout| render(payout)).collect(), replayed }
    }
}

impl Change for pb::CancelPayoutRequest {
    type Rule = CancelPayout;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::PayoutIds, "payout_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::CancelPayoutRequest, self; as_sent: request_id, payout_id, etag)
    }

    fn read(&self, _asking: &Asking) -> Result<(CancelPayout, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("payout_id", &self.payout_id);
        let id = fields.complete(id)?;
        Ok((CancelPayout { id, etag: etag(&self.etag) }, ()))
    }

    fn render(payout: Arc<Payout>, replayed: bool, (): (), _asking: &Asking) -> pb::CancelPayoutResponse {
        pb::CancelPayoutResponse { payout: Some(render(&payout)), replayed }
    }
}

impl Change for pb::ReopenPayoutRequest {
    type Rule = ReopenPayout;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::PayoutIds, "payout_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::ReopenPayoutRequest,
            self,
            reason: canonical::trimmed(&self.reason);
            as_sent: request_id, payout_id, etag,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(ReopenPayout, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("payout_id", &self.payout_id);
        let reason = fields.paragraph("reason", &self.reason);
        if self.reason.trim().is_empty() {
            fields.wrong("reason", "is required; say why the payment is undone");
        }
        let id = fields.complete(id)?;
        Ok((ReopenPayout { id, etag: etag(&self.etag), reason }, ()))
    }

    fn render(payout: Arc<Payout>, replayed: bool, (): (), _asking: &Asking) -> pb::ReopenPayoutResponse {
        pb::ReopenPayoutResponse { payout: Some(render(&payout)), replayed }
    }
}

/// The etag that a payout must have.
fn etag(sent: &str) -> Option<String> {
    (!sent.is_empty()).then(|| sent.to_owned())
}

/// The etags that so many payouts must have.
fn etags(fields: &mut Fields, sent: &[String], payout_count: usize) -> Vec<String> {
    if !sent.is_empty() && sent.len() != payout_count {
        let length = sent.len();
        fields.wrong(
            "etags",
            format!("has {length} entries, and payout_ids has {payout_count}; send one for each, or none"),
        );
    }
    sent.to_vec()
}
