//! Who referred a lead, as a person names it, and the binding that this makes.

use std::sync::Arc;

use crate::domain::affiliate::AffiliateSelector;
use crate::domain::attribution::AttributionSource;
use crate::domain::conversion::{WHOLE_SHARE_PPM, Way};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, EnrollmentId, ProgramId};
use crate::domain::lead::{Lead, ManualBinding};
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::rule::commission::credits_of;
use crate::domain::rule::context::Context;
use crate::domain::rule::customer;
use crate::domain::rule::shared_credit::Winner;
use crate::domain::rule::timeline::claims_of;
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// An enrollment, named in one of three ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Referrer {
    /// By its id.
    Enrollment(EnrollmentId),
    /// By its ref_id or the code of a link, in lower case.
    Code(String),
    /// By its affiliate.
    Affiliate {
        /// The affiliate.
        affiliate: AffiliateSelector,
        /// The program; `None` for the account's default program.
        program_id: Option<ProgramId>,
    },
}

impl Referrer {
    /// Adds the rows that [`Referrer::enrollment`] needs.
    pub(super) fn needs(&self, account: AccountId, needs: &mut Needs) {
        match self {
            Self::Enrollment(id) => needs.row::<Enrollment>((account, *id)),
            Self::Code(code) => needs.link_code(account, code),
            Self::Affiliate { affiliate, program_id } => {
                needs.affiliate(account, affiliate);
                needs.program(account, *program_id);
            }
        }
    }

    /// The enrollment. Refuses unless it and its program are active.
    pub(super) fn enrollment(&self, context: &Context<'_>) -> Result<Arc<Enrollment>, Refusal> {
        let (set, account_id) = (&context.set, context.account_id);
        let id = match self {
            Self::Enrollment(id) => *id,
            Self::Code(code) => match set.link_with_code(account_id, code)? {
                Some(link) if !link.is_revoked_at(context.now) => link.enrollment_id,
                _ => return Err(Refusal::not_found(Resource::Link, code)),
            },
            Self::Affiliate { affiliate, program_id } => {
                let affiliate_id = set.affiliate(account_id, affiliate)?.id;
                let program_id = set.active_program(account_id, *program_id)?.id;
                let enrollment = set.enrollment_in(account_id, affiliate_id, program_id)?;
                enrollment.ok_or(Refusal::NotEnrolled { affiliate_id, program_id })?.id
            }
        };
        let enrollment = set.active_enrollment(account_id, id)?;
        set.active_program(account_id, Some(enrollment.program_id))?;
        Ok(Arc::clone(enrollment))
    }
}

/// Binds a lead by hand, in place of the binding that it has.
pub(super) fn bind(
    context: &Context<'_>,
    lead: &mut Lead,
    enrollment: Arc<Enrollment>,
    bound_at: Time,
    referred_at: Time,
    reason: &str,
) -> Result<(), Refusal> {
    let (source, share_ppm) = (AttributionSource::Manual, WHOLE_SHARE_PPM);
    let winner = Winner { source, enrollment, referred_at, way: Way::default(), share_ppm };
    let credits = credits_of(&claims_of(context.set, &[winner], None, bound_at)?);
    let binding = customer::binding(credits, bound_at, referred_at);
    lead.binding = Some(binding.clone());
    let reason = reason.to_owned();
    lead.details.keep_manual_binding(ManualBinding { binding, made_at: context.now, reason, merged_id: None });
    Ok(())
}
