//! Affiliates on the wire.

use std::sync::Arc;

use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::timestamp;
use super::call::{Call, page, selector};
use super::{coupon, enrollment};
use crate::clock;
use crate::domain::affiliate::{Affiliate, AffiliateOutcome, Profile};
use crate::domain::rule::CreateAffiliate;
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::enrollment::EnrollmentQuery;

/// Characters of an affiliate's own token: 256 bits.
const TOKEN_LENGTH: usize = 43;

/// How many enrollments an affiliate is shown with: more than anybody has programs.
const ENROLLMENTS_MAX: u64 = 1_000;

impl Change for pb::CreateAffiliateRequest {
    type Rule = CreateAffiliate;
    type Kept = String;

    const PATHS: FieldPaths = enrollment::NEW_PATHS;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateAffiliate, String), Error> {
        let token = clock::random_base62(TOKEN_LENGTH);
        Ok((read_create(self, selector::token_hash(&token))?, token))
    }

    fn render(
        answer: Arc<AffiliateOutcome>,
        replayed: bool,
        token: String,
        _asking: &Asking,
    ) -> pb::CreateAffiliateResponse {
        pb::CreateAffiliateResponse {
            affiliate: Some(render(&answer.affiliate)),
            enrollment: Some(enrollment::render(&answer.enrollment.enrollment, &answer.enrollment.landing_url)),
            coupon: answer.coupon.as_deref().map(coupon::render),
            // A repeated call generated another token, which was not stored.
            auth_token: if replayed { String::new() } else { token },
            replayed,
        }
    }
}

fn read_create(message: &pb::CreateAffiliateRequest, token_hash: [u8; 32]) -> Result<CreateAffiliate, Error> {
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let email = fields.email("email", &message.email);
    let external_id = fields.key("external_id", &message.external_id);
    let first_name = fields.line("first_name", &message.first_name, NAME_LENGTH_MAX);
    let last_name = fields.line("last_name", &message.last_name, NAME_LENGTH_MAX);
    let profile = message.profile.as_ref().map(|sent| fields.within("profile", |fields| profile(fields, sent)));
    let mut enrollment = enrollment::read_new(
        &mut fields,
        &message.program_id,
        &message.ref_id,
        &message.promo_code,
        &message.landing_url,
        message.commission_override.as_ref(),
    );
    let email = fields.complete(email)?;
    enrollment.ref_id_stem = enrollment::ref_id_stem(&first_name, &email);
    let profile = profile.unwrap_or_default();
    Ok(CreateAffiliate { external_id, email, first_name, last_name, profile, token_hash, enrollment })
}

fn profile(fields: &mut Fields, sent: &pb::AffiliateProfile) -> Profile {
    let mut line = |field: &str, text: &str| fields.line(field, text, NAME_LENGTH_MAX);
    Profile {
        company: line("company", &sent.company),
        address: line("address", &sent.address),
        city: line("city", &sent.city),
        state: line("state", &sent.state),
        zipcode: line("zipcode", &sent.zipcode),
        phone: line("phone", &sent.phone),
        facebook: line("facebook", &sent.facebook),
        youtube: line("youtube", &sent.youtube),
        instagram: line("instagram", &sent.instagram),
        twitter: line("twitter", &sent.twitter),
        country_code: country_code(fields, &sent.country_code),
        website: fields.optional_url("website", &sent.website),
        avatar_url: fields.optional_url("avatar_url", &sent.avatar_url),
        description: fields.paragraph("description", &sent.description),
    }
}

fn country_code(fields: &mut Fields, text: &str) -> String {
    let code = text.trim().to_ascii_uppercase();
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if !code.is_empty() && !is_code {
        fields.wrong("country_code", "must be an ISO 3166-1 code of two letters, such as US");
    }
    code
}

pub(super) async fn get(call: Call, message: pb::GetAffiliateRequest) -> Result<pb::GetAffiliateResponse, Error> {
    let mut fields = Fields::default();
    let wanted = selector::affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let wanted = fields.complete(wanted)?;
    let affiliate = call.affiliate(&wanted).await?;
    let query = EnrollmentQuery { affiliate_id: Some(affiliate.id), ..EnrollmentQuery::default() };
    let enrollments = store::enrollment::list(call.store(), call.account_id(), &query, None, ENROLLMENTS_MAX).await?;
    let enrollments = enrollment::render_all(&call, &enrollments).await?;
    Ok(pb::GetAffiliateResponse { affiliate: Some(render(&affiliate)), enrollments })
}

pub(super) async fn list(call: Call, message: pb::ListAffiliatesRequest) -> Result<pb::ListAffiliatesResponse, Error> {
    let mut fields = Fields::default();
    let size = page::size(&mut fields, message.page_size);
    let program_id = fields.optional_id("program_id", &message.program_id);
    fields.finish()?;
    let filter = pb::ListAffiliatesRequest { program_id: message.program_id, ..Default::default() };
    let page = call.page(&filter, size, &message.page_token)?;
    let mut affiliates =
        store::affiliate::list(call.store(), call.account_id(), program_id, page.after, page.limit()).await?;
    let next_page_token = page.cut(&mut affiliates, |affiliate| affiliate.id.uuid());
    Ok(pb::ListAffiliatesResponse { affiliates: affiliates.iter().map(render).collect(), next_page_token })
}

/// An affiliate as a message.
pub(super) fn render(affiliate: &Affiliate) -> pb::Affiliate {
    let profile = &affiliate.profile;
    pb::Affiliate {
        id: affiliate.id.to_string(),
        external_id: affiliate.external_id.clone().unwrap_or_default(),
        email: affiliate.email.clone(),
        first_name: affiliate.first_name.clone(),
        last_name: affiliate.last_name.clone(),
        profile: Some(pb::AffiliateProfile {
            company: profile.company.clone(),
            address: profile.address.clone(),
            city: profile.city.clone(),
            state: profile.state.clone(),
            zipcode: profile.zipcode.clone(),
            country_code: profile.country_code.clone(),
            phone: profile.phone.clone(),
            website: profile.website.clone(),
            avatar_url: profile.avatar_url.clone(),
            description: profile.description.clone(),
            facebook: profile.facebook.clone(),
            youtube: profile.youtube.clone(),
            instagram: profile.instagram.clone(),
            twitter: profile.twitter.clone(),
        }),
        create_time: Some(timestamp(affiliate.created_at)),
        update_time: Some(timestamp(affiliate.updated_at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_told_at_once() {
        let message = pb::CreateAffiliateRequest {
            request_id: "x".repeat(129),
            email: "jo@home@example.com".to_owned(),
            first_name: "J".repeat(201),
            profile: Some(pb::AffiliateProfile {
                country_code: "USA".to_owned(),
                website: "example.com".to_owned(),
                avatar_url: "https://jo:secret@example.com/a.png".to_owned(),
                ..Default::default()
            }),
            program_id: "prg_1".to_owned(),
            ref_id: "a".to_owned(),
            promo_code: "SAVE 10".to_owned(),
            landing_url: "javascript:alert(1)".to_owned(),
            commission_override: Some(pb::Commission::default()),
            ..Default::default()
        };
        let Err(Error::InvalidFields(violations)) = read_create(&message, [0; 32]) else { panic!("was taken") };
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "request_id",
                "email",
                "first_name",
                "profile.country_code",
                "profile.website",
                "profile.avatar_url",
                "program_id",
                "ref_id",
                "promo_code",
                "landing_url",
                "commission_override",
            ]
        );
    }

    #[test]
    fn names_are_brought_into_one_spelling() {
        let message = pb::CreateAffiliateRequest {
            email: " Jo.Doe@Example.COM ".to_owned(),
            first_name: "  Jo ".to_owned(),
            ref_id: "Jo-1".to_owned(),
            promo_code: "save10".to_owned(),
            ..Default::default()
        };
        let command = read_create(&message, [0; 32]).unwrap();
        assert_eq!((command.email.as_str(), command.first_name.as_str()), ("jo.doe@example.com", "Jo"));
        assert_eq!(command.enrollment.ref_id.as_deref(), Some("jo-1"));
        assert_eq!(command.enrollment.promo_code.as_deref(), Some("SAVE10"));
    }
}
