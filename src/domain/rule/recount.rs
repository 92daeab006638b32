//! Sales that were counted on a ladder, after a refund, a correction or another credit. See [`ladder`](super::ladder).

use std::sync::Arc;

use super::commission::{self, Claim};
use super::context::Context;
use super::ladder;
use crate::domain::conversion::Conversion;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{ConversionId, EnrollmentId, ProgramId};
use crate::domain::ladder::{LadderPart, Laddered};
use crate::domain::program::{Program, Terms};
use crate::domain::refusal::Refusal;

/// Follows a refund or a correction of a sale.
pub(super) fn follow(context: &mut Context<'_>, event_id: ConversionId) -> Result<(), Refusal> {
    let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
    for laddered in event.order.laddered.clone() {
        let Laddered { enrollment_id, program_id, terms_version, .. } = laddered;
        let Some(claim) = claim_of(context, &event, enrollment_id, program_id, terms_version)? else { continue };
        let priced = commission::price(context, &event, &claim)?;
        let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
        ladder::count(context, &event, claim.split.as_ref(), laddered, priced.as_ref())?;
    }
    Ok(())
}

/// Takes an event out of its tallies, and lets it meet a step anew when it is credited again.
pub(super) fn withdraw(context: &mut Context<'_>, event_id: ConversionId) -> Result<(), Refusal> {
    let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
    if event.order.laddered.is_empty() {
        return Ok(());
    }
    for laddered in &event.order.laddered {
        ladder::replace(context, laddered, LadderPart::default())?;
    }
    let mut event = event.as_ref().clone();
    event.order.laddered = Vec::new();
    context.put(event);
    Ok(())
}

/// The claim by which an event was counted.
pub(super) fn claim_of(
    context: &mut Context<'_>,
    event: &Conversion,
    enrollment_id: EnrollmentId,
    program_id: ProgramId,
    terms_version: i32,
) -> Result<Option<Claim>, Refusal> {
    let account_id = context.account_id;
    let wanted = context.set.wanted();
    wanted.row::<Enrollment>((account_id, enrollment_id));
    wanted.row::<Program>((account_id, program_id));
    wanted.row::<Terms>((account_id, program_id, terms_version));
    let credit = event.credits.iter().find(|credit| credit.enrollment_id == enrollment_id);
    let Some(credit) = credit.cloned() else { return Ok(None) };
    let enrollment = Arc::clone(context.set.existing::<Enrollment>(&(account_id, enrollment_id))?);
    let program = context.set.program(account_id, program_id)?;
    let terms = Arc::clone(context.set.terms(program, terms_version)?);
    let split = credit.split_among(&event.credits);
    Ok(Some(Claim { credit, enrollment, terms, split }))
}
