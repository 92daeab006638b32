//! Tax profiles on the wire. The number is sealed here, and only what is sealed goes on.

mod details;

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::{id_or_empty, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::postal_address;
use crate::domain::id::AffiliateId;
use crate::domain::refusal::Field;
use crate::domain::rule::{ConfirmTaxProfile, RefuseTaxProfile, RemoveTaxProfile, SetTaxProfile};
use crate::domain::tax_profile::{TaxProfile, TaxProfileState};
use crate::domain::time::Time;
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::secrets::tax_number;
use crate::store;

impl Change for pb::SetTaxProfileRequest {
    type Rule = SetTaxProfile;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::TaxNumber, "number")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::SetTaxProfileRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            legal_name: canonical::trimmed(&self.legal_name),
            address: canonical::inside(self.address.as_ref(), postal_address::canonical),
            residence_country_code: canonical::country_code(&self.residence_country_code),
            sign_date: canonical::trimmed(&self.sign_date),
            number: details::canonical_number(self.number.as_ref());
            as_sent: request_id, payee_kind, form,
        )
    }

    fn read(&self, asking: &Asking<'_>) -> Result<(SetTaxProfile, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let details = details::read(&mut fields, self, asking.now);
        let (affiliate, details) = fields.complete((affiliate, details))?;
        let seal = |(kind, number): (_, String)| tax_number::seal(asking.secrets, asking.account_id, kind, &number);
        let number = details.number.map(seal).transpose().map_err(|_| Error::SecretsKeyMissing)?;
        let rule = SetTaxProfile {
            affiliate,
            payee_kind: details.payee_kind,
            legal_name: details.legal_name,
            address: details.address,
            residence_country: details.residence_country,
            form: details.form,
            signed_on: details.signed_on,
            number,
        };
        Ok((rule, ()))
    }

    fn render(profile: Arc<TaxProfile>, replayed: bool, (): (), asking: &Asking<'_>) -> pb::SetTaxProfileResponse {
        pb::SetTaxProfileResponse { tax_profile: Some(render(&profile, asking.now)), replayed }
    }
}

impl Change for pb::ConfirmTaxProfileRequest {
    type Rule = ConfirmTaxProfile;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::ConfirmTaxProfileRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate);
            as_sent: request_id, etag,
        )
    }

    fn read(&self, _asking: &Asking<'_>) -> Result<(ConfirmTaxProfile, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let etag = fields.key("etag", &self.etag);
        Ok((ConfirmTaxProfile { affiliate: fields.complete(affiliate)?, etag }, ()))
    }

    fn render(profile: Arc<TaxProfile>, replayed: bool, (): (), asking: &Asking<'_>) -> pb::ConfirmTaxProfileResponse {
        pb::ConfirmTaxProfileResponse { tax_profile: Some(render(&profile, asking.now)), replayed }
    }
}

impl Change for pb::RefuseTaxProfileRequest {
    type Rule = RefuseTaxProfile;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RefuseTaxProfileRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            reason: canonical::trimmed(&self.reason);
            as_sent: request_id, etag,
        )
    }

    fn read(&self, _asking: &Asking<'_>) -> Result<(RefuseTaxProfile, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let etag = fields.key("etag", &self.etag);
        let reason = fields.required_line("reason", &self.reason, NAME_LENGTH_MAX);
        Ok((RefuseTaxProfile { affiliate: fields.complete(affiliate)?, etag, reason }, ()))
    }

    fn render(profile: Arc<TaxProfile>, replayed: bool, (): (), asking: &Asking<'_>) -> pb::RefuseTaxProfileResponse {
        pb::RefuseTaxProfileResponse { tax_profile: Some(render(&profile, asking.now)), replayed }
    }
}

impl Change for pb::RemoveTaxProfileRequest {
    type Rule = RemoveTaxProfile;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RemoveTaxProfileRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking<'_>) -> Result<(RemoveTaxProfile, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        Ok((RemoveTaxProfile { affiliate: fields.complete(affiliate)? }, ()))
    }

    fn render(profile: Arc<TaxProfile>, replayed: bool, (): (), asking: &Asking<'_>) -> pb::RemoveTaxProfileResponse {
        pb::RemoveTaxProfileResponse { tax_profile: Some(render(&profile, asking.now)), replayed }
    }
}

pub(super) async fn get(call: Call, message: pb::GetTaxProfileRequest) -> Result<pb::GetTaxProfileResponse, Error> {
    let mut fields = Fields::default();
    let affiliate = selector::affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let affiliate = fields.complete(affiliate)?;
    let affiliate_id = call.affiliate(&affiliate).await?.id;
    let profile = store::tax_profile::find(call.store(), call.account_id(), affiliate_id).await?;
    Ok(pb::GetTaxProfileResponse { tax_profile: Some(render_of(affiliate_id, profile.as_ref(), call.now())) })
}

pub(super) async fn list(
    call: Call,
    message: pb::ListTaxProfilesRequest,
) -> Result<pb::ListTaxProfilesResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let states = fields.values("states", &message.states);
    fields.finish()?;
    let filter = pb::ListTaxProfilesRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = match states.as_slice() {
        [] => call.page(&filter, shape, &message.page_token).await?,
        _ => call.page_of_scan(&filter, shape, &message.page_token).await?,
    };
    let (rows, ended_at) =
        store::tax_profile::list(call.store(), call.account_id(), &states, call.now(), page.walk()).await?;
    call.works_on(rows.len()).await;
    let render = |(id, profile): (AffiliateId, Option<TaxProfile>)| render_of(id, profile.as_ref(), call.now());
    let (tax_profiles, next_page_token) = page.fill_until(rows, ended_at, |(id, _)| id.uuid(), render);
    Ok(pb::ListTaxProfilesResponse { tax_profiles, next_page_token })
}

/// The profile of an affiliate, which may have none.
fn render_of(affiliate_id: AffiliateId, profile: Option<&TaxProfile>, now: Time) -> pb::TaxProfile {
    let missing = || pb::TaxProfile {
        affiliate_id: affiliate_id.to_string(),
        state: TaxProfileState::Missing.number(),
        ..Default::default()
    };
    profile.map_or_else(missing, |profile| render(profile, now))
}

/// A profile as stored in the feed, without personal data and without what a person wrote.
pub(super) fn image(profile: &TaxProfile) -> pb::TaxProfile {
    pb::TaxProfile {
        legal_name: String::new(),
        address: None,
        number_hint: String::new(),
        refusal_reason: String::new(),
        ..render(profile, profile.updated_at)
    }
}

fn render(profile: &TaxProfile, now: Time) -> pb::TaxProfile {
    let base = pb::TaxProfile {
        affiliate_id: profile.affiliate_id.to_string(),
        state: profile.state_at(now).number(),
        create_time: Some(timestamp(profile.created_at)),
        update_time: Some(timestamp(profile.updated_at)),
        etag: profile.etag(),
        ..Default::default()
    };
    let Some(details) = &profile.details else { return base };
    pb::TaxProfile {
        payee_kind: details.payee_kind.number(),
        legal_name: details.legal_name.clone(),
        address: Some(postal_address::render(&details.address)),
        residence_country_code: details.residence_country.clone(),
        form: details.form.number(),
        sign_date: details.signed_on.map(|day| day.to_string()).unwrap_or_default(),
        expire_time: details.expires_at().map(timestamp),
        number_kind: details.number.as_ref().map_or(0, |number| number.kind.number()),
        number_hint: details.number.as_ref().map(|number| number.hint.clone()).unwrap_or_default(),
        refusal_reason: details.review.refusal_reason.clone(),
        reviewer_key_id: id_or_empty(details.review.reviewed_by),
        review_time: details.review.reviewed_at.map(timestamp),
        ..base
    }
}
