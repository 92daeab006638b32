//! Who shares the credit of a conversion, and in which proportion, under the models that credit all who were clicked.

use std::cmp::Reverse;

use super::attribution::Winners;
use super::commission::Claims;
use crate::domain::conversion::{Credit, WHOLE_SHARE_PPM};
use crate::domain::id::EnrollmentId;
use crate::domain::program::AttributionModel;
use crate::domain::refusal::Refusal;
use crate::domain::split::divide;

/// How many enrollments can share the credit of one conversion. Of a visitor who clicked more, the first one and the latest ones do.
const SHARING_MAX: usize = 20;

/// An enrollment that a visitor clicked.
struct Clicked {
    enrollment_id: EnrollmentId,
    /// The places of its first and its last click.
    first: usize,
    last: usize,
}

/// The last click of each enrollment, with its weight. The clicks come in the order in which they happened, each with its place.
pub(super) fn weigh(
    model: AttributionModel,
    clicks: impl Iterator<Item = (usize, EnrollmentId)>,
) -> Vec<(usize, i64)> {
    let mut all: Vec<Clicked> = Vec::new();
    for (place, enrollment_id) in clicks {
        match all.iter_mut().find(|clicked| clicked.enrollment_id == enrollment_id) {
            Some(clicked) => clicked.last = place,
            None => all.push(Clicked { enrollment_id, first: place, last: place }),
        }
    }
    let first = all.first().map(|clicked| clicked.first);
    all.sort_by_key(|clicked| (Some(clicked.first) != first, Reverse(clicked.last)));
    all.truncate(SHARING_MAX);
    let last = all.iter().map(|clicked| clicked.last).max();
    let is_first = |clicked: &Clicked| Some(clicked.first) == first;
    let is_last = |clicked: &Clicked| Some(clicked.last) == last;
    let others = all.iter().filter(|clicked| !is_first(clicked) && !is_last(clicked)).count();
    // Two fifths for each end, and one fifth for all others together.
    let weight_of_end = i64::try_from(2 * others).unwrap_or(i64::MAX).max(1);
    let weight = |clicked: &Clicked| match model {
        AttributionModel::Position if is_first(clicked) && is_last(clicked) => 2 * weight_of_end,
        AttributionModel::Position if is_first(clicked) || is_last(clicked) => weight_of_end,
        _ => 1,
    };
    all.iter().map(|clicked| (clicked.last, weight(clicked))).collect()
}

/// Gives those who share the credit their shares, in proportion to their weights. What is left by rounding goes to the largest remainder,
/// and of equal ones to the enrollment with the lowest id.
pub(super) fn share(winners: &mut Winners, weights: &[i64]) -> Result<(), Refusal> {
    let mut places: Vec<usize> = (0..winners.len()).collect();
    places.sort_by_key(|place| winners[*place].enrollment.id);
    let weights: Vec<i64> = places.iter().map(|place| weights.get(*place).copied().unwrap_or_default()).collect();
    let shares = divide(WHOLE_SHARE_PPM.into(), &weights)?;
    for (place, share) in places.into_iter().zip(shares) {
        winners[place].share_ppm = i32::try_from(share).unwrap_or(WHOLE_SHARE_PPM);
    }
    winners.sort_by_key(|winner| (Reverse(winner.share_ppm), winner.enrollment.id));
    Ok(())
}

/// Tells each of several claims which part of the whole it is.
pub(super) fn split(claims: &mut Claims) {
    if claims.len() < 2 {
        return;
    }
    let credits: Vec<Credit> = claims.iter().map(|claim| claim.credit.clone()).collect();
    for claim in claims {
        claim.split = claim.credit.split_among(&credits);
    }
}
