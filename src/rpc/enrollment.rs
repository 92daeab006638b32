//! Enrollments on the wire.

use std::collections::BTreeSet;

use url::Url;

use super::parse::Fields;
use super::program::{commission, optional_commission};
use super::render::timestamp;
use super::wire_enum::WireEnum;
use super::{Call, coupon, page, selector, unexpected_outcome};
use crate::clock;
use crate::domain::command::{Command, Outcome};
use crate::domain::enrollment::{EndEnrollment, Enroll, Enrollment, NewEnrollment, UpdateEnrollment};
use crate::domain::id::ProgramId;
use crate::error::Error;
use crate::pb;
use crate::store;
use crate::store::enrollment::EnrollmentQuery;

/// Characters of a name that stand in a ref_id made from it.
const STEM_LENGTH_MAX: usize = 20;
/// Random characters that make a ref_id unique.
const SUFFIX_LENGTH: usize = 6;

pub(super) async fn enroll(call: Call, message: pb::EnrollRequest) -> Result<pb::EnrollResponse, Error> {
    let fingerprint = call.request_key(&message.request_id, &message);
    let mut command = parse_enroll(&message)?;
    if command.enrollment.ref_id.is_none() {
        // Only a ref_id that is made needs the affiliate's name. One that is not there is for the rules to refuse.
        let affiliate = store::affiliate::find(call.store(), call.account_id(), &command.affiliate).await?;
        if let Some(affiliate) = affiliate {
            command.enrollment.ref_id_stem = ref_id_stem(&affiliate.first_name, &affiliate.email);
        }
    }
    let answer = call.submit(fingerprint, Command::Enroll(command)).await?;
    let Outcome::Enrollment { enrollment, coupon } = answer.outcome else { return Err(unexpected_outcome()) };
    Ok(pb::EnrollResponse {
        enrollment: Some(render(&enrollment.enrollment, &enrollment.landing_url)),
        coupon: coupon.as_deref().map(coupon::render),
        replayed: answer.replayed,
    })
}

fn parse_enroll(message: &pb::EnrollRequest) -> Result<Enroll, Error> {
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let affiliate = selector::affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let enrollment = parse_new(
        &mut fields,
        &message.program_id,
        &message.ref_id,
        &message.promo_code,
        &message.landing_url,
        message.commission_override.as_ref(),
    );
    let Some(affiliate) = affiliate else { return Err(fields.into_error()) };
    fields.finish()?;
    Ok(Enroll { affiliate, enrollment })
}

/// The fields that CreateAffiliate and Enroll share. The stem of a ref_id that is to be made is left empty.
pub(super) fn parse_new(
    fields: &mut Fields,
    program_id: &str,
    ref_id: &str,
    promo_code: &str,
    landing_url: &str,
    commission_override: Option<&pb::Commission>,
) -> NewEnrollment {
    NewEnrollment {
        program_id: fields.optional_id("program_id", program_id),
        ref_id: fields.new_code("ref_id", ref_id).map(|code| code.to_ascii_lowercase()),
        ref_id_stem: String::new(),
        ref_id_suffix: clock::random_code(SUFFIX_LENGTH),
        promo_code: fields.new_code("promo_code", promo_code).map(|code| code.to_ascii_uppercase()),
        landing_url: fields.optional_url("landing_url", landing_url),
        commission_override: optional_commission(fields, "commission_override", commission_override),
    }
}

/// What a ref_id is made with: the letters and digits of the first name, or else of the email address before the `@`.
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
    let size = page::size(&mut fields, message.page_size);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let program_id = fields.optional_id("program_id", &message.program_id);
    let state = fields.optional_value("state", message.state);
    fields.finish()?;
    let filter = pb::ListEnrollmentsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, size, &message.page_token)?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let query = EnrollmentQuery { affiliate_id, program_id, state };
    let mut enrollments =
        store::enrollment::list(call.store(), call.account_id(), &query, page.after, page.limit()).await?;
    let next_page_token = page.cut(&mut enrollments, |enrollment| enrollment.id.uuid());
    Ok(pb::ListEnrollmentsResponse { enrollments: render_all(&call, &enrollments).await?, next_page_token })
}

pub(super) async fn update(
    call: Call,
    message: pb::UpdateEnrollmentRequest,
) -> Result<pb::UpdateEnrollmentResponse, Error> {
    let fingerprint = call.request_key(&message.request_id, &message);
    let command = parse_update(&message)?;
    let answer = call.submit(fingerprint, Command::UpdateEnrollment(command)).await?;
    let Outcome::Enrollment { enrollment, coupon: _ } = answer.outcome else { return Err(unexpected_outcome()) };
    let enrollment = render(&enrollment.enrollment, &enrollment.landing_url);
    Ok(pb::UpdateEnrollmentResponse { enrollment: Some(enrollment), replayed: answer.replayed })
}

fn parse_update(message: &pb::UpdateEnrollmentRequest) -> Result<UpdateEnrollment, Error> {
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let known = ["ref_id", "landing_url", "commission_override"];
    let paths = fields.update_mask(message.update_mask.as_ref(), &known);
    let Some(values) = fields.required("enrollment", message.enrollment.as_ref()) else {
        return Err(fields.into_error());
    };
    let command = fields.within("enrollment", |fields| {
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
        Some(UpdateEnrollment { id: id?, ref_id, landing_url, commission_override })
    });
    let Some(command) = command else { return Err(fields.into_error()) };
    fields.finish()?;
    Ok(command)
}

pub(super) async fn end(call: Call, message: pb::EndEnrollmentRequest) -> Result<pb::EndEnrollmentResponse, Error> {
    let fingerprint = call.request_key(&message.request_id, &message);
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let Some(id) = fields.id("enrollment_id", &message.enrollment_id) else { return Err(fields.into_error()) };
    fields.finish()?;
    let answer = call.submit(fingerprint, Command::EndEnrollment(EndEnrollment { id })).await?;
    let Outcome::Enrollment { enrollment, coupon: _ } = answer.outcome else { return Err(unexpected_outcome()) };
    let enrollment = render(&enrollment.enrollment, &enrollment.landing_url);
    Ok(pb::EndEnrollmentResponse { enrollment: Some(enrollment), replayed: answer.replayed })
}

/// Enrollments as they stand in messages, with the pages that their links lead to.
pub(super) async fn render_all(call: &Call, enrollments: &[Enrollment]) -> Result<Vec<pb::Enrollment>, Error> {
    let pages = landing_urls(call, enrollments).await?;
    Ok(enrollments.iter().zip(pages).map(|(enrollment, page)| render(enrollment, &page)).collect())
}

/// The page that each enrollment's links lead to: its own, or else its program's.
pub(super) async fn landing_urls(call: &Call, enrollments: &[Enrollment]) -> Result<Vec<String>, Error> {
    let without_own: BTreeSet<ProgramId> =
        enrollments.iter().filter(|row| row.landing_url.is_empty()).map(|row| row.program_id).collect();
    let without_own: Vec<ProgramId> = without_own.into_iter().collect();
    let pages = if without_own.is_empty() {
        std::collections::HashMap::new()
    } else {
        store::program::landing_urls(call.store(), call.account_id(), &without_own).await?
    };
    let page = |row: &Enrollment| {
        if row.landing_url.is_empty() {
            let missing = || Error::Internal(format!("enrollment {} has no program", row.id));
            pages.get(&row.program_id).cloned().ok_or_else(missing)
        } else {
            Ok(row.landing_url.clone())
        }
    };
    enrollments.iter().map(page).collect()
}

/// An enrollment as it stands in messages. `landing_url` is the page that its links lead to.
pub(super) fn render(enrollment: &Enrollment, landing_url: &str) -> pb::Enrollment {
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
    }
}

/// The page with the ref_id in its parameter `ref`.
fn referral_link(landing_url: &str, ref_id: &str) -> String {
    match Url::parse(landing_url) {
        Ok(mut link) => {
            link.query_pairs_mut().append_pair("ref", ref_id);
            link.into()
        }
        // Only URLs are stored; a page that is none is shown as it is.
        Err(_) => landing_url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_is_made_of_the_first_name_or_the_email() {
        assert_eq!(ref_id_stem("Jo Anne", "x@example.com"), "joanne");
        assert_eq!(ref_id_stem("", "Jo.Doe+1@example.com"), "jodoe1");
        assert_eq!(ref_id_stem("李", "li@example.com"), "li");
        assert_eq!(ref_id_stem("", "李@example.com"), "");
        assert_eq!(ref_id_stem(&"x".repeat(50), ""), "x".repeat(20));
    }

    #[test]
    fn the_ref_id_joins_what_the_page_has_already() {
        assert_eq!(referral_link("https://shop.example/", "jo"), "https://shop.example/?ref=jo");
        assert_eq!(referral_link("https://shop.example/a?b=1#top", "jo"), "https://shop.example/a?b=1&ref=jo#top");
    }

    #[test]
    fn an_override_that_is_masked_and_not_set_is_taken_back() {
        let update = |override_value, paths: &[&str]| {
            parse_update(&pb::UpdateEnrollmentRequest {
                enrollment: Some(pb::Enrollment {
                    id: "enr_0193a5f0000070008000000000000001".to_owned(),
                    commission_override: override_value,
                    ..Default::default()
                }),
                update_mask: Some(prost_types::FieldMask {
                    paths: paths.iter().map(|path| (*path).to_owned()).collect(),
                }),
                ..Default::default()
            })
        };
        assert_eq!(update(None, &["commission_override"]).unwrap().commission_override, Some(None));
        assert_eq!(update(None, &["landing_url"]).unwrap().commission_override, None);
        let Err(Error::InvalidFields(violations)) = update(None, &["state", "ref_id"]) else { panic!("was taken") };
        assert_eq!(violations[0].description, "names `state`; it may name ref_id, landing_url, commission_override");
        assert_eq!(violations[1].field, "enrollment.ref_id");
    }
}
