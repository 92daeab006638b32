//! Enrollments: an affiliate in a program, with its ref_id, links and own commission.

use super::affiliate::AffiliateSelector;
use super::command::Outcome;
use super::coupon::{self, Coupon};
use super::decide::{About, Context};
use super::event::{EventType, NewEvent};
use super::id::{AccountId, AffiliateId, EnrollmentId, ProgramId};
use super::link;
use super::program::{Commission, check_commission};
use super::refusal::Refusal;
use super::text_enum::text_enum;
use super::time::Time;
use super::working_set::Changes;

text_enum! {
    /// The state of an enrollment.
    EnrollmentState {
        /// Earns.
        Active = "active",
        /// Earns nothing new.
        Ended = "ended",
    }
}

/// An affiliate in a program. One for each pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The affiliate.
    pub affiliate_id: AffiliateId,
    /// The program.
    pub program_id: ProgramId,
    /// The code in the referral link, lower case: the code of one of the enrollment's links.
    pub ref_id: String,
    /// The affiliate's own page; empty for the program's.
    pub landing_url: String,
    /// The affiliate's own commission in place of the program's.
    pub commission_override: Option<Commission>,
    /// Its state.
    pub state: EnrollmentState,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
}

/// An enrollment with the page that its links lead to: what an answer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentWithLanding {
    /// The enrollment.
    pub enrollment: Enrollment,
    /// Its own page or the program's.
    pub landing_url: String,
}

/// What an enrollment is to be made with.
#[derive(Debug, Clone)]
pub struct NewEnrollment {
    /// The program; none for the account's default.
    pub program_id: Option<ProgramId>,
    /// The code for the referral link in lower case; none to have one made.
    pub ref_id: Option<String>,
    /// What to make the code with when `ref_id` is none: a stem from the affiliate's name and random characters to add.
    pub ref_id_stem: String,
    /// Random characters, lower-case letters and digits, to make codes unique.
    pub ref_id_suffix: String,
    /// A coupon code in capitals to assign.
    pub promo_code: Option<String>,
    /// The affiliate's own page; empty for the program's.
    pub landing_url: String,
    /// The affiliate's own commission.
    pub commission_override: Option<Commission>,
}

/// Enroll an affiliate in a further program.
#[derive(Debug, Clone)]
pub struct Enroll {
    /// Which affiliate.
    pub affiliate: AffiliateSelector,
    /// The enrollment.
    pub enrollment: NewEnrollment,
}

/// Change an enrollment. Fields that are not set stay.
#[derive(Debug, Clone)]
pub struct UpdateEnrollment {
    /// Which enrollment.
    pub id: EnrollmentId,
    /// The code for the referral link in lower case.
    pub ref_id: Option<String>,
    /// The affiliate's own page; empty for the program's.
    pub landing_url: Option<String>,
    /// The affiliate's own commission; `Some(None)` for the program's.
    pub commission_override: Option<Option<Commission>>,
}

/// End an enrollment.
#[derive(Debug, Clone)]
pub struct EndEnrollment {
    /// Which enrollment.
    pub id: EnrollmentId,
}

/// What [`make`] made.
pub(super) struct Made {
    pub(super) enrollment: EnrollmentWithLanding,
    pub(super) coupon: Option<Coupon>,
}

/// Enrolls an affiliate in a program: the enrollment, the link with its ref_id, and the coupon if one is wanted.
///
/// `coupon_count` is how many active coupons the affiliate has.
pub(super) fn make(
    context: &mut Context<'_>,
    affiliate_id: AffiliateId,
    coupon_count: i64,
    wanted: &NewEnrollment,
    changes: &mut Changes,
) -> Result<Made, Refusal> {
    let program_id = context.set.active_program(context.account_id, wanted.program_id)?.id;
    let enrollment = Enrollment {
        id: EnrollmentId::new(context.ids),
        account_id: context.account_id,
        affiliate_id,
        program_id,
        ref_id: free_ref_id(context, wanted)?,
        landing_url: wanted.landing_url.clone(),
        commission_override: wanted.commission_override,
        state: EnrollmentState::Active,
        created_at: context.now,
        updated_at: context.now,
        ended_at: None,
    };
    check_override(context, &enrollment, "commission_override.flat.currency_code")?;
    changes.links.push(link::for_code(context, &enrollment, &enrollment.ref_id, ""));
    finish_new(context, enrollment, coupon_count, wanted, changes)
}

/// What is the same for an enrollment that is new and for one that is opened again.
fn finish_new(
    context: &mut Context<'_>,
    enrollment: Enrollment,
    coupon_count: i64,
    wanted: &NewEnrollment,
    changes: &mut Changes,
) -> Result<Made, Refusal> {
    changes.events.push(event(context, EventType::EnrollmentCreated, &enrollment));
    let coupon = match &wanted.promo_code {
        Some(code) => Some(coupon::make(context, &enrollment, coupon_count, "promo_code", code, "", changes)?),
        None => None,
    };
    changes.enrollments.push(enrollment.clone());
    Ok(Made { enrollment: with_landing(context, enrollment)?, coupon })
}

/// The ref_id that was asked for, if it is free; or one made from the affiliate's name.
fn free_ref_id(context: &Context<'_>, wanted: &NewEnrollment) -> Result<String, Refusal> {
    if let Some(ref_id) = &wanted.ref_id {
        link::code_is_free(context, ref_id, "ref_id")?;
        return Ok(ref_id.clone());
    }
    let [short, long] = wanted.ref_id_choices();
    if short.len() >= 2 && context.set.link_with_code(context.account_id, &short)?.is_none() {
        return Ok(short);
    }
    link::code_is_free(context, &long, "ref_id")?;
    Ok(long)
}

impl NewEnrollment {
    /// The codes that are tried when no ref_id was asked for: the bare stem, then with random characters.
    pub fn ref_id_choices(&self) -> [String; 2] {
        let stem = &self.ref_id_stem;
        let suffix = &self.ref_id_suffix;
        [stem.clone(), if stem.is_empty() { suffix.clone() } else { format!("{stem}-{suffix}") }]
    }
}

/// The enrollment with the page its links lead to.
pub(super) fn with_landing(context: &Context<'_>, enrollment: Enrollment) -> Result<EnrollmentWithLanding, Refusal> {
    let landing_url = if enrollment.landing_url.is_empty() {
        context.set.program(context.account_id, enrollment.program_id)?.landing_url.clone()
    } else {
        enrollment.landing_url.clone()
    };
    Ok(EnrollmentWithLanding { enrollment, landing_url })
}

fn event(context: &mut Context<'_>, event_type: EventType, enrollment: &Enrollment) -> NewEvent {
    let about = About {
        subject_id: enrollment.id.to_string(),
        program_id: Some(enrollment.program_id),
        affiliate_id: Some(enrollment.affiliate_id),
    };
    context.event(event_type, about)
}

pub(super) fn enroll(context: &mut Context<'_>, command: &Enroll) -> Result<(Outcome, Changes), Refusal> {
    let affiliate_id = context.set.affiliate(context.account_id, &command.affiliate)?.id;
    let program_id = context.set.active_program(context.account_id, command.enrollment.program_id)?.id;
    let coupon_count = context.set.active_coupon_count(context.account_id, affiliate_id)?;
    let mut changes = Changes::default();
    let made = match context.set.enrollment_in(context.account_id, affiliate_id, program_id)?.cloned() {
        Some(other) if other.state == EnrollmentState::Active => {
            return Err(Refusal::AlreadyEnrolled { affiliate_id, program_id, enrollment_id: other.id });
        }
        Some(ended) => reopen(context, ended, coupon_count, &command.enrollment, &mut changes)?,
        None => make(context, affiliate_id, coupon_count, &command.enrollment, &mut changes)?,
    };
    Ok((Outcome::Enrollment { enrollment: Box::new(made.enrollment), coupon: made.coupon.map(Box::new) }, changes))
}

/// Opens an enrollment that had ended: an affiliate that comes back finds its links, coupons and leads. The rest is as for one that
/// is new.
fn reopen(
    context: &mut Context<'_>,
    ended: Enrollment,
    coupon_count: i64,
    wanted: &NewEnrollment,
    changes: &mut Changes,
) -> Result<Made, Refusal> {
    let mut enrollment = Enrollment {
        landing_url: wanted.landing_url.clone(),
        commission_override: wanted.commission_override,
        state: EnrollmentState::Active,
        updated_at: context.now,
        ended_at: None,
        ..ended
    };
    check_override(context, &enrollment, "commission_override.flat.currency_code")?;
    if let Some(ref_id) = &wanted.ref_id {
        set_ref_id(context, &mut enrollment, ref_id, "ref_id", changes)?;
    }
    finish_new(context, enrollment, coupon_count, wanted, changes)
}

/// Gives an enrollment another ref_id. The one before goes on as an ordinary link until it is revoked: it stands in posts and mails
/// that nobody will change, and the clicks through it are the affiliate's.
fn set_ref_id(
    context: &mut Context<'_>,
    enrollment: &mut Enrollment,
    ref_id: &str,
    field: &'static str,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    if ref_id == enrollment.ref_id {
        return Ok(());
    }
    match context.set.link_with_code(context.account_id, ref_id)? {
        // A ref_id that it had before, or a link of its own that leads to the same page.
        Some(link) if link.serves_as_ref_id_of(enrollment) => {}
        Some(other) => return Err(link::taken(other, field)),
        None => changes.links.push(link::for_code(context, enrollment, ref_id, "")),
    }
    ref_id.clone_into(&mut enrollment.ref_id);
    Ok(())
}

fn check_override(context: &Context<'_>, enrollment: &Enrollment, field: &'static str) -> Result<(), Refusal> {
    let Some(commission) = enrollment.commission_override else { return Ok(()) };
    let program = context.set.program(context.account_id, enrollment.program_id)?;
    check_commission(commission, program.currency, field)
}

pub(super) fn update(context: &mut Context<'_>, command: &UpdateEnrollment) -> Result<(Outcome, Changes), Refusal> {
    let mut enrollment = context.set.active_enrollment(context.account_id, command.id)?.clone();
    let mut changes = Changes::default();
    if let Some(ref_id) = &command.ref_id {
        set_ref_id(context, &mut enrollment, ref_id, "enrollment.ref_id", &mut changes)?;
    }
    if let Some(landing_url) = &command.landing_url {
        enrollment.landing_url.clone_from(landing_url);
    }
    if let Some(commission) = command.commission_override {
        enrollment.commission_override = commission;
        check_override(context, &enrollment, "enrollment.commission_override.flat.currency_code")?;
    }
    finish(context, EventType::EnrollmentUpdated, enrollment, changes)
}

pub(super) fn end(context: &mut Context<'_>, command: &EndEnrollment) -> Result<(Outcome, Changes), Refusal> {
    let mut enrollment = context.set.enrollment(context.account_id, command.id)?.clone();
    if enrollment.state == EnrollmentState::Ended {
        let enrollment = with_landing(context, enrollment)?;
        return Ok((Outcome::Enrollment { enrollment: Box::new(enrollment), coupon: None }, Changes::default()));
    }
    enrollment.state = EnrollmentState::Ended;
    enrollment.ended_at = Some(context.now);
    finish(context, EventType::EnrollmentEnded, enrollment, Changes::default())
}

fn finish(
    context: &mut Context<'_>,
    event_type: EventType,
    mut enrollment: Enrollment,
    mut changes: Changes,
) -> Result<(Outcome, Changes), Refusal> {
    enrollment.updated_at = context.now;
    changes.events.push(event(context, event_type, &enrollment));
    changes.enrollments.push(enrollment.clone());
    let enrollment = with_landing(context, enrollment)?;
    Ok((Outcome::Enrollment { enrollment: Box::new(enrollment), coupon: None }, changes))
}
