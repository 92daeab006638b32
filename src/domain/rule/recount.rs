//! Sales that were counted on a ladder, after a refund, a correction or another credit. See [`ladder`](super::ladder).
//!
//! If the ladder pays for its tally, always:
//!
//! `what is paid for the tally = sum over its sales of what is left of their own rewards, with their changes of the tally, of what the ladder gives`

use std::sync::Arc;

use super::commission::{self, Claim};
use super::context::Context;
use super::ladder;
use super::tally_booking::{Change, book, left_of, own_left};
use crate::domain::conversion::Conversion;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{ConversionId, EnrollmentId, ProgramId};
use crate::domain::ladder::{Ladder, LadderMode, LadderPart, Laddered};
use crate::domain::money::Overflow;
use crate::domain::pricing::{self, Priced};
use crate::domain::program::{Program, Terms};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Reward, RewardLine, RewardState};
use crate::domain::tally::TallyChange;

/// Follows a refund or a correction of a sale, once its own rewards have.
pub(super) fn follow(
    context: &mut Context<'_>,
    event_id: ConversionId,
    cause: ConversionId,
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
    for laddered in event.order.laddered.iter().filter(|laddered| !laddered.is_withdrawn) {
        let Laddered { enrollment_id, program_id, terms_version, .. } = *laddered;
        let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
        let Some(claim) = claim_of(context, &event, enrollment_id, program_id, terms_version)? else { continue };
        let priced = commission::price(context, &event, &claim)?;
        ladder::count(context, &event, &claim, laddered.clone(), priced.as_ref())?;
        settle(context, event_id, &claim, priced.as_ref(), (cause, had(laddered)), settled)?;
    }
    Ok(())
}

/// Books what a sale that was just credited and has written its own reward makes of the tally of its ladder. Nothing, for a sale that `follow`
/// comes to.
pub(super) fn settle_new(
    context: &mut Context<'_>,
    event: &Conversion,
    claim: &Claim,
    priced: Option<&Priced>,
) -> Result<Option<Arc<Reward>>, Refusal> {
    let is_of_claim = |laddered: &Laddered| laddered.enrollment_id == claim.credit.enrollment_id;
    if event.refund_count > 0 || event.order.laddered.iter().any(is_of_claim) {
        return Ok(None);
    }
    settle(context, event.id, claim, priced, (event.id, 0), &mut Vec::new())
}

/// Takes an event out of its tallies, and lets it meet a step anew when it is credited again. Its own rewards were taken back. A claim whose reward
/// was denied stays in its tally, because it earns nothing anew: what the event is worth there changes in [`follow`].
pub(super) fn withdraw(
    context: &mut Context<'_>,
    event_id: ConversionId,
    denied: &[Claim],
    settled: &mut Vec<Arc<Reward>>,
) -> Result<(), Refusal> {
    let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
    if event.order.laddered.iter().all(|laddered| laddered.is_withdrawn) {
        return Ok(());
    }
    let mut left: Vec<Laddered> = Vec::new();
    for laddered in &event.order.laddered {
        let mut laddered = laddered.clone();
        if let Some(claim) = denied.iter().find(|claim| is_in_tally_of(&laddered, claim)) {
            laddered.terms_version = claim.credit.terms_version;
            left.push(laddered);
            continue;
        }
        if !laddered.is_withdrawn {
            let (terms, had_minor) = (ladder::terms_of(context, &laddered)?, had(&laddered));
            ladder::replace(context, &terms, &mut laddered, LadderPart::default())?;
            laddered.other_minor = 0;
            laddered.is_withdrawn = true;
            if pays_for_tally(&terms) {
                book_difference(context, &event, &terms, &mut laddered, 0, (event_id, had_minor), settled)?;
            }
        }
        let is_same = |other: &&mut Laddered| {
            other.is_withdrawn
                && other.enrollment_id == laddered.enrollment_id
                && other.key(event.account_id) == laddered.key(event.account_id)
        };
        match left.iter_mut().find(is_same) {
            Some(other) => {
                other.paid_minor = other.paid_minor.checked_add(laddered.paid_minor).ok_or(Overflow)?;
                other.changed_minor = other.changed_minor.checked_add(laddered.changed_minor).ok_or(Overflow)?;
            }
            None => left.push(laddered),
        }
    }
    left.retain(|laddered| !laddered.is_withdrawn || (laddered.paid_minor, laddered.changed_minor) != (0, 0));
    let mut event = context.set.conversion(context.account_id, event_id)?.as_ref().clone();
    event.order.laddered = left;
    context.put(event);
    Ok(())
}

/// Whether a sale is in the tally that the ladder of a claim counts it in.
fn is_in_tally_of(laddered: &Laddered, claim: &Claim) -> bool {
    let counts =
        |ladder: &Ladder| (ladder.since_version, ladder.period) == (laddered.since_version, laddered.met.period);
    !laddered.is_withdrawn
        && laddered.enrollment_id == claim.credit.enrollment_id
        && claim.terms.rules.ladder.as_ref().is_some_and(counts)
}

fn pays_for_tally(terms: &Terms) -> bool {
    terms.rules.ladder.as_ref().is_some_and(|ladder| ladder.mode.pays_for_tally())
}

/// What an affiliate has for a sale.
const fn had(laddered: &Laddered) -> i64 {
    laddered.paid_minor.saturating_add(laddered.other_minor)
}

/// Books what the own reward of a sale does not say. `cause` is the refund, the correction or the sale itself, with what the affiliate had for the
/// sale before.
fn settle(
    context: &mut Context<'_>,
    event_id: ConversionId,
    claim: &Claim,
    priced: Option<&Priced>,
    cause: (ConversionId, i64),
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Option<Arc<Reward>>, Refusal> {
    let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
    let laddered = event.laddered(claim.credit.enrollment_id).filter(|_| pays_for_tally(&claim.terms));
    let Some(mut laddered) = laddered.cloned() else { return Ok(None) };
    let currency = laddered.met.amount_before.currency;
    let own_minor = match priced.filter(|priced| priced.value.currency == currency) {
        // A denied reward keeps the value that it was denied with, also if the sale is shared or counted by other terms since.
        Some(priced) if is_denied(context, &event, laddered.enrollment_id)? => {
            left_of(&event, priced.value.amount_minor, &priced.calculation.lines, claim.terms.rules.rounding)?
        }
        _ => own_left(context, &event, laddered.enrollment_id, Some(currency), false)?,
    };
    laddered.other_minor = match priced {
        Some(priced) if pricing::laddered_minor(&priced.calculation, &laddered.met)? > 0 => {
            others_left(&event, claim, priced)?
        }
        _ => own_minor,
    };
    let booked = book_difference(context, &event, &claim.terms, &mut laddered, own_minor, cause, settled)?;
    let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
    ladder::keep(context, &event, laddered)?;
    Ok(booked)
}

/// Whether a person has denied what the sale earned for a credit.
fn is_denied(context: &Context<'_>, event: &Conversion, enrollment_id: EnrollmentId) -> Result<bool, Refusal> {
    let rewards = context.set.rewards_of(context.account_id, event.id)?;
    let is_own = |reward: &&&Arc<Reward>| reward.reverses.is_none() && reward.is_of_credit(enrollment_id);
    Ok(rewards.iter().filter(is_own).any(|reward| reward.state == RewardState::Denied))
}

/// What is left of a price, of what the ladder does not give. The values of the steps of a retroactive ladder are those of the whole sale.
fn others_left(event: &Conversion, claim: &Claim, priced: &Priced) -> Result<i64, Overflow> {
    let is_marginal = claim.terms.rules.ladder.as_ref().is_some_and(|ladder| ladder.mode == LadderMode::Marginal);
    if !is_marginal || priced.calculation.lines.is_empty() {
        return Ok(0);
    }
    let lines = priced.calculation.lines.iter();
    let without_ladder = lines.map(|line| {
        let value_minor = if pricing::is_by_ladder(line) { 0 } else { line.value_minor };
        RewardLine { value_minor, ..line.clone() }
    });
    let lines: Vec<RewardLine> = without_ladder.collect();
    let value_minor = lines.iter().map(|line| line.value_minor).fold(0, i64::saturating_add);
    left_of(event, value_minor, &lines, claim.terms.rules.rounding)
}

fn book_difference(
    context: &mut Context<'_>,
    event: &Conversion,
    terms: &Terms,
    laddered: &mut Laddered,
    own_minor: i64,
    (cause, paid_before_minor): (ConversionId, i64),
    settled: &mut Vec<Arc<Reward>>,
) -> Result<Option<Arc<Reward>>, Refusal> {
    let Some(ladder) = &terms.rules.ladder else { return Ok(None) };
    let paid_after_minor = laddered.paid_minor.checked_add(laddered.other_minor).ok_or(Overflow)?;
    let booked_minor = own_minor.checked_add(laddered.changed_minor).ok_or(Overflow)?;
    let value_minor = paid_after_minor.checked_sub(booked_minor).ok_or(Overflow)?;
    if value_minor == 0 {
        return Ok(None);
    }
    laddered.changed_minor = laddered.changed_minor.checked_add(value_minor).ok_or(Overflow)?;
    let tally = ladder::tally_of(context, laddered)?;
    let change = Change {
        enrollment_id: laddered.enrollment_id,
        affiliate_id: laddered.affiliate_id,
        program_id: laddered.program_id,
        terms_version: laddered.terms_version,
        base_minor: own_minor,
        caps: Vec::new(),
        ladder: Some(ladder::met_without(ladder, &tally, laddered)?),
        tally_change: TallyChange { paid_before_minor, paid_after_minor, booked_minor },
    };
    book(context, event, change, value_minor, cause, settled)
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
    let judged_by = commission::judging(program);
    Ok(Some(Claim { credit, enrollment, terms, split, judged_by }))
}
