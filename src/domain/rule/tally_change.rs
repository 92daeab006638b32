//! Changes of tallies by refunds, corrections and other credits.
//!
//! An event that is credited earns as much as its caps have room for, see [`tally`](super::tally). A refund, a correction or another credit changes the tally too.
//! What the caps then let the affiliate have for the event may differ from what is left of the event's own reward, for example because
//! other sales had found no room. The difference is a reward of its own: a change of the tally, which belongs to the event. Always:
//!
//! `what the caps let pass = what is left of the event's own reward + the changes of the tally that belong to the event`
//!
//! A reward that a person denies stays counted, so that a denial gives no room to other sales.

use std::sync::Arc;

use super::commission::{self, Claim};
use super::context::Context;
use super::recount::{self, claim_of};
use super::sales_tally;
use super::tally::{before_tallies, change, keep, note_paid};
use super::tally_booking::{Change, book, left_of, own_left};
use crate::domain::conversion::Conversion;
use crate::domain::id::{ConversionId, EnrollmentId};
use crate::domain::money::Overflow;
use crate::domain::refusal::Refusal;
use crate::domain::reward::Reward;
use crate::domain::tally::{Counted, TallyChange};

/// Makes the tallies of an event what they are with its present amount and refunds, once its own rewards are. `cause` is the refund or the
/// correction.
pub(super) fn follow(
    context: &mut Context<'_>,
    event_id: ConversionId,
    cause: ConversionId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    recount::follow(context, event_id, cause, settled)?;
    sales_tally::follow(context, event_id, cause)?;
    for mut counted in counted_of(context, event_id)? {
        let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
        let Counted { enrollment_id, program_id, terms_version, .. } = counted;
        let Some(claim) = claim_of(context, &event, enrollment_id, program_id, terms_version)? else { continue };
        let currency = context.set.program(context.account_id, counted.program_id)?.currency;
        let priced = commission::price(context, &event, &claim)?;
        let priced = priced.filter(|priced| priced.value.currency == currency);
        let whole_minor = before_tallies(&counted, priced.as_ref().map_or(0, |priced| priced.value.amount_minor));
        let lines = priced.as_ref().map_or(&[][..], |priced| &priced.calculation.lines);
        let left_minor = left_of(&event, whole_minor, lines, claim.terms.rules.rounding)?;
        let earned_minor = left_minor.checked_sub(counted.earned_minor).ok_or(Overflow)?;
        settle(context, (&event, false), &mut counted, earned_minor, cause, settled)?;
        keep(context, event_id, counted)?;
    }
    Ok(())
}

/// Takes an event out of its tallies, after all of its own rewards were taken back. The claims whose rewards were denied stay on their ladders.
pub(super) fn withdraw(
    context: &mut Context<'_>,
    event_id: ConversionId,
    denied: &[Claim],
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    recount::withdraw(context, event_id, denied, settled)?;
    sales_tally::withdraw(context, event_id)?;
    let all = counted_of(context, event_id)?;
    if all.is_empty() {
        return Ok(());
    }
    for counted in all {
        reset(context, event_id, counted.enrollment_id, settled)?;
    }
    let mut event = context.set.conversion(context.account_id, event_id)?.as_ref().clone();
    event.order.counted = Vec::new();
    context.put(event);
    Ok(())
}

/// Takes out of its tallies what an event has earned for a credit, before it earns anew. The changes of before stay.
pub(super) fn reset(
    context: &mut Context<'_>,
    event_id: ConversionId,
    enrollment_id: EnrollmentId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
    let Some(mut counted) = event.counted(enrollment_id).cloned() else { return Ok(()) };
    let earned_minor = counted.earned_minor.checked_neg().ok_or(Overflow)?;
    settle(context, (&event, true), &mut counted, earned_minor, event.id, settled)?;
    keep(context, event.id, counted)
}

fn counted_of(context: &Context<'_>, event_id: ConversionId) -> Result<Vec<Counted>, Refusal> {
    Ok(context.set.conversion(context.account_id, event_id)?.order.counted.clone())
}

/// Changes the tallies of an event, which may be leaving them, and books what its own reward does not say.
fn settle(
    context: &mut Context<'_>,
    (event, is_leaving): (&Conversion, bool),
    counted: &mut Counted,
    earned_minor: i64,
    cause: ConversionId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    // The event keeps its caps as it met them when it was counted.
    let mut met = counted.clone();
    note_paid(context, &mut met)?;
    let paid_before_minor = counted.paid_minor;
    change(context, counted, earned_minor)?;
    let currency = counted.caps.first().map(|cap| cap.applied.cap.maximum.currency);
    let own_minor = own_left(context, event, counted.enrollment_id, currency, is_leaving)?;
    let booked_minor = own_minor.checked_add(counted.changed_minor).ok_or(Overflow)?;
    let tally_change = TallyChange { paid_before_minor, paid_after_minor: counted.paid_minor, booked_minor };
    let value_minor = counted.paid_minor.checked_sub(booked_minor).ok_or(Overflow)?;
    counted.changed_minor = counted.changed_minor.checked_add(value_minor).ok_or(Overflow)?;
    let change = Change {
        enrollment_id: counted.enrollment_id,
        affiliate_id: counted.affiliate_id,
        program_id: counted.program_id,
        terms_version: counted.terms_version,
        base_minor: counted.earned_minor,
        caps: met.caps(),
        ladder: None,
        tally_change,
    };
    book(context, event, change, value_minor, cause, settled)?;
    Ok(())
}
