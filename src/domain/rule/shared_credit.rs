//! Shared credit: the enrollments that get the credit of one conversion, and their shares.

use std::cmp::Reverse;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::attribution::AttributionSource;
use crate::domain::conversion::{WHOLE_SHARE_PPM, Way};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::EnrollmentId;
use crate::domain::money::Overflow;
use crate::domain::program::AttributionModel;
use crate::domain::refusal::Refusal;
use crate::domain::split::divide;
use crate::domain::time::Time;

/// How many enrollments can share the credit of one conversion. Of a visitor who clicked more, the first one and the latest ones do.
const SHARING_MAX: usize = 20;

/// An enrollment that a visitor clicked.
struct Clicked {
    enrollment_id: EnrollmentId,
    /// The places of its first and its last click.
    first: usize,
    last: usize,
}

/// The evidence that won.
pub(super) struct Winner {
    pub(super) source: AttributionSource,
    /// The enrollment that it leads to.
    pub(super) enrollment: Arc<Enrollment>,
    /// When the evidence happened: the click, or the use of the coupon or ref_id.
    pub(super) referred_at: Time,
    /// The way of the click or of the binding.
    pub(super) way: Way,
    /// The share of the credit in parts per million.
    pub(super) share_ppm: i32,
}

/// The enrollments that share the credit, the largest share first. Of equal ones, the enrollment with the lowest id comes first. Nearly always one, or none.
pub(super) type Winners = SmallVec<[Winner; 1]>;

/// The last click of each enrollment, with its weight. The clicks come in the order in which they happened, each with its place.
pub(super) fn weigh(model: AttributionModel, clicks: impl Iterator<Item = (usize, EnrollmentId)>) -> Vec<(usize, i64)> {
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

/// Gives winners their shares, in proportion to their weights, and puts them in their order.
pub(super) fn share(winners: &mut Winners, weights: &[i64]) -> Result<(), Refusal> {
    if winners.len() < 2 {
        return Ok(());
    }
    let weights: Vec<_> = winners.iter().zip(weights).map(|(winner, weight)| (winner.enrollment.id, *weight)).collect();
    for (winner, share_ppm) in winners.iter_mut().zip(shares(&weights)?) {
        winner.share_ppm = share_ppm;
    }
    winners.sort_by_key(|winner| (Reverse(winner.share_ppm), winner.enrollment.id));
    Ok(())
}

/// The shares of those who share a credit, in proportion to their weights and in the order of these. Of equal remainders the enrollment with
/// the lowest id has the first.
fn shares(weights: &[(EnrollmentId, i64)]) -> Result<Vec<i32>, Overflow> {
    let mut places: Vec<usize> = (0..weights.len()).collect();
    places.sort_by_key(|place| weights[*place].0);
    let sorted: Vec<i64> = places.iter().map(|place| weights[*place].1).collect();
    let mut shares = vec![0; weights.len()];
    for (place, share) in places.into_iter().zip(divide(WHOLE_SHARE_PPM.into(), &sorted)?) {
        shares[place] = i32::try_from(share).map_err(|_| Overflow)?;
    }
    Ok(shares)
}
