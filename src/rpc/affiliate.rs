//! Affiliates on the wire.

mod batch;
mod change;
mod erase;
mod password;
mod profile;
mod upline;

use std::borrow::Cow;
use std::sync::Arc;

pub(super) use batch::change_many;
pub(super) use change::{deactivate, update};
pub(super) use erase::erase;
pub(super) use password::check as check_password;
pub(super) use profile::{CUSTOM_FIELDS_MAX, CUSTOM_KEY_LENGTH_MAX, is_name};

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::{id_or_empty, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::{coupon, enrollment, ledger};
use crate::clock;
use crate::domain::affiliate::{Affiliate, AffiliateOutcome, AffiliateSelector, AffiliateState, PastUpline, Profile};
use crate::domain::coupon::CouponState;
use crate::domain::id::AffiliateId;
use crate::domain::refusal::Refusal;
use crate::domain::rule::CreateAffiliate;
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::affiliate::{AffiliateQuery, StateCount};
use crate::store::coupon::CouponQuery;
use crate::store::enrollment::EnrollmentQuery;
use crate::store::list::Walk;

/// The number of characters in an affiliate's own token: 256 bits.
const TOKEN_LENGTH: usize = 43;

/// The maximum number of enrollments shown with an affiliate: more than anybody has programs.
const ENROLLMENTS_MAX: u64 = 1_000;

/// The maximum number of coupons shown with an affiliate.
const COUPONS_MAX: u64 = 1_000;

/// The maximum size of these coupons, so that the answer stays below 4 MiB.
const COUPON_BYTES_MAX: usize = 512 << 10;

/// The states that an affiliate may begin in. A rejection needs a reason, so it is a call of its own.
const STATES_AT_FIRST: &[AffiliateState] = &[AffiliateState::Active, AffiliateState::Applied, AffiliateState::Inactive];

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
            profile: canonical::inside(self.profile.as_ref(), profile::canonical),
            ref_id: canonical::code(&self.ref_id),
            coupon_code: canonical::coupon_code(&self.coupon_code),
            landing_url: canonical::url(&self.landing_url),
            state: canonical::default_number(self.state, AffiliateState::Active.number()),
            acceptance: canonical::inside(self.acceptance.as_ref(), enrollment::canonical_acceptance),
            upline: canonical::inside(self.upline.as_ref(), selector::canonical_affiliate),
            metadata: canonical::trimmed_values(&self.metadata),
            invitation_code: canonical::coupon_code(&self.invitation_code),
            password: canonical::secret(&self.password),
            temporary_password: canonical::secret(&self.temporary_password);
            as_sent: request_id, external_id, program_id, commission_override, email_verified, group_id, skip_email_notification,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateAffiliate, String), Error> {
        let (token, token_hash) = new_token();
        Ok((read_create(self, token_hash)?, token))
    }

    fn render(
        answer: Arc<AffiliateOutcome>,
        replayed: bool,
        token: String,
        _asking: &Asking,
    ) -> pb::CreateAffiliateResponse {
        pb::CreateAffiliateResponse {
            affiliate: Some(render(&answer.affiliate)),
            enrollment: Some(enrollment::render(&answer.enrollment)),
            coupon: answer.coupon.as_deref().map(coupon::render),
            // A repeated call generates another token, which is not stored.
            auth_token: if replayed { String::new() } else { token },
            replayed,
        }
    }
}

/// Creates an affiliate, with the hash of its password.
pub(super) async fn create(
    call: Call,
    message: pb::CreateAffiliateRequest,
) -> Result<pb::CreateAffiliateResponse, Error> {
    let asking = call.asking();
    let (mut rule, token) = message.read(&asking)?;
    rule.password = password::hashed(&call, &message.password, &message.temporary_password).await?;
    let (answer, replayed) = call.carry_out(&message, rule).await?;
    Ok(pb::CreateAffiliateRequest::render(answer, replayed, token, &asking))
}

/// A new token of an affiliate, and its hash.
fn new_token() -> (String, [u8; 32]) {
    let token = clock::random_base62(TOKEN_LENGTH);
    let hash = selector::token_hash(&token);
    (token, hash)
}

fn read_create(message: &pb::CreateAffiliateRequest, token_hash: [u8; 32]) -> Result<CreateAffiliate, Error> {
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let email = fields.email("email", &message.email);
    let external_id = fields.key("external_id", &message.external_id);
    let first_name = fields.line("first_name", &message.first_name, NAME_LENGTH_MAX);
    let last_name = fields.line("last_name", &message.last_name, NAME_LENGTH_MAX);
    let profile = message.profile.as_ref().map(|sent| fields.within("profile", |fields| profile::read(fields, sent)));
    let metadata = fields.metadata("metadata", &message.metadata);
    let mut enrollment = enrollment::read_new(
        &mut fields,
        &message.program_id,
        &message.ref_id,
        &message.coupon_code,
        &message.landing_url,
        message.commission_override.as_ref(),
        message.acceptance.as_ref(),
    );
    enrollment.invitation_code = fields.wanted_coupon_code("invitation_code", &message.invitation_code);
    let state = fields.optional_value_of("state", message.state, STATES_AT_FIRST).unwrap_or(AffiliateState::Active);
    let upline = selector::optional_affiliate(&mut fields, "upline", message.upline.as_ref());
    let group_id = fields.optional_id("group_id", &message.group_id);
    password::check_new(&mut fields, &message.password, &message.temporary_password);
    let email = fields.complete(email)?;
    enrollment.ref_id_stem = enrollment::ref_id_stem(&first_name, &email);
    let profile = Profile { metadata, ..profile.unwrap_or_default() };
    let email_verified = message.email_verified;
    Ok(CreateAffiliate {
        external_id,
        email,
        first_name,
        last_name,
        profile,
        token_hash,
        // It takes time to hash one, see `create`.
        password: None,
        state,
        email_verified,
        upline,
        group_id,
        skip_welcome: message.skip_email_notification,
        enrollment,
    })
}

pub(super) async fn get(call: Call, message: pb::GetAffiliateRequest) -> Result<pb::GetAffiliateResponse, Error> {
    let mut fields = Fields::default();
    let wanted = selector::affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let wanted = fields.complete(wanted)?;
    let affiliate = call.affiliate(&wanted).await?;
    let query = EnrollmentQuery { affiliate_id: Some(affiliate.id), ..EnrollmentQuery::default() };
    let enrollments =
        store::enrollment::list(call.store(), call.account_id(), &query, Walk::first(ENROLLMENTS_MAX)).await?;
    let enrollments = page::up_to_bytes_max(enrollment::render_all(&call, enrollments.rows).await?);
    let query =
        CouponQuery { affiliate_id: Some(affiliate.id), states: vec![CouponState::Active], ..CouponQuery::default() };
    let coupons = store::coupon::list(call.store(), call.account_id(), &query, Walk::first(COUPONS_MAX)).await?;
    let coupons = page::up_to_bytes(COUPON_BYTES_MAX, coupons.rows.iter().map(coupon::render));
    let balances = ledger::balances(&call, affiliate.id).await?;
    Ok(pb::GetAffiliateResponse { affiliate: Some(render(&affiliate)), enrollments, coupons, balances })
}

pub(super) async fn list(call: Call, message: pb::ListAffiliatesRequest) -> Result<pb::ListAffiliatesResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let mut query = AffiliateQuery {
        program_id: fields.optional_id("program_id", &message.program_id),
        states: fields.values("states", &message.states),
        email_verified: message.email_verified,
        has_sales: message.has_sales,
        group_id: fields.optional_id("group_id", &message.group_id),
        upline_id: None,
        metadata: fields.wanted_metadata("metadata", &message.metadata),
    };
    let upline = selector::optional_affiliate(&mut fields, "upline", message.upline.as_ref());
    fields.finish()?;
    let filter = pb::ListAffiliatesRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page_with(&query.metadata, &filter, shape, &message.page_token).await?;
    query.upline_id = upline_id(&call, upline.as_ref()).await?;
    let found = store::affiliate::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.works_on(found.rows.len()).await;
    let (affiliates, next_page_token) =
        page.fill_until(found.rows, found.ended_at, |row| row.id.uuid(), |row| render(&row));
    Ok(pb::ListAffiliatesResponse { affiliates, next_page_token })
}

/// The id of the upline that a filter names.
async fn upline_id(call: &Call, wanted: Option<&AffiliateSelector>) -> Result<Option<AffiliateId>, Error> {
    let Some(wanted) = wanted else { return Ok(None) };
    let found = store::affiliate::find(call.store(), call.account_id(), wanted).await?;
    let unknown = || Refusal::UplineNotFound { name: wanted.to_string() };
    Ok(Some(found.ok_or_else(unknown)?.id))
}

pub(super) async fn search(
    call: Call,
    message: pb::SearchAffiliatesRequest,
) -> Result<pb::SearchAffiliatesResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let text = fields.line("query", &message.query, NAME_LENGTH_MAX);
    let is_too_short = !text.is_empty() && text.chars().count() < store::search::LENGTH_MIN;
    if is_too_short {
        fields.wrong("query", format!("is too short; send at least {} characters", store::search::LENGTH_MIN));
    }
    let group_id = fields.optional_id("group_id", &message.group_id);
    fields.finish()?;
    let filter = pb::SearchAffiliatesRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let (affiliates, next_page_token) = if text.is_empty() {
        let query = AffiliateQuery { group_id, ..AffiliateQuery::default() };
        let affiliates = store::affiliate::list(call.store(), call.account_id(), &query, page.walk()).await?.rows;
        call.works_on(affiliates.len()).await;
        page.fill(affiliates, |row| row.id.uuid(), |row| render(&row))
    } else {
        let matches = store::search::affiliates(call.store(), call.account_id(), &text, group_id, page.walk()).await?;
        call.works_on(matches.len()).await;
        page.fill(matches, |found| found.place, |found| render(&found.affiliate))
    };
    Ok(pb::SearchAffiliatesResponse { affiliates, next_page_token })
}

pub(super) async fn count(
    call: Call,
    message: pb::CountAffiliatesRequest,
) -> Result<pb::CountAffiliatesResponse, Error> {
    let mut fields = Fields::default();
    let program_id = fields.optional_id("program_id", &message.program_id);
    let group_id = fields.optional_id("group_id", &message.group_id);
    let upline = selector::optional_affiliate(&mut fields, "upline", message.upline.as_ref());
    fields.finish()?;
    let query = AffiliateQuery {
        program_id,
        email_verified: message.email_verified,
        group_id,
        upline_id: upline_id(&call, upline.as_ref()).await?,
        ..AffiliateQuery::default()
    };
    let counts = store::affiliate::count(call.store(), call.account_id(), &query).await?;
    let in_state = |count: &StateCount| pb::AffiliateCount {
        state: count.state.number(),
        total_count: count.total,
        with_sales_count: count.with_sales,
    };
    Ok(pb::CountAffiliatesResponse {
        total_count: counts.iter().map(|count| count.total).sum(),
        with_sales_count: counts.iter().map(|count| count.with_sales).sum(),
        counts_by_state: counts.iter().map(in_state).collect(),
    })
}

/// The affiliate as stored in the feed, without personal data.
pub(super) fn image(affiliate: &Affiliate) -> pb::Affiliate {
    pb::Affiliate {
        id: affiliate.id.to_string(),
        create_time: Some(timestamp(affiliate.created_at)),
        update_time: Some(timestamp(affiliate.updated_at)),
        etag: affiliate.etag(),
        state: affiliate.state.number(),
        state_time: Some(timestamp(affiliate.state_changed_at.unwrap_or(affiliate.created_at))),
        pending_rewards: affiliate.pending_rewards.map_or(0, WireEnum::number),
        email_verified: affiliate.email_verified,
        metadata: affiliate.profile.metadata.clone(),
        upline_affiliate_id: id_or_empty(affiliate.upline_id),
        group_id: id_or_empty(affiliate.group_id),
        ..pb::Affiliate::default()
    }
}

fn past_upline(past: &PastUpline) -> pb::PastUpline {
    let end_time = Some(timestamp(past.ended_at));
    pb::PastUpline { affiliate_id: id_or_empty(past.affiliate_id), end_time }
}

/// An affiliate as a message.
pub(super) fn render(affiliate: &Affiliate) -> pb::Affiliate {
    pb::Affiliate {
        external_id: affiliate.external_id.clone().unwrap_or_default(),
        email: affiliate.email.clone(),
        first_name: affiliate.first_name.clone(),
        last_name: affiliate.last_name.clone(),
        profile: Some(profile::render(&affiliate.profile)),
        state_reason: affiliate.state_reason.clone(),
        past_uplines: affiliate.past_uplines.iter().map(past_upline).collect(),
        has_password: affiliate.password.is_some(),
        password_change_required: affiliate.must_change_password(),
        ..image(affiliate)
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
