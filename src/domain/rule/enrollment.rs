//! The rules of enrollments.

use std::sync::Arc;

use super::context::{Context, Rule};
use super::link;
use super::new_coupon::{self, NewCoupon};
use super::program::check_commission;
use crate::domain::affiliate::{Affiliate, AffiliateSelector};
use crate::domain::coupon::Coupon;
use crate::domain::enrollment::{Enrollment, EnrollmentOutcome, EnrollmentState, EnrollmentWithLanding};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, EnrollmentId, ProgramId};
use crate::domain::program::{Commission, Program};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::set::Needs;

/// The requested properties of a new enrollment.
#[derive(Debug, Clone)]
pub struct NewEnrollment {
    /// The program; `None` for the account's default program.
    pub program_id: Option<ProgramId>,
    /// The code for the referral link, in lower case. `None`: a code is generated.
    pub ref_id: Option<String>,
    /// The first part of a generated code, from the affiliate's name. Used when `ref_id` is `None`.
    pub ref_id_stem: String,
    /// Random lower-case letters and digits that make a generated code unique.
    pub ref_id_suffix: String,
    /// The code of a coupon to assign, folded.
    pub coupon_code: Option<String>,
    /// The affiliate's own page. Empty: the program's page.
    pub landing_url: String,
    /// The affiliate's own commission. `None`: the program's.
    pub commission_override: Option<Commission>,
}

impl NewEnrollment {
    /// The codes to try when no ref_id was requested: first the bare stem, then the stem with the random characters.
    pub fn ref_id_choices(&self) -> [String; 2] {
        let stem = &self.ref_id_stem;
        let suffix = &self.ref_id_suffix;
        [stem.clone(), if stem.is_empty() { suffix.clone() } else { format!("{stem}-{suffix}") }]
    }

    /// Adds the rows that [`make`] needs.
    pub(super) fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.program(account, self.program_id);
        self.needs_of_codes(account, needs);
    }

    /// Adds the rows that [`make`] needs, except the program.
    pub(super) fn needs_of_codes(&self, account: AccountId, needs: &mut Needs) {
        match &self.ref_id {
            Some(ref_id) => needs.link_code(account, ref_id),
            None => self.ref_id_choices().iter().for_each(|code| needs.link_code(account, code)),
        }
        if let Some(code) = &self.coupon_code {
            new_coupon::needs_of_code(account, code, needs);
        }
    }
}

/// Enroll an affiliate in a further program.
#[derive(Debug, Clone)]
pub struct EnrollAffiliate {
    /// The affiliate to enroll.
    pub affiliate: AffiliateSelector,
    /// The requested enrollment.
    pub enrollment: NewEnrollment,
}

impl Rule for EnrollAffiliate {
    type Answer = Arc<EnrollmentOutcome>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
        needs.coupon_count(account, &self.affiliate);
        self.enrollment.needs(account, needs);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let affiliate = Arc::clone(context.set.living_affiliate(context.account_id, &self.affiliate)?);
        let affiliate_id = affiliate.id;
        let program_id = context.set.active_program(context.account_id, self.enrollment.program_id)?.id;
        let made = match context.set.enrollment_in(context.account_id, affiliate_id, program_id)?.cloned() {
            Some(other) if other.state == EnrollmentState::Active => {
                return Err(Refusal::AlreadyEnrolled { affiliate_id, program_id, enrollment_id: other.id });
            }
            Some(ended) => reopen(context, &ended, &self.enrollment)?,
            None => make(context, &affiliate, &self.enrollment)?,
        };
        Ok(Arc::new(EnrollmentOutcome { enrollment: made.enrollment, coupon: made.coupon }))
    }
}

/// An enrollment that was created or reopened.
pub(super) struct Made {
    pub(super) enrollment: EnrollmentWithLanding,
    pub(super) coupon: Option<Arc<Coupon>>,
}

/// Enrolls an affiliate in a program: creates the enrollment, the link with its ref_id, and the coupon if one was requested.
pub(super) fn make(context: &mut Context<'_>, affiliate: &Affiliate, wanted: &NewEnrollment) -> Result<Made, Refusal> {
    let program_id = context.set.active_program(context.account_id, wanted.program_id)?.id;
    let enrollment = Enrollment {
        id: EnrollmentId::new(context.ids),
        account_id: context.account_id,
        affiliate_id: affiliate.id,
        program_id,
        ref_id: free_ref_id(context, wanted)?,
        landing_url: wanted.landing_url.clone(),
        commission_override: wanted.commission_override,
        state: EnrollmentState::Active,
        affiliate_state: affiliate.state,
        created_at: context.now,
        updated_at: context.now,
        ended_at: None,
        past: Vec::new(),
    };
    check_override(context, &enrollment)?;
    let enrollment = put(context, EventKind::EnrollmentCreated, enrollment);
    put_link(context, &enrollment)?;
    with_coupon(context, enrollment, wanted)
}

/// Assigns the coupon that was requested.
fn with_coupon(
    context: &mut Context<'_>,
    enrollment: Arc<Enrollment>,
    wanted: &NewEnrollment,
) -> Result<Made, Refusal> {
    let coupon = match &wanted.coupon_code {
        Some(code) => {
            let wanted = NewCoupon::plain(Field::CouponCode, code);
            Some(new_coupon::make(context, &enrollment, wanted)?)
        }
        None => None,
    };
    Ok(Made { enrollment: with_landing(context, enrollment)?, coupon })
}

fn put(context: &mut Context<'_>, kind: EventKind, enrollment: Enrollment) -> Arc<Enrollment> {
    let enrollment = context.put(enrollment);
    context.tell(kind, EventImage::Enrollment(Arc::clone(&enrollment)));
    enrollment
}

/// Creates the link with the enrollment's ref_id, unless the enrollment has it already.
fn put_link(context: &mut Context<'_>, enrollment: &Enrollment) -> Result<(), Refusal> {
    if context.set.link_with_code(context.account_id, &enrollment.ref_id)?.is_none() {
        link::put_new(context, enrollment, &enrollment.ref_id, "");
    }
    Ok(())
}

/// The requested ref_id, if it is free; otherwise a code generated from the affiliate's name.
fn free_ref_id(context: &Context<'_>, wanted: &NewEnrollment) -> Result<String, Refusal> {
    if let Some(ref_id) = &wanted.ref_id {
        link::code_is_free(context, Field::RefId, ref_id)?;
        return Ok(ref_id.clone());
    }
    let [short, long] = wanted.ref_id_choices();
    if short.len() >= 2 && context.set.link_with_code(context.account_id, &short)?.is_none() {
        return Ok(short);
    }
    link::code_is_free(context, Field::RefId, &long)?;
    Ok(long)
}

fn with_landing(context: &Context<'_>, enrollment: Arc<Enrollment>) -> Result<EnrollmentWithLanding, Refusal> {
    Ok(EnrollmentWithLanding { landing_url: context.set.landing_url(&enrollment)?.to_owned(), enrollment })
}

/// Reopens an ended enrollment. The affiliate keeps its links, coupons and leads; everything else is as in a new enrollment.
fn reopen(context: &mut Context<'_>, ended: &Enrollment, wanted: &NewEnrollment) -> Result<Made, Refusal> {
    let mut enrollment = Enrollment {
        landing_url: wanted.landing_url.clone(),
        commission_override: wanted.commission_override,
        state: EnrollmentState::Active,
        updated_at: context.now,
        ended_at: None,
        ..ended.clone()
    };
    enrollment.keep_past(ended, context.now);
    check_override(context, &enrollment)?;
    if let Some(ref_id) = &wanted.ref_id {
        set_ref_id(context, &mut enrollment, ref_id)?;
    }
    let enrollment = put(context, EventKind::EnrollmentCreated, enrollment);
    if wanted.ref_id.is_some() {
        put_link(context, &enrollment)?;
    }
    with_coupon(context, enrollment, wanted)
}

/// Changes an enrollment's ref_id. [`put_link`] creates the link of the new one. The old one stays an ordinary link until it is
/// revoked, because old posts and mails still contain it and because the clicks through it belong to the affiliate.
fn set_ref_id(context: &Context<'_>, enrollment: &mut Enrollment, ref_id: &str) -> Result<(), Refusal> {
    if ref_id == enrollment.ref_id {
        return Ok(());
    }
    match context.set.link_with_code(context.account_id, ref_id)? {
        // An earlier ref_id of the enrollment, or another link of it that leads to the same page.
        Some(link) if link.serves_as_ref_id_of(enrollment) => {}
        Some(other) => return Err(link::taken(other, Field::RefId)),
        None => {}
    }
    ref_id.clone_into(&mut enrollment.ref_id);
    Ok(())
}

fn check_override(context: &Context<'_>, enrollment: &Enrollment) -> Result<(), Refusal> {
    let Some(commission) = enrollment.commission_override else { return Ok(()) };
    let program = context.get::<Program, _>(enrollment.program_id)?;
    check_commission(commission, program.currency)
}

/// Change an enrollment. A field that is `None` keeps its value.
#[derive(Debug, Clone)]
pub struct UpdateEnrollment {
    /// The enrollment to change.
    pub id: EnrollmentId,
    /// The code for the referral link, in lower case.
    pub ref_id: Option<String>,
    /// The affiliate's own page. Empty: the program's page.
    pub landing_url: Option<String>,
    /// The affiliate's own commission. `Some(None)`: the program's.
    pub commission_override: Option<Option<Commission>>,
}

impl Rule for UpdateEnrollment {
    type Answer = Arc<EnrollmentOutcome>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Enrollment>((account, self.id));
        if let Some(ref_id) = &self.ref_id {
            needs.link_code(account, ref_id);
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = Arc::clone(context.set.active_enrollment(context.account_id, self.id)?);
        let mut enrollment = before.as_ref().clone();
        if let Some(ref_id) = &self.ref_id {
            set_ref_id(context, &mut enrollment, ref_id)?;
        }
        if let Some(landing_url) = &self.landing_url {
            enrollment.landing_url.clone_from(landing_url);
        }
        if let Some(commission) = self.commission_override {
            enrollment.commission_override = commission;
            check_override(context, &enrollment)?;
        }
        enrollment.keep_past(&before, context.now);
        enrollment.updated_at = context.now;
        let enrollment = put(context, EventKind::EnrollmentUpdated, enrollment);
        if self.ref_id.is_some() {
            put_link(context, &enrollment)?;
        }
        Ok(Arc::new(EnrollmentOutcome { enrollment: with_landing(context, enrollment)?, coupon: None }))
    }
}

/// End an enrollment.
#[derive(Debug, Clone)]
pub struct EndEnrollment {
    /// The enrollment to end.
    pub id: EnrollmentId,
}

impl Rule for EndEnrollment {
    type Answer = Arc<EnrollmentOutcome>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Enrollment>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let mut enrollment = Arc::clone(context.get::<Enrollment, _>(self.id)?);
        if enrollment.state == EnrollmentState::Active {
            let mut ended = Enrollment {
                state: EnrollmentState::Ended,
                ended_at: Some(context.now),
                updated_at: context.now,
                ..enrollment.as_ref().clone()
            };
            ended.keep_past(&enrollment, context.now);
            enrollment = put(context, EventKind::EnrollmentEnded, ended);
        }
        Ok(Arc::new(EnrollmentOutcome { enrollment: with_landing(context, enrollment)?, coupon: None }))
    }
}
