//! The turns of an event in a simulation: each verdict on it, each refund and each correction, with the moments at which they were told. Knows no
//! prices.

use super::group::Group;
use super::meeting::Meeting;
use crate::domain::conversion::{Conversion, ConversionKind};
use crate::domain::money::Overflow;
use crate::domain::refusal::Refusal;
use crate::domain::rule::replay::{ActDraft, TurnDraft, told};
use crate::domain::simulation::has_tallies;
use crate::domain::time::Time;

/// The turns of an event. None, if it is never credited under terms with tallies.
pub(super) fn turns(group: &Group, event: &Conversion, meetings: Option<Vec<Meeting>>) -> Vec<TurnDraft> {
    let meetings = meetings.unwrap_or_default();
    if !meetings.iter().flat_map(|meeting| &meeting.claims).any(|claim| has_tallies(&claim.terms.rules)) {
        return Vec::new();
    }
    let judged = |meeting: Meeting| {
        let Meeting { at, rank, claims, coupon_owners, customer_sale, may_earn } = meeting;
        let claims = Box::new(claims);
        TurnDraft { at, rank, act: ActDraft::Judged { claims, coupon_owners, customer_sale, may_earn } }
    };
    let mut turns: Vec<_> = meetings.into_iter().map(judged).collect();
    let changes = group.changes_of(event);
    let (mut waiting, later): (Vec<_>, Vec<_>) = changes.iter().partition(|change| told(change) < told(event));
    // Refunds that waited are booked once their sale is, in the order in which they happened.
    waiting.sort_by_key(|change| (change.occurred_at, change.id));
    turns.extend((0..).zip(waiting).map(|(number, change)| {
        let rank = (Time::from_micros(i64::MAX), event.id, number);
        TurnDraft { at: told(event), rank, act: ActDraft::Changed(change.id) }
    }));
    turns.extend(later.into_iter().map(|change| {
        // What it makes of the numbers of other sales follows.
        let rank = (Time::from_micros(i64::MIN), event.id, 0);
        TurnDraft { at: told(change), rank, act: ActDraft::Changed(change.id) }
    }));
    turns
}

/// The amount of an event as it was told first, in minor units.
pub(super) fn told_minor(group: &Group, event: &Conversion) -> Result<i64, Refusal> {
    let corrections = group.changes_of(event).iter().filter(|change| change.kind == ConversionKind::Correction);
    let corrected = corrections.filter_map(|change| change.amount).map(|amount| i128::from(amount.amount_minor));
    let present = event.amount.map_or(0, |amount| i128::from(amount.amount_minor));
    Ok(i64::try_from(present - corrected.sum::<i128>()).map_err(|_| Overflow)?)
}
