//! Billing profiles on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::Call;
use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::timestamp;
use super::postal_address;
use crate::domain::billing_profile::BillingProfile;
use crate::domain::rule::SetBillingProfile;
use crate::domain::tax_number::vat_id;
use crate::error::Error;
use crate::pb;
use crate::store;

/// The longest tax number.
const TAX_NUMBER_LENGTH_MAX: usize = 40;

/// The longest beginning of the numbers of invoices.
const PREFIX_LENGTH_MAX: usize = 20;

impl Change for pb::SetBillingProfileRequest {
    type Rule = SetBillingProfile;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::SetBillingProfileRequest,
            self,
            billing_profile: canonical::inside(self.billing_profile.as_ref(), canonical_profile);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking<'_>) -> Result<(SetBillingProfile, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let sent = fields.required("billing_profile", self.billing_profile.as_ref());
        let rule = sent.and_then(|sent| fields.within("billing_profile", |fields| read(fields, sent)));
        Ok((fields.complete(rule)?, ()))
    }

    fn render(
        profile: Arc<BillingProfile>,
        replayed: bool,
        (): (),
        _asking: &Asking<'_>,
    ) -> pb::SetBillingProfileResponse {
        pb::SetBillingProfileResponse { billing_profile: Some(render(&profile)), replayed }
    }
}

fn read(fields: &mut Fields, sent: &pb::BillingProfile) -> Option<SetBillingProfile> {
    let legal_name = fields.required_line("legal_name", &sent.legal_name, NAME_LENGTH_MAX);
    let address = postal_address::read_required(fields, "address", sent.address.as_ref());
    let vat_id = match sent.vat_id.trim() {
        "" => String::new(),
        text => vat_id(text).map_err(|problem| fields.wrong("vat_id", problem)).unwrap_or_default(),
    };
    let tax_number = fields.line("tax_number", &sent.tax_number, TAX_NUMBER_LENGTH_MAX);
    let invoice_prefix = fields.line("invoice_prefix", &sent.invoice_prefix, PREFIX_LENGTH_MAX);
    if !invoice_prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        fields.wrong("invoice_prefix", "must have letters, digits and hyphens only");
    }
    let payment_terms = fields.paragraph("payment_terms", &sent.payment_terms);
    Some(SetBillingProfile { legal_name, address: address?, vat_id, tax_number, invoice_prefix, payment_terms })
}

fn canonical_profile(sent: &pb::BillingProfile) -> Cow<'_, pb::BillingProfile> {
    let id = vat_id(&sent.vat_id).unwrap_or_else(|_| sent.vat_id.trim().to_owned());
    canonical!(
        pb::BillingProfile,
        sent,
        legal_name: canonical::trimmed(&sent.legal_name),
        address: canonical::inside(sent.address.as_ref(), postal_address::canonical),
        vat_id: (id != sent.vat_id).then_some(id),
        tax_number: canonical::trimmed(&sent.tax_number),
        invoice_prefix: canonical::trimmed(&sent.invoice_prefix),
        payment_terms: canonical::trimmed(&sent.payment_terms),
        create_time: canonical::unread(&sent.create_time),
        update_time: canonical::unread(&sent.update_time);
        as_sent:
    )
}

pub(super) async fn get(call: Call, _: pb::GetBillingProfileRequest) -> Result<pb::GetBillingProfileResponse, Error> {
    let profile = store::billing_profile::find(call.store(), call.account_id()).await?;
    Ok(pb::GetBillingProfileResponse { billing_profile: profile.as_ref().map(render) })
}

/// A profile as stored in the feed, without what may be a person's data and what a person wrote.
pub(super) fn image(profile: &BillingProfile) -> pb::BillingProfile {
    pb::BillingProfile {
        legal_name: String::new(),
        address: None,
        vat_id: String::new(),
        tax_number: String::new(),
        payment_terms: String::new(),
        ..render(profile)
    }
}

fn render(profile: &BillingProfile) -> pb::BillingProfile {
    pb::BillingProfile {
        legal_name: profile.legal_name.clone(),
        address: Some(postal_address::render(&profile.address)),
        vat_id: profile.vat_id.clone(),
        tax_number: profile.tax_number.clone(),
        invoice_prefix: profile.invoice_prefix.clone(),
        payment_terms: profile.payment_terms.clone(),
        create_time: Some(timestamp(profile.created_at)),
        update_time: Some(timestamp(profile.updated_at)),
    }
}
