//! Enrollments: an affiliate in a program, with its ref_id, links and own commission.

use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    let program = context.set.active_program(context.account_id, wanted.program_id)?;
    if let Some(commission) = wanted.commission_override {
        check_commission(commission, program.currency, "commission_override.flat.currency_code")?;
    }
    let enrollment = Enrollment {
        id: EnrollmentId::new(context.ids),
        account_id: context.account_id,
        affiliate_id,
        program_id: program.id,
        ref_id: free_ref_id(context, wanted)?,
        landing_url: wanted.landing_url.clone(),
        commission_override: wanted.commission_override,
        state: EnrollmentState::Active,
        created_at: context.now,
        updated_at: context.now,
        ended_at: None,
    };
    changes.links.push(link::for_code(context, &enrollment, &enrollment.ref_id, ""));
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
    let program = context.set.active_program(context.account_id, command.enrollment.program_id)?;
    if let Some(other) = context.set.enrollment_in(context.account_id, affiliate_id, program.id)? {
        return Err(Refusal::AlreadyExists {
            field: "program_id",
            value: program.id.to_string(),
            resource_id: other.id.to_string(),
        });
    }
    let coupon_count = context.set.active_coupon_count(context.account_id, affiliate_id)?;
    let mut changes = Changes::default();
    let made = make(context, affiliate_id, coupon_count, &command.enrollment, &mut changes)?;
    Ok((Outcome::Enrollment { enrollment: made.enrollment, coupon: made.coupon }, changes))
}

pub(super) fn update(context: &mut Context<'_>, command: &UpdateEnrollment) -> Result<(Outcome, Changes), Refusal> {
    let mut enrollment = context.set.active_enrollment(context.account_id, command.id)?.clone();
    let mut changes = Changes::default();
    if let Some(ref_id) = &command.ref_id
        && *ref_id != enrollment.ref_id
    {
        link::code_is_free(context, ref_id, "enrollment.ref_id")?;
        // The old code keeps its row, revoked: nobody else can take over the links that are out in the world.
        if let Some(old) = context.set.link_with_code(context.account_id, &enrollment.ref_id)? {
            changes.links.push(link::revoked(old, context.now));
        }
        enrollment.ref_id.clone_from(ref_id);
        changes.links.push(link::for_code(context, &enrollment, ref_id, ""));
    }
    if let Some(landing_url) = &command.landing_url {
        enrollment.landing_url.clone_from(landing_url);
    }
    if let Some(commission) = command.commission_override {
        let program = context.set.program(context.account_id, enrollment.program_id)?;
        if let Some(commission) = commission {
            check_commission(commission, program.currency, "enrollment.commission_override.flat.currency_code")?;
        }
        enrollment.commission_override = commission;
    }
    finish(context, EventType::EnrollmentUpdated, enrollment, changes)
}

pub(super) fn end(context: &mut Context<'_>, command: &EndEnrollment) -> Result<(Outcome, Changes), Refusal> {
    let mut enrollment = context.set.enrollment(context.account_id, command.id)?.clone();
    if enrollment.state == EnrollmentState::Ended {
        let enrollment = with_landing(context, enrollment)?;
        return Ok((Outcome::Enrollment { enrollment, coupon: None }, Changes::default()));
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
    Ok((Outcome::Enrollment { enrollment, coupon: None }, changes))
}
