//! Enrollments on the wire.

mod agreement;
mod moving;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::call::canonical::{self, Mask, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::Fields;
use super::call::render::{id_or_empty, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::coupon;
use super::dated_commission;
use super::program::terms::{commission, optional_commission};
use crate::clock;
use crate::domain::enrollment::{Enrollment, EnrollmentOutcome, EnrollmentWithLanding};
use crate::domain::id::ProgramId;
use crate::domain::referral_link::referral_link;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{EndEnrollment, EnrollAffiliate, NewEnrollment, UpdateEnrollment};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::enrollment::EnrollmentQuery;

pub(super) use agreement::canonical as canonical_acceptance;
pub(super) use moving::move_on;

/// The maximum number of characters of a name in a generated ref_id.
const STEM_LENGTH_MAX: usize = 20;
/// The number of random characters in a generated ref_id.
const SUFFIX_LENGTH: usize = 6;

/// The paths of a new enrollment's fields in CreateAffiliate and EnrollAffiliate.
pub(super) const NEW_PATHS: FieldPaths = &[
    (Field::CommissionCurrency, "commission_override.flat.currency_code"),
    (Field::CustomFields, "profile.custom_fields"),
];

pub(super) async fn enroll(
    call: Call,
    message: pb::EnrollAffiliateRequest,
) -> Result<pb::EnrollAffiliateResponse, Error> {
    let asking = call.asking();
    let rule = read_enroll(&call, &message, &asking).await?;
    let (answer, replayed) = call.carry_out(&message, rule).await?;
    Ok(pb::EnrollAffiliateRequest::render(answer, replayed, (), &asking))
}

/// Reads the affiliate only to generate a ref_id from its name. If there is no such affiliate, the rule refuses.
pub(super) async fn read_enroll(
    call: &Call,
    message: &pb::EnrollAffiliateRequest,
    asking: &Asking<'_>,
) -> Result<EnrollAffiliate, Error> {
    let (mut rule, ()) = message.read(asking)?;
    if rule.enrollment.ref_id.is_none() {
        let affiliate = store::affiliate::find(call.store(), call.account_id(), &rule.affiliate).await?;
        if let Some(affiliate) = affiliate {
            rule.enrollment.ref_id_stem = ref_id_stem(&affiliate.first_name, &affiliate.email);
        }
    }
    Ok(rule)
}

impl Change for pb::EnrollAffiliateRequest {
    type Rule = EnrollAffiliate;
    type Kept = ();

    const PATHS: FieldPaths = NEW_PATHS;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::EnrollAffiliateRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            ref_id: canonical::code(&self.ref_id),
            coupon_code: canonical::coupon_code(&self.coupon_code),
            landing_url: canonical::url(&self.landing_url),
            acceptance: canonical::inside(self.acceptance.as_ref(), agreement::canonical),
            invitation_code: canonical::coupon_code(&self.invitation_code),
            metadata: canonical::trimmed_values(&self.metadata);
            as_sent: request_id, program_id, commission_override,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(EnrollAffiliate, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let mut enrollment = read_new(
            &mut fields,
            &self.program_id,
            &self.ref_id,
            &self.coupon_code,
            &self.landing_url,
            self.commission_override.as_ref(),
            self.acceptance.as_ref(),
        );
        enrollment.invitation_code = fields.wanted_coupon_code("invitation_code", &self.invitation_code);
        enrollment.metadata = fields.metadata("metadata", &self.metadata);
        Ok((EnrollAffiliate { affiliate: fields.complete(affiliate)?, enrollment }, ()))
    }

    fn render(answer: Arc<EnrollmentOutcome>, replayed: bool, (): (), _asking: &Asking) -> pb::EnrollAffiliateResponse {
        pb::EnrollAffiliateResponse {
            enrollment: Some(render_answer(&answer)),
            coupon: answer.coupon.as_deref().map(coupon::render),
            replayed,
        }
    }
}

/// Reads the fields that all enrollments share. The stem of a generated ref_id, the invitation and the metadata are left empty.
pub(super) fn read_new(
    fields: &mut Fields,
    program_id: &str,
    ref_id: &str,
    coupon_code: &str,
    landing_url: &str,
    commission_override: Option<&pb::Commission>,
    acceptance: Option<&pb::AgreementAcceptance>,
) -> NewEnrollment {
    NewEnrollment {
        program_id: fields.optional_id("program_id", program_id),
        ref_id: fields.new_code("ref_id", ref_id).map(|code| code.to_ascii_lowercase()),
        ref_id_stem: String::new(),
        ref_id_suffix: clock::random_code(SUFFIX_LENGTH),
        coupon_code: fields.new_coupon_code("coupon_code", coupon_code),
        landing_url: fields.optional_url("landing_url", landing_url),
        commission_override: optional_commission(fields, "commission_override", commission_override),
        acceptance: acceptance.map(|sent| agreement::read(fields, "acceptance", sent)),
        invitation_code: None,
        metadata: BTreeMap::new(),
    }
}

/// The stem of a generated ref_id: the letters and digits of the first name, or else of the email address before the `@`.
pub(super) fn ref_id_stem(first_name: &str, email: &str) -> String {
    let stem = |text: &str| -> String {
        let fit = text.chars().filter(char::is_ascii_alphanumeric);
        fit.map(|character| character.to_ascii_lowercase()).take(STEM_LENGTH_MAX).collect()
    };
    let from_name = stem(first_name);
    if from_name.is_empty() { stem(email.split('@').next().unwrap_or_default()) } else { from_name }
}

pub(super) async fn list(
    call: Call,
    message: pb::ListEnrollmentsRequest,
) -> Result<pb::ListEnrollmentsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let program_id = fields.optional_id("program_id", &message.program_id);
    let states = fields.values("states", &message.states);
    let metadata = fields.wanted_metadata("metadata", &message.metadata);
    fields.finish()?;
    let filter = pb::ListEnrollmentsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page_with(&metadata, &filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let lacks_newest_agreement = message.lacks_newest_agreement;
    let query = EnrollmentQuery { affiliate_id, program_id, states, lacks_newest_agreement, metadata };
    let found = store::enrollment::list(call.store(), call.account_id(), &query, page.walk()).await?;
    let rows = with_landings(&call, found.rows).await?;
    call.works_on(rows.len()).await;
    let (enrollments, next_page_token) =
        page.fill_until(rows, found.ended_at, |row| row.enrollment.id.uuid(), |row| render(&row));
    Ok(pb::ListEnrollmentsResponse { enrollments, next_page_token })
}

pub(super) async fn get(call: Call, message: pb::GetEnrollmentRequest) -> Result<pb::GetEnrollmentResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("enrollment_id", &message.enrollment_id);
    let id = fields.complete(id)?;
    let found = store::enrollment::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::Enrollment, id))?;
    Ok(pb::GetEnrollmentResponse { enrollment: render_all(&call, vec![found]).await?.pop() })
}

impl Change for pb::UpdateEnrollmentRequest {
    type Rule = UpdateEnrollment;
    type Kept = ();

    const PATHS: FieldPaths = &[
        (Field::EnrollmentId, "enrollment.id"),
        (Field::RefId, "enrollment.ref_id"),
        (Field::CommissionCurrency, "enrollment.commission_override.flat.currency_code"),
        (Field::DatedCommissionCurrency, "dated_commission.commission.flat.currency_code"),
        (Field::DatedCommissionStartTime, "dated_commission.start_time"),
        (Field::DatedCommissionEndTime, "dated_commission.end_time"),
    ];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdateEnrollmentRequest,
            self,
            enrollment: canonical::inside(self.enrollment.as_ref(), |enrollment| canonical_update(enrollment, mask)),
            update_mask: mask.canonical(),
            dated_commission: canonical::inside(self.dated_commission.as_ref(), dated_commission::canonical);
            as_sent: request_id, withdraw_dated_commission,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdateEnrollment, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let known = ["ref_id", "landing_url", "commission_override", "metadata"];
        let withdraw_dated_commission =
            fields.number("withdraw_dated_commission", self.withdraw_dated_commission, 0..=i32::MAX);
        let dated_commission = self.dated_commission.as_ref();
        let dated_commission =
            dated_commission.map(|sent| dated_commission::read(&mut fields, sent, "commission_override"));
        let mask = self.update_mask.as_ref().filter(|mask| !mask.paths.is_empty());
        let paths = match mask {
            None if withdraw_dated_commission > 0 || dated_commission.is_some() => Vec::new(),
            mask => fields.update_mask(mask, &known),
        };
        let Some(values) = fields.required("enrollment", self.enrollment.as_ref()) else {
            return Err(fields.into_error());
        };
        let rule = fields.within("enrollment", |fields| {
            let id = fields.id("id", &values.id);
            let ref_id = if paths.contains(&"ref_id") {
                if values.ref_id.trim().is_empty() {
                    fields.wrong("ref_id", "is required");
                }
                fields.new_code("ref_id", &values.ref_id).map(|code| code.to_ascii_lowercase())
            } else {
                None
            };
            let landing_url =
                paths.contains(&"landing_url").then(|| fields.optional_url("landing_url", &values.landing_url));
            let commission_override = paths
                .contains(&"commission_override")
                .then(|| optional_commission(fields, "commission_override", values.commission_override.as_ref()));
            let metadata = paths.contains(&"metadata").then(|| fields.metadata("metadata", &values.metadata));
            Some(UpdateEnrollment {
                id: id?,
                ref_id,
                landing_url,
                commission_override,
                dated_commission,
                withdraw_dated_commission,
                metadata,
            })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(
        answer: Arc<EnrollmentOutcome>,
        replayed: bool,
        (): (),
        _asking: &Asking,
    ) -> pb::UpdateEnrollmentResponse {
        pb::UpdateEnrollmentResponse { enrollment: Some(render_answer(&answer)), replayed }
    }
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_update<'message>(sent: &'message pb::Enrollment, mask: Mask<'_>) -> Cow<'message, pb::Enrollment> {
    canonical!(
        pb::Enrollment,
        sent,
        affiliate_id: canonical::unread(&sent.affiliate_id),
        program_id: canonical::unread(&sent.program_id),
        ref_id: mask.field("ref_id", &sent.ref_id, |ref_id| canonical::code(ref_id)),
        landing_url: mask.field("landing_url", &sent.landing_url, |url| canonical::url(url)),
        referral_link: canonical::unread(&sent.referral_link),
        commission_override: mask.field("commission_override", &sent.commission_override, |_| None),
        metadata: mask.field("metadata", &sent.metadata, canonical::trimmed_values),
        state: canonical::unread(&sent.state),
        create_time: canonical::unread(&sent.create_time),
        update_time: canonical::unread(&sent.update_time),
        end_time: canonical::unread(&sent.end_time),
        moved_to_enrollment_id: canonical::unread(&sent.moved_to_enrollment_id),
        awaits_agreement: canonical::unread(&sent.awaits_agreement),
        lacks_newest_agreement: canonical::unread(&sent.lacks_newest_agreement),
        dated_commissions: canonical::unread(&sent.dated_commissions),
        acceptances: canonical::unread(&sent.acceptances);
        as_sent: id,
    )
}

impl Change for pb::EndEnrollmentRequest {
    type Rule = EndEnrollment;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::EndEnrollmentRequest, self; as_sent: request_id, enrollment_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(EndEnrollment, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("enrollment_id", &self.enrollment_id);
        Ok((EndEnrollment { id: fields.complete(id)? }, ()))
    }

    fn render(answer: Arc<EnrollmentOutcome>, replayed: bool, (): (), _asking: &Asking) -> pb::EndEnrollmentResponse {
        pb::EndEnrollmentResponse { enrollment: Some(render_answer(&answer)), replayed }
    }
}

/// Enrollments as messages.
pub(super) async fn render_all(call: &Call, enrollments: Vec<Enrollment>) -> Result<Vec<pb::Enrollment>, Error> {
    Ok(with_landings(call, enrollments).await?.iter().map(render).collect())
}

/// Enrollments with what their programs say about them.
pub(super) async fn with_landings(
    call: &Call,
    enrollments: Vec<Enrollment>,
) -> Result<Vec<EnrollmentWithLanding>, Error> {
    let serving = store::enrollment::serving_now(call.store(), call.account_id(), &enrollments).await?;
    let programs: BTreeSet<ProgramId> = enrollments.iter().chain(serving.values()).map(|row| row.program_id).collect();
    let programs: Vec<ProgramId> = programs.into_iter().collect();
    let pages = store::program::pages(call.store(), call.account_id(), &programs).await?;
    let page_of = |row: &Enrollment| {
        let missing = || Error::Internal(format!("enrollment {} has no program", row.id));
        pages.get(&row.program_id).ok_or_else(missing)
    };
    let with_landing = |row: Enrollment| {
        let agreement_version = page_of(&row)?.agreement_version;
        let leading = serving.get(&row.id).unwrap_or(&row);
        let landing_url =
            if leading.landing_url.is_empty() { &page_of(leading)?.landing_url } else { &leading.landing_url };
        let landing_url = landing_url.clone();
        Ok(EnrollmentWithLanding::new(Arc::new(row), landing_url, agreement_version))
    };
    enrollments.into_iter().map(with_landing).collect()
}

/// The enrollment as stored in the feed, without personal data.
pub(super) fn image(enrollment: &Enrollment) -> pb::Enrollment {
    let shown = render_row(enrollment, "");
    let without_source =
        |acceptance: &pb::AgreementAcceptance| pb::AgreementAcceptance { source: String::new(), ..acceptance.clone() };
    pb::Enrollment {
        ref_id: String::new(),
        landing_url: String::new(),
        referral_link: String::new(),
        acceptances: shown.acceptances.iter().map(without_source).collect(),
        ..shown
    }
}

/// An enrollment as a message.
pub(super) fn render(shown: &EnrollmentWithLanding) -> pb::Enrollment {
    let lacks_newest_agreement = shown.lacks_newest_agreement;
    pb::Enrollment { lacks_newest_agreement, ..render_row(&shown.enrollment, &shown.landing_url) }
}

/// What an enrollment says itself. `landing_url` is the page that its links lead to.
fn render_row(enrollment: &Enrollment, landing_url: &str) -> pb::Enrollment {
    pb::Enrollment {
        id: enrollment.id.to_string(),
        affiliate_id: enrollment.affiliate_id.to_string(),
        program_id: enrollment.program_id.to_string(),
        ref_id: enrollment.ref_id.clone(),
        landing_url: enrollment.landing_url.clone(),
        referral_link: referral_link(landing_url, &enrollment.ref_id),
        commission_override: enrollment.commission_override.map(commission),
        state: enrollment.state.number(),
        create_time: Some(timestamp(enrollment.created_at)),
        update_time: Some(timestamp(enrollment.updated_at)),
        end_time: enrollment.ended_at.map(timestamp),
        moved_to_enrollment_id: id_or_empty(enrollment.moved.map(|moved| moved.to)),
        awaits_agreement: enrollment.awaits_agreement,
        acceptances: enrollment.acceptances.iter().map(agreement::acceptance).collect(),
        lacks_newest_agreement: false,
        metadata: enrollment.metadata.clone(),
        dated_commissions: enrollment.dated_commissions.iter().map(dated_commission::render).collect(),
    }
}

fn render_answer(answer: &EnrollmentOutcome) -> pb::Enrollment {
    render(&answer.enrollment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::KeyKind;
    use crate::domain::time::Time;

    #[test]
    fn a_stem_is_made_of_the_first_name_or_the_email() {
        assert_eq!(ref_id_stem("Jo Anne", "x@example.com"), "joanne");
        assert_eq!(ref_id_stem("", "Jo.Doe+1@example.com"), "jodoe1");
        assert_eq!(ref_id_stem("李", "li@example.com"), "li");
        assert_eq!(ref_id_stem("", "李@example.com"), "");
        assert_eq!(ref_id_stem(&"x".repeat(50), ""), "x".repeat(20));
    }

    #[test]
    fn an_override_that_is_masked_and_not_set_is_taken_back() {
        let update = |override_value, paths: &[&str]| {
            let message = pb::UpdateEnrollmentRequest {
                enrollment: Some(pb::Enrollment {
                    id: "enr_0193a5f0000070008000000000000001".to_owned(),
                    commission_override: override_value,
                    ..Default::default()
                }),
                update_mask: Some(prost_types::FieldMask {
                    paths: paths.iter().map(|path| (*path).to_owned()).collect(),
                }),
                ..Default::default()
            };
            let asking = Asking::new(Time::from_micros(0), KeyKind::Admin);
            message.read(&asking).map(|(rule, ())| rule)
        };
        assert_eq!(update(None, &["commission_override"]).unwrap().commission_override, Some(None));
        assert_eq!(update(None, &["landing_url"]).unwrap().commission_override, None);
        let Err(Error::InvalidFields(violations)) = update(None, &["state", "ref_id"]) else { panic!("was taken") };
        assert_eq!(
            violations[0].description,
            "names `state`; it may name ref_id, landing_url, commission_override, metadata"
        );
        assert_eq!(violations[1].field, "enrollment.ref_id");
    }
}
