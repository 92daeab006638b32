//! Who gets a coupon: an affiliate that exists, or one that is created with the coupon.

use std::sync::Arc;

use super::affiliate::{self, CreateAffiliate};
use super::context::Context;
use super::enrollment::{self, NewEnrollment};
use crate::domain::affiliate::{AffiliateSelector, AffiliateState};
use crate::domain::enrollment::{Enrollment, EnrollmentState};
use crate::domain::id::{AccountId, ProgramId};
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::set::Needs;

/// What happens if the affiliate is missing, or was never enrolled in the program.
#[derive(Debug, Clone)]
pub enum IfMissing {
    /// Both are refused.
    Refuse,
    /// A missing affiliate is refused. A missing enrollment is made. Its program is that of the coupon.
    Enroll(Box<NewEnrollment>),
    /// Both are made.
    Create(Box<CreateAffiliate>),
}

impl IfMissing {
    fn newcomer(&self) -> Option<&CreateAffiliate> {
        match self {
            Self::Create(newcomer) => Some(newcomer),
            Self::Refuse | Self::Enroll(_) => None,
        }
    }

    fn enrollment(&self) -> Option<&NewEnrollment> {
        match self {
            Self::Create(newcomer) => Some(&newcomer.enrollment),
            Self::Enroll(enrollment) => Some(enrollment),
            Self::Refuse => None,
        }
    }
}

/// The affiliate that gets a coupon.
#[derive(Debug, Clone)]
pub struct CodeHolder {
    /// The name of the affiliate.
    pub affiliate: AffiliateSelector,
    /// What happens if it is missing.
    pub if_missing: IfMissing,
}

impl CodeHolder {
    /// Adds the rows that [`CodeHolder::enrolled`] needs, except the program.
    pub(super) fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
        needs.coupon_count(account, &self.affiliate);
        match &self.if_missing {
            IfMissing::Create(newcomer) => newcomer.needs_of_names(account, needs),
            IfMissing::Enroll(enrollment) => enrollment.needs_of_codes(account, needs),
            IfMissing::Refuse => {}
        }
    }

    /// The holder's active enrollment in a program. A missing affiliate or enrollment is made if that is wanted.
    pub(super) fn enrolled(
        &self,
        context: &mut Context<'_>,
        program_id: Option<ProgramId>,
    ) -> Result<Arc<Enrollment>, Refusal> {
        let found = context.set.find_affiliate(context.account_id, &self.affiliate)?.cloned();
        let found = match (found, self.if_missing.newcomer()) {
            (Some(affiliate), _) if affiliate.state == AffiliateState::Erased => {
                return Err(Refusal::AffiliateErased { affiliate_id: affiliate.id });
            }
            (Some(affiliate), _) => Ok(affiliate),
            (None, Some(newcomer)) => Err(newcomer),
            (None, None) => return Err(Refusal::not_found(Resource::Affiliate, &self.affiliate)),
        };
        let program_id = context.set.active_program(context.account_id, program_id)?.id;
        let in_program = |wanted: &NewEnrollment| NewEnrollment { program_id: Some(program_id), ..wanted.clone() };
        let affiliate = match found {
            Ok(affiliate) => affiliate,
            Err(newcomer) => {
                let made = affiliate::make(context, newcomer, &in_program(&newcomer.enrollment))?;
                return Ok(made.enrollment.enrollment);
            }
        };
        let affiliate_id = affiliate.id;
        match context.set.enrollment_in(context.account_id, affiliate_id, program_id)?.cloned() {
            Some(enrollment) if enrollment.state == EnrollmentState::Ended => {
                Err(Refusal::EnrollmentEnded { enrollment_id: enrollment.id })
            }
            Some(enrollment) => Ok(enrollment),
            None => match self.if_missing.enrollment() {
                Some(wanted) => Ok(enrollment::make(context, &affiliate, &in_program(wanted))?.enrollment.enrollment),
                None => Err(Refusal::NotEnrolled { affiliate_id, program_id }),
            },
        }
    }
}
