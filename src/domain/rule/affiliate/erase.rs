//! The rule that erases an affiliate's personal data. The row stays, and so do its enrollments, links and coupons, because rewards,
//! entries and conversions name them. Nothing in the books changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{check_etag, put_changed};
use crate::domain::affiliate::{Affiliate, AffiliateSelector, AffiliateState, Profile};
use crate::domain::bounty::Submission;
use crate::domain::coupon::{Coupon, CouponState};
use crate::domain::enrollment::{Acceptance, Enrollment, EnrollmentState};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, LinkId};
use crate::domain::link::{Link, LinkState};
use crate::domain::payout_method::PayoutMethod;
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::{Context, Rule};
use crate::domain::rule::{coupon, link};
use crate::domain::set::{Kind, Needs};
use crate::domain::tax_profile::TaxProfile;

/// Erase an affiliate's personal data.
#[derive(Debug, Clone)]
pub struct EraseAffiliate {
    /// The affiliate.
    pub affiliate: AffiliateSelector,
    /// Refuse unless this is the affiliate's etag.
    pub etag: Option<String>,
    /// SHA-256 of a token that nobody knows.
    pub token_hash: [u8; 32],
}

impl Rule for EraseAffiliate {
    type Answer = Arc<Affiliate>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
        needs.codes_of(account, &self.affiliate);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = Arc::clone(context.set.affiliate(context.account_id, &self.affiliate)?);
        check_etag(&before, self.etag.as_ref())?;
        if before.state == AffiliateState::Erased {
            return Ok(before);
        }
        if let Some(method) = context.set.payout_method(context.account_id, before.id)? {
            context.set.remove::<PayoutMethod>(&method.key());
        }
        if let Some(profile) = context.set.tax_profile(context.account_id, before.id)? {
            context.set.remove::<TaxProfile>(&profile.key());
        }
        let (links, coupons) = context.set.codes_of(context.account_id, before.id)?;
        for coupon in coupons {
            erase_coupon(context, &coupon)?;
        }
        for submission in context.set.submissions_of(context.account_id, before.id)? {
            erase_submission(context, &submission);
        }
        let codes = links.iter().map(|link| Ok((link.code.clone(), erase_link(context, link)?)));
        let codes: BTreeMap<String, String> = codes.collect::<Result<_, Refusal>>()?;
        erase_enrollments(context, &before, &codes)?;
        let affiliate = Affiliate {
            external_id: None,
            email: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            profile: Profile::default(),
            group_id: None,
            token_hash: self.token_hash,
            password: None,
            state: AffiliateState::Erased,
            state_reason: String::new(),
            state_changed_at: Some(context.now),
            pending_rewards: None,
            email_verified: false,
            former_email: None,
            awaits_welcome: false,
            ..before.as_ref().clone()
        };
        Ok(put_changed(context, EventKind::AffiliateErased, affiliate))
    }
}

/// Removes a coupon, its note and its metadata. Its code stays, because the sales that were made with it have the code too and are judged by it
/// when an earlier event is told.
fn erase_coupon(context: &mut Context<'_>, coupon: &Arc<Coupon>) -> Result<(), Refusal> {
    let removed = match coupon.state {
        CouponState::Active => coupon::remove(context, coupon)?,
        CouponState::Removed => Arc::clone(coupon),
    };
    let bare = removed.without_personal_data();
    if bare != *removed {
        context.put(bare);
    }
    Ok(())
}

/// Takes what was submitted from a submission, and why it was rejected. One that waits can only be rejected from now on.
fn erase_submission(context: &mut Context<'_>, submission: &Submission) {
    let bare = submission.without_personal_data();
    if bare != *submission {
        context.put(bare);
    }
}

/// Revokes a link and takes its code and its destination from it, because the code may be made of the affiliate's name. Clicks and
/// conversions know the link by its id. Returns the new code.
fn erase_link(context: &mut Context<'_>, before: &Arc<Link>) -> Result<String, Refusal> {
    let code = format!("erased-{}", LinkId::new(context.ids).uuid().simple());
    let erased = Link { code: code.clone(), destination_url: String::new(), ..before.as_ref().clone() };
    match before.state {
        LinkState::Active => {
            let enrollment = Arc::clone(context.set.enrollment(context.account_id, before.enrollment_id)?);
            link::revoke(context, &erased, &enrollment);
        }
        LinkState::Revoked => _ = context.put(erased),
    }
    Ok(code)
}

/// Ends the enrollments and takes their ref_ids, landing pages and metadata from them.
fn erase_enrollments(
    context: &mut Context<'_>,
    affiliate: &Affiliate,
    codes: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let enrollments = context.set.enrollments_of(context.account_id, affiliate.id)?;
    let mut enrollments: Vec<Arc<Enrollment>> = enrollments.into_iter().cloned().collect();
    // They are in no order, and that of events must not depend on it.
    enrollments.sort_unstable_by_key(|enrollment| enrollment.id);
    for before in enrollments {
        let code = codes.get(&before.ref_id).ok_or(Refusal::NotLoaded("link of an enrollment"))?;
        let mut enrollment = Enrollment {
            ref_id: code.clone(),
            landing_url: String::new(),
            acceptances: without_sources(&before.acceptances),
            metadata: BTreeMap::new(),
            state: EnrollmentState::Ended,
            affiliate_state: AffiliateState::Erased,
            ended_at: before.ended_at.or(Some(context.now)),
            updated_at: context.now,
            ..before.as_ref().clone()
        };
        enrollment.keep_past(&before, context.now);
        let enrollment = context.put(enrollment);
        if before.state == EnrollmentState::Active {
            context.tell(EventKind::EnrollmentEnded, EventImage::Enrollment(enrollment));
        }
    }
    Ok(())
}

/// What was accepted and when stays; where from was personal.
fn without_sources(acceptances: &[Acceptance]) -> Vec<Acceptance> {
    acceptances.iter().map(|acceptance| Acceptance { source: String::new(), ..acceptance.clone() }).collect()
}
