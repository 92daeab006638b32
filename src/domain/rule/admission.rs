//! Whom a program takes: applications must answer its questions, and a private program takes them only with an invitation.

use std::sync::Arc;

use super::context::Context;
use super::{program, terms};
use crate::domain::affiliate::{Affiliate, AffiliateState};
use crate::domain::event::EventKind;
use crate::domain::id::ProgramId;
use crate::domain::program::{Invitation, Program, Question};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::time::Time;

/// Refuses an affiliate whom the program does not take, and an invitation that does not work.
pub(super) fn check(
    affiliate: &Affiliate,
    program: &Program,
    invitation_code: Option<&String>,
    now: Time,
) -> Result<(), Refusal> {
    let fault = invitation_code.and_then(|code| program.fault_of_invitation(code, now));
    if let Some(fault) = fault {
        return Err(Refusal::InvitationInvalid { program_id: program.id, fault });
    }
    if affiliate.state != AffiliateState::Applied {
        return Ok(());
    }
    if program.is_private && invitation_code.is_none() {
        return Err(Refusal::ProgramPrivate { program_id: program.id });
    }
    let is_answered = |question: &Question| {
        let mut fields = affiliate.profile.custom_fields.iter();
        fields.any(|field| field.key == question.key && !field.value.is_empty())
    };
    let asked = program.questions.iter().filter(|question| question.is_required);
    let missing: Vec<&str> =
        asked.filter(|question| !is_answered(question)).map(|question| question.key.as_str()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let problem = format!("must answer the program's required questions; add values for: {}", missing.join(", "));
    Err(Refusal::InvalidField { field: Field::CustomFields, problem })
}

/// Counts the use of the invitation that an affiliate was enrolled with.
pub(super) fn count_invitation(
    context: &mut Context<'_>,
    program_id: ProgramId,
    invitation_code: Option<&String>,
) -> Result<(), Refusal> {
    let Some(code) = invitation_code else { return Ok(()) };
    let before = Arc::clone(context.get::<Program, _>(program_id)?);
    let counted = |invitation: &Invitation| {
        let use_count = invitation.use_count.saturating_add(i32::from(invitation.code == *code));
        Invitation { use_count, ..invitation.clone() }
    };
    let program = Program {
        invitations: before.invitations.iter().map(counted).collect(),
        version: before.version.saturating_add(1),
        updated_at: context.now,
        ..before.as_ref().clone()
    };
    let terms = terms::terms_in_force(context, &program)?;
    program::put(context, EventKind::ProgramUpdated, program, terms);
    Ok(())
}
