//! When a new affiliate is welcomed by a mail: at its creation, or when it becomes active.

use std::sync::Arc;

use super::context::Context;
use crate::domain::account::Account;
use crate::domain::affiliate::Affiliate;
use crate::domain::enrollment::{Enrollment, EnrollmentState};
use crate::domain::program::{Program, ProgramState};
use crate::domain::referral_link::referral_link;
use crate::domain::refusal::Refusal;
use crate::domain::welcome::Welcomed;

/// Welcomes an affiliate that became active, in the program of its first enrollment that is active.
pub(super) fn send_late(context: &mut Context<'_>, affiliate: &Affiliate) -> Result<(), Refusal> {
    let enrollments = context.set.enrollments_of(context.account_id, affiliate.id)?;
    let active = enrollments.into_iter().filter(|enrollment| enrollment.state == EnrollmentState::Active);
    match active.min_by_key(|enrollment| (enrollment.created_at, enrollment.id)).cloned() {
        Some(first) => send(context, affiliate, &first),
        None => Ok(()),
    }
}

/// Welcomes an active affiliate, if the program has a mail for that and the affiliate an address.
pub(super) fn send(context: &mut Context<'_>, affiliate: &Affiliate, enrollment: &Enrollment) -> Result<(), Refusal> {
    let program = Arc::clone(context.get::<Program, _>(enrollment.program_id)?);
    let mail = program.welcome_mail.as_ref().filter(|mail| mail.is_enabled);
    let Some(mail) = mail.filter(|_| program.state == ProgramState::Active && !affiliate.email.is_empty()) else {
        return Ok(());
    };
    // Only programs with such a mail need the account.
    let account_id = context.account_id;
    context.set.wanted().row::<Account>(account_id);
    let letter = mail.letter(Welcomed {
        first_name: &affiliate.first_name,
        email: &affiliate.email,
        program_name: &program.display_name,
        account_name: &context.set.account(account_id)?.display_name,
        referral_link: &referral_link(context.set.landing_url(enrollment)?, &enrollment.ref_id),
    });
    context.mail_to_affiliate(affiliate.id, letter);
    Ok(())
}
