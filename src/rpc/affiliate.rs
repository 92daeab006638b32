//! Affiliates on the wire.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::timestamp;
use super::call::{Call, page, selector};
use super::{coupon, enrollment};
use crate::clock;
use crate::domain::affiliate::{Affiliate, AffiliateOutcome, PostalAddress, Profile};
use crate::domain::rule::CreateAffiliate;
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::enrollment::EnrollmentQuery;
use crate::store::list::Walk;

/// The number of characters in an affiliate's own token: 256 bits.
const TOKEN_LENGTH: usize = 43;

/// The maximum number of enrollments shown with an affiliate: more than anybody has programs.
const ENROLLMENTS_MAX: u64 = 1_000;

/// The maximum number of social networks in a profile.
const SOCIAL_PROFILES_MAX: usize = 20;
const NETWORK_LENGTH_MAX: usize = 40;

impl Change for pb::CreateAffiliateRequest {
    type Rule = CreateAffiliate;
    type Kept = String;

    const PATHS: FieldPaths = enrollment::NEW_PATHS;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreateAffiliateRequest,
            self,
            email: canonical::email(&self.email),
            first_name: canonical::trimmed(&self.first_name),
            last_name: canonical::trimmed(&self.last_name),
            profile: canonical::inside(self.profile.as_ref(), canonical_profile),
            ref_id: canonical::code(&self.ref_id),
            coupon_code: canonical::coupon_code(&self.coupon_code),
            landing_url: canonical::url(&self.landing_url);
            as_sent: request_id, external_id, program_id, commission_override,
        )
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
            // A repeated call generates another token, which is not stored.
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
        &message.coupon_code,
        &message.landing_url,
        message.commission_override.as_ref(),
    );
    let email = fields.complete(email)?;
    enrollment.ref_id_stem = enrollment::ref_id_stem(&first_name, &email);
    let profile = profile.unwrap_or_default();
    Ok(CreateAffiliate { external_id, email, first_name, last_name, profile, token_hash, enrollment })
}

fn profile(fields: &mut Fields, sent: &pb::AffiliateProfile) -> Profile {
    let address = sent.address.as_ref();
    Profile {
        company: fields.line("company", &sent.company, NAME_LENGTH_MAX),
        address: address
            .map(|sent| fields.within("address", |fields| postal_address(fields, sent)))
            .unwrap_or_default(),
        phone: fields.line("phone", &sent.phone, NAME_LENGTH_MAX),
        website_url: fields.optional_url("website_url", &sent.website_url),
        avatar_url: fields.optional_url("avatar_url", &sent.avatar_url),
        about: fields.paragraph("about", &sent.about),
        social_profiles: social_profiles(fields, &sent.social_profiles),
    }
}

fn canonical_profile(sent: &pb::AffiliateProfile) -> Cow<'_, pb::AffiliateProfile> {
    canonical!(
        pb::AffiliateProfile,
        sent,
        company: canonical::trimmed(&sent.company),
        address: canonical::inside(sent.address.as_ref(), canonical_address),
        phone: canonical::trimmed(&sent.phone),
        website_url: canonical::url(&sent.website_url),
        avatar_url: canonical::url(&sent.avatar_url),
        about: canonical::trimmed(&sent.about),
        social_profiles: canonical::trimmed_values(&sent.social_profiles);
        as_sent:
    )
}

fn canonical_address(sent: &pb::PostalAddress) -> Cow<'_, pb::PostalAddress> {
    let country_code = sent.country_code.trim().to_ascii_uppercase();
    canonical!(
        pb::PostalAddress,
        sent,
        street: canonical::trimmed(&sent.street),
        city: canonical::trimmed(&sent.city),
        region: canonical::trimmed(&sent.region),
        postal_code: canonical::trimmed(&sent.postal_code),
        country_code: (country_code != sent.country_code).then_some(country_code);
        as_sent:
    )
}

fn postal_address(fields: &mut Fields, sent: &pb::PostalAddress) -> PostalAddress {
    let mut line = |field: &str, text: &str| fields.line(field, text, NAME_LENGTH_MAX);
    PostalAddress {
        street: line("street", &sent.street),
        city: line("city", &sent.city),
        region: line("region", &sent.region),
        postal_code: line("postal_code", &sent.postal_code),
        country_code: country_code(fields, &sent.country_code),
    }
}

/// Reads pages or user names in social networks. Entries without text are left out.
fn social_profiles(fields: &mut Fields, sent: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    if sent.len() > SOCIAL_PROFILES_MAX {
        fields.wrong("social_profiles", format!("has {} entries; at most {SOCIAL_PROFILES_MAX} are taken", sent.len()));
    }
    let sorted: BTreeMap<&String, &String> = sent.iter().take(SOCIAL_PROFILES_MAX).collect();
    let mut profiles = BTreeMap::new();
    for (network, text) in sorted {
        let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if !(1..=NETWORK_LENGTH_MAX).contains(&network.len()) || !network.bytes().all(is_fit) {
            let name: String =
                network.chars().filter(|character| !character.is_control()).take(NETWORK_LENGTH_MAX).collect();
            let fault = format!(
                "has the network `{name}`; name it by 1 to {NETWORK_LENGTH_MAX} small letters, digits, `-` or `_`"
            );
            fields.wrong("social_profiles", fault);
            continue;
        }
        let text = fields.line(&format!("social_profiles[{network}]"), text, NAME_LENGTH_MAX);
        if !text.is_empty() {
            profiles.insert(network.clone(), text);
        }
    }
    profiles
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
    let enrollments =
        store::enrollment::list(call.store(), call.account_id(), &query, Walk::first(ENROLLMENTS_MAX)).await?;
    let enrollments = page::up_to_bytes_max(enrollment::render_all(&call, &enrollments).await?);
    Ok(pb::GetAffiliateResponse { affiliate: Some(render(&affiliate)), enrollments })
}

pub(super) async fn list(call: Call, message: pb::ListAffiliatesRequest) -> Result<pb::ListAffiliatesResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let program_id = fields.optional_id("program_id", &message.program_id);
    fields.finish()?;
    let filter = pb::ListAffiliatesRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let affiliates = store::affiliate::list(call.store(), call.account_id(), program_id, page.walk()).await?;
    call.works_on(affiliates.len()).await;
    let (affiliates, next_page_token) = page.fill(affiliates, |row| row.id.uuid(), |row| render(&row));
    Ok(pb::ListAffiliatesResponse { affiliates, next_page_token })
}

fn render_address(address: &PostalAddress) -> pb::PostalAddress {
    pb::PostalAddress {
        street: address.street.clone(),
        city: address.city.clone(),
        region: address.region.clone(),
        postal_code: address.postal_code.clone(),
        country_code: address.country_code.clone(),
    }
}

/// The affiliate as stored in the feed, without personal data.
pub(super) fn image(affiliate: &Affiliate) -> pb::Affiliate {
    pb::Affiliate {
        id: affiliate.id.to_string(),
        create_time: Some(timestamp(affiliate.created_at)),
        update_time: Some(timestamp(affiliate.updated_at)),
        ..pb::Affiliate::default()
    }
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
            address: (profile.address != PostalAddress::default()).then(|| render_address(&profile.address)),
            phone: profile.phone.clone(),
            website_url: profile.website_url.clone(),
            avatar_url: profile.avatar_url.clone(),
            about: profile.about.clone(),
            social_profiles: profile.social_profiles.clone().into_iter().collect(),
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
                address: Some(pb::PostalAddress { country_code: "USA".to_owned(), ..Default::default() }),
                website_url: "example.com".to_owned(),
                social_profiles: [("My Space".to_owned(), "jo".to_owned()), ("x".to_owned(), "j".repeat(201))].into(),
                avatar_url: "https://jo:secret@example.com/a.png".to_owned(),
                ..Default::default()
            }),
            program_id: "prg_1".to_owned(),
            ref_id: "a".to_owned(),
            coupon_code: "SAVE\u{7}10".to_owned(),
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
                "profile.address.country_code",
                "profile.website_url",
                "profile.avatar_url",
                "profile.social_profiles",
                "profile.social_profiles[x]",
                "program_id",
                "ref_id",
                "coupon_code",
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
            coupon_code: "save10".to_owned(),
            ..Default::default()
        };
        let command = read_create(&message, [0; 32]).unwrap();
        assert_eq!((command.email.as_str(), command.first_name.as_str()), ("jo.doe@example.com", "Jo"));
        assert_eq!(command.enrollment.ref_id.as_deref(), Some("jo-1"));
        assert_eq!(command.enrollment.coupon_code.as_deref(), Some("SAVE10"));
    }
}
