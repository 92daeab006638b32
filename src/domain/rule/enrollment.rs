//! The rules of enrollments.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::admission;
use super::context::{Context, Rule};
use super::dated_commission::{self, NewDatedCommission};
use super::enrollment_bonus;
use super::link;
use super::new_coupon::{self, NewCoupon};
use super::program::check_commission;
use crate::domain::affiliate::{Affiliate, AffiliateSelector};
use crate::domain::coupon::Coupon;
use crate::domain::enrollment::{
    Acceptance, Enrollment, EnrollmentOutcome, EnrollmentState, EnrollmentWithLanding, Moved, MovedLeads,
};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, EnrollmentId, ProgramId};
use crate::domain::program::{Commission, Program};
use crate::domain::refusal::{Field, Refusal, Resource};
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
    /// What the affiliate has accepted of the program's agreement.
    pub acceptance: Option<NewAcceptance>,
    /// The code of one of the program's invitations, folded.
    pub invitation_code: Option<String>,
    /// The merchant's own texts by key.
    pub metadata: BTreeMap<String, String>,
}

/// A version of a program's agreement that an affiliate accepts now.
#[derive(Debug, Clone)]
pub struct NewAcceptance {
    /// The version.
    pub version: i32,
    /// Where it is accepted; may be empty.
    pub source: String,
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
        let made = make_or_reopen(context, &affiliate, &self.enrollment)?;
        Ok(Arc::new(EnrollmentOutcome { enrollment: made.enrollment, coupon: made.coupon }))
    }
}

/// Enrolls an affiliate in a program in which it is not. An ended enrollment in it is opened again.
fn make_or_reopen(context: &mut Context<'_>, affiliate: &Affiliate, wanted: &NewEnrollment) -> Result<Made, Refusal> {
    let affiliate_id = affiliate.id;
    let program = context.set.active_program(context.account_id, wanted.program_id)?;
    admission::check(affiliate, program, wanted.invitation_code.as_ref(), context.now)?;
    let program_id = program.id;
    match context.set.enrollment_in(context.account_id, affiliate_id, program_id)?.cloned() {
        Some(other) if other.state == EnrollmentState::Active => {
            Err(Refusal::AlreadyEnrolled { affiliate_id, program_id, enrollment_id: other.id })
        }
        Some(ended) => reopen(context, &ended, wanted),
        None => make(context, affiliate, wanted),
    }
}

/// An enrollment that was created or reopened.
pub(super) struct Made {
    pub(super) enrollment: EnrollmentWithLanding,
    pub(super) coupon: Option<Arc<Coupon>>,
}

/// Enrolls an affiliate in a program: creates the enrollment, the link with its ref_id, and the coupon if one was requested.
pub(super) fn make(context: &mut Context<'_>, affiliate: &Affiliate, wanted: &NewEnrollment) -> Result<Made, Refusal> {
    let program = context.set.active_program(context.account_id, wanted.program_id)?;
    admission::check(affiliate, program, wanted.invitation_code.as_ref(), context.now)?;
    let program_id = program.id;
    let mut enrollment = Enrollment {
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
        moved: None,
        awaits_agreement: false,
        was_active: false,
        acceptances: Vec::new(),
        metadata: wanted.metadata.clone(),
        dated_commissions: Vec::new(),
        past: Vec::new(),
    };
    note_agreement(context, &mut enrollment, wanted.acceptance.as_ref())?;
    check_override(context, &enrollment)?;
    enrollment_bonus::pay(context, &mut enrollment)?;
    let enrollment = put(context, EventKind::EnrollmentCreated, enrollment);
    admission::count_invitation(context, program_id, wanted.invitation_code.as_ref())?;
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
    Ok(Made { enrollment: context.set.with_landing(enrollment)?, coupon })
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

/// Reopens an ended enrollment. The affiliate keeps its links, coupons and leads; everything else is as in a new enrollment.
fn reopen(context: &mut Context<'_>, ended: &Enrollment, wanted: &NewEnrollment) -> Result<Made, Refusal> {
    let mut enrollment = Enrollment {
        landing_url: wanted.landing_url.clone(),
        commission_override: wanted.commission_override,
        metadata: wanted.metadata.clone(),
        state: EnrollmentState::Active,
        updated_at: context.now,
        ended_at: None,
        moved: None,
        ..ended.clone()
    };
    dated_commission::withdraw_all(&mut enrollment.dated_commissions, context.now);
    note_agreement(context, &mut enrollment, wanted.acceptance.as_ref())?;
    enrollment.keep_past(ended, context.now);
    check_override(context, &enrollment)?;
    if let Some(ref_id) = &wanted.ref_id {
        set_ref_id(context, &mut enrollment, ref_id)?;
    }
    enrollment_bonus::pay(context, &mut enrollment)?;
    let enrollment = put(context, EventKind::EnrollmentCreated, enrollment);
    admission::count_invitation(context, enrollment.program_id, wanted.invitation_code.as_ref())?;
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

/// Lets an enrollment that begins wait for what its program requires, unless the affiliate has accepted a version of it.
fn note_agreement(
    context: &Context<'_>,
    enrollment: &mut Enrollment,
    accepted: Option<&NewAcceptance>,
) -> Result<(), Refusal> {
    let program = context.get::<Program, _>(enrollment.program_id)?;
    enrollment.awaits_agreement = program.requires_agreement() && enrollment.acceptances.is_empty();
    match accepted {
        Some(accepted) => accept(context, enrollment, accepted),
        None => Ok(()),
    }
}

/// Keeps an acceptance, which must be one of the newest version. The same version is kept once.
fn accept(context: &Context<'_>, enrollment: &mut Enrollment, accepted: &NewAcceptance) -> Result<(), Refusal> {
    let program = context.get::<Program, _>(enrollment.program_id)?;
    let current_version = program.agreement.as_ref().map_or(0, |agreement| agreement.version);
    if current_version != accepted.version {
        return Err(Refusal::AgreementVersion { program_id: program.id, current_version });
    }
    if enrollment.acceptances.last().is_none_or(|last| last.version != accepted.version) {
        let (version, source) = (accepted.version, accepted.source.clone());
        enrollment.accept(Acceptance { version, accepted_at: context.now, source });
    }
    Ok(())
}

/// Say that an affiliate has accepted the program's agreement.
#[derive(Debug, Clone)]
pub struct AcceptAgreement {
    /// The affiliate's enrollment in the program.
    pub id: EnrollmentId,
    /// What it has accepted.
    pub acceptance: NewAcceptance,
}

impl Rule for AcceptAgreement {
    type Answer = Arc<EnrollmentOutcome>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Enrollment>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = Arc::clone(context.set.active_enrollment(context.account_id, self.id)?);
        let mut enrollment = before.as_ref().clone();
        accept(context, &mut enrollment, &self.acceptance)?;
        let enrollment = if enrollment == *before {
            before
        } else {
            enrollment.keep_past(&before, context.now);
            enrollment.updated_at = context.now;
            enrollment_bonus::pay(context, &mut enrollment)?;
            put(context, EventKind::EnrollmentUpdated, enrollment)
        };
        Ok(Arc::new(EnrollmentOutcome { enrollment: context.set.with_landing(enrollment)?, coupon: None }))
    }
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
    /// A commission for a time, which is added.
    pub dated_commission: Option<NewDatedCommission>,
    /// The number of a commission for a time that is withdrawn. 0: none.
    pub withdraw_dated_commission: i32,
    /// The merchant's own texts by key.
    pub metadata: Option<BTreeMap<String, String>>,
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
        if self.withdraw_dated_commission > 0 {
            let (of, number) = ((Resource::Enrollment, self.id), self.withdraw_dated_commission);
            dated_commission::withdraw(&mut enrollment.dated_commissions, of, number, context.now)?;
        }
        if let Some(wanted) = &self.dated_commission {
            dated_commission::add(context, enrollment.program_id, &mut enrollment.dated_commissions, wanted)?;
        }
        if let Some(metadata) = &self.metadata {
            enrollment.metadata.clone_from(metadata);
        }
        enrollment.keep_past(&before, context.now);
        enrollment.updated_at = context.now;
        let enrollment = put(context, EventKind::EnrollmentUpdated, enrollment);
        if self.ref_id.is_some() {
            put_link(context, &enrollment)?;
        }
        Ok(Arc::new(EnrollmentOutcome { enrollment: context.set.with_landing(enrollment)?, coupon: None }))
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
        // One that was moved goes on in the other program, until it is ended itself.
        if enrollment.state == EnrollmentState::Active || enrollment.moved.is_some() {
            enrollment = end(context, &enrollment, None);
        }
        Ok(Arc::new(EnrollmentOutcome { enrollment: context.set.with_landing(enrollment)?, coupon: None }))
    }
}

/// Ends an enrollment. `moved` says which one earns in its place, if any.
fn end(context: &mut Context<'_>, before: &Enrollment, moved: Option<Moved>) -> Arc<Enrollment> {
    let mut ended = Enrollment {
        state: EnrollmentState::Ended,
        ended_at: Some(context.now),
        updated_at: context.now,
        moved,
        ..before.clone()
    };
    ended.keep_past(before, context.now);
    put(context, EventKind::EnrollmentEnded, ended)
}

/// Move an affiliate from one program to another: end an enrollment, and let another one earn in its place.
#[derive(Debug, Clone)]
pub struct MoveEnrollment {
    /// The enrollment to end.
    pub id: EnrollmentId,
    /// The enrollment in the other program. Its metadata is not read, because it gets that of the ended one.
    pub enrollment: NewEnrollment,
    /// What becomes of the customers who are bound to the ended one.
    pub leads: MovedLeads,
}

impl Rule for MoveEnrollment {
    type Answer = Arc<EnrollmentOutcome>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Enrollment>((account, self.id));
        self.enrollment.needs(account, needs);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let account_id = context.account_id;
        let before = Arc::clone(context.set.active_enrollment(account_id, self.id)?);
        let selector = AffiliateSelector::Id(before.affiliate_id);
        // The request names the enrollment, and that leads to the affiliate.
        context.set.wanted().affiliate(account_id, &selector);
        let affiliate = Arc::clone(context.set.living_affiliate(account_id, &selector)?);
        let wanted = NewEnrollment { metadata: before.metadata.clone(), ..self.enrollment.clone() };
        let made = make_or_reopen(context, &affiliate, &wanted)?;
        let moved = Moved { to: made.enrollment.enrollment.id, leads: self.leads };
        end(context, &before, Some(moved));
        Ok(Arc::new(EnrollmentOutcome { enrollment: made.enrollment, coupon: None }))
    }
}
