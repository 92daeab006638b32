//! How much of a sale is refunded, by what was told of its refunds. Some senders tell each refund by its amount, others the total that was
//! refunded so far. Knows no rewards.
//!
//! The refunds are taken in the order in which they happened, whatever the order in which they were told. An amount adds to what is
//! refunded. A total adds what it is more than that. Neither adds more than the sale has left. An undone refund adds what it adds, and takes
//! it away again when it is undone, because the totals in between have it.

use super::id::ConversionId;
use super::time::Time;

/// How many refunds a sale keeps one by one. The earliest ones become one amount then, and late totals of their time are judged as later ones.
pub const TOLD_REFUNDS_MAX: usize = 100;

/// A refund as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ToldRefund {
    /// The conversion of the refund.
    pub id: ConversionId,
    pub occurred_at: Time,
    /// The amount, or the total.
    pub minor: i64,
    pub is_total: bool,
    pub undone_at: Option<Time>,
    /// How many refunds of the sale were told before it was undone. What happened at the same time counts in the order of telling.
    pub undone_after: i32,
}

/// How much of a sale of this amount is refunded.
pub fn refunded_minor(refunds: &[ToldRefund], sold_minor: i64) -> i64 {
    // Nearly all sales have amounts alone.
    if refunds.iter().all(|refund| refund.undone_at.is_none() && !refund.is_total) {
        return refunds.iter().map(|refund| refund.minor).fold(0, i64::saturating_add).min(sold_minor);
    }
    // The time, the place among what was told, the refund, and whether it is undone.
    let mut steps = Vec::with_capacity(refunds.len());
    for (place, refund) in refunds.iter().enumerate() {
        steps.push((refund.occurred_at, 2 * place, place, false));
        if let Some(undone_at) = refund.undone_at {
            let after = usize::try_from(refund.undone_after).unwrap_or_default().max(place + 1);
            steps.push((undone_at.max(refund.occurred_at), 2 * after - 1, place, true));
        }
    }
    steps.sort_unstable();
    let mut added = vec![0_i64; refunds.len()];
    let mut sum = 0_i64;
    for (_, _, place, is_undone) in steps {
        let (Some(refund), Some(added)) = (refunds.get(place), added.get_mut(place)) else { continue };
        *added = match (is_undone, refund.is_total) {
            (true, _) => added.saturating_neg(),
            (false, true) => refund.minor.min(sold_minor).saturating_sub(sum).max(0),
            (false, false) => refund.minor.min(sold_minor.saturating_sub(sum)).max(0),
        };
        sum = sum.saturating_add(*added);
    }
    sum
}

/// How much a further refund of a sale of this amount adds.
pub fn added_by(refunds: &[ToldRefund], refund: ToldRefund, sold_minor: i64) -> i64 {
    let mut with = refunds.to_vec();
    with.push(refund);
    refunded_minor(&with, sold_minor).saturating_sub(refunded_minor(refunds, sold_minor)).max(0)
}

/// Marks a refund as undone. Returns how much of a sale of this amount is no longer refunded by it. `None` if it is not kept one by one.
pub fn undo(refunds: &mut [ToldRefund], id: ConversionId, undone_at: Time, sold_minor: i64) -> Option<i64> {
    let before = refunded_minor(refunds, sold_minor);
    let undone_after = i32::try_from(refunds.len()).unwrap_or(i32::MAX);
    let refund = refunds.iter_mut().find(|refund| refund.id == id)?;
    if refund.undone_at.is_none() {
        (refund.undone_at, refund.undone_after) = (Some(undone_at), undone_after);
    }
    Some(before.saturating_sub(refunded_minor(refunds, sold_minor)).max(0))
}

/// Keeps a further refund of a sale of this amount.
pub fn keep(refunds: &mut Vec<ToldRefund>, refund: ToldRefund, sold_minor: i64) {
    refunds.push(refund);
    if refunds.len() <= TOLD_REFUNDS_MAX {
        return;
    }
    refunds.sort_by_key(|refund| refund.occurred_at);
    // The two first become one amount. It is what they leave, as if they had been undone at once.
    let rest = refunds.split_off(2);
    let minor = refunded_minor(refunds, sold_minor);
    let first =
        refunds.last().map(|last| ToldRefund { minor, is_total: false, undone_at: None, undone_after: 0, ..*last });
    *refunds = first.into_iter().chain(rest).collect();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn told(id: u128, at: i64, minor: i64, is_total: bool, undone_at: Option<i64>) -> ToldRefund {
        ToldRefund {
            id: ConversionId::from_uuid(Uuid::from_u128(id)),
            occurred_at: Time::from_micros(at),
            minor,
            is_total,
            undone_at: undone_at.map(Time::from_micros),
            undone_after: 0,
        }
    }

    #[test]
    fn totals_add_what_they_are_more_and_amounts_add_themselves() {
        let (two, five) = (told(1, 1, 200, true, None), told(2, 2, 500, true, None));
        assert_eq!(refunded_minor(&[two, five], 1_000), 500);
        assert_eq!(refunded_minor(&[five, two], 1_000), 500);
        assert_eq!(added_by(&[five], two, 1_000), 0);
        assert_eq!(added_by(&[two], told(3, 2, 300, false, None), 1_000), 300);
        // An amount that is told late is a part of the later total.
        assert_eq!(added_by(&[five], told(3, 1, 300, false, None), 1_000), 0);
        // Nothing adds more than is left.
        assert_eq!(added_by(&[five], told(3, 3, 300, false, None), 600), 100);
        assert_eq!(added_by(&[two], told(3, 3, 900, true, None), 600), 400);
    }

    #[test]
    fn an_undone_refund_is_a_part_of_the_totals_until_it_is_undone() {
        let failed = told(1, 1, 200, true, Some(3));
        let total = told(2, 2, 500, true, None);
        assert_eq!(refunded_minor(&[failed, total], 1_000), 300);
        // A total of later does not have it.
        assert_eq!(refunded_minor(&[failed, told(2, 4, 500, true, None)], 1_000), 500);
        let undo = |refunds: &mut [ToldRefund], at| undo(refunds, failed.id, Time::from_micros(at), 1_000);
        assert_eq!(undo(&mut [told(1, 1, 200, false, None)], 0), Some(200));
        assert_eq!(undo(&mut [failed], 9), Some(0));
        assert_eq!(undo(&mut [], 9), None);
        // At the same time the order of telling counts.
        let mut refunds = vec![told(1, 1, 1_000, false, None)];
        assert_eq!(undo(&mut refunds, 1), Some(1_000));
        assert_eq!(added_by(&refunds, told(2, 1, 1_000, true, None), 1_000), 1_000);
    }

    fn any_refund() -> impl Strategy<Value = ToldRefund> {
        (0..6_i64, 0..9_i64, any::<bool>(), proptest::option::weighted(0.3, 0..8_i64))
            .prop_map(|(at, minor, is_total, undone_at)| told(0, at, minor, is_total, undone_at))
    }

    fn refunds() -> impl Strategy<Value = Vec<ToldRefund>> {
        let numbered = |refunds: Vec<ToldRefund>| {
            let id = |place: usize| ConversionId::from_uuid(Uuid::from_u128(place as u128));
            // Nothing but undone refunds has the same time.
            let at = |time: Time, last: usize| Time::from_micros(time.micros() * 10 + last as i64);
            let numbered = |(place, refund): (usize, ToldRefund)| ToldRefund {
                id: id(place),
                occurred_at: at(refund.occurred_at, place),
                undone_at: refund.undone_at.map(|undone_at| at(undone_at, 9)),
                ..refund
            };
            refunds.into_iter().enumerate().map(numbered).collect()
        };
        prop::collection::vec(any_refund(), 1..8).prop_map(numbered)
    }

    /// A moment after the other, each with what was refunded and then with what was undone.
    fn slow_model(refunds: &[ToldRefund], sold: i64) -> i64 {
        let mut added = std::collections::BTreeMap::new();
        let mut sum = 0;
        for moment in (0..100).map(Time::from_micros) {
            for refund in refunds.iter().filter(|refund| refund.occurred_at == moment) {
                let wanted = if refund.is_total { refund.minor - sum } else { refund.minor };
                let more = wanted.min(sold - sum).max(0);
                added.insert(refund.id, more);
                sum += more;
            }
            for refund in refunds {
                if refund.undone_at.is_some_and(|at| at.max(refund.occurred_at) == moment) {
                    sum -= added[&refund.id];
                }
            }
        }
        sum
    }

    proptest! {
        #[test]
        fn the_order_of_telling_does_not_matter(
            (refunds, shuffled) in refunds().prop_flat_map(|refunds| (Just(refunds.clone()), Just(refunds).prop_shuffle())),
            sold in 0..30_i64,
        ) {
            let sum = refunded_minor(&refunds, sold);
            prop_assert_eq!(sum, refunded_minor(&shuffled, sold));
            prop_assert_eq!(sum, slow_model(&refunds, sold));
            prop_assert!((0..=sold).contains(&sum));
        }

        #[test]
        fn a_further_refund_never_lessens_what_is_refunded_and_an_undone_one_never_adds(
            mut refunds in refunds(),
            sold in 0..30_i64,
        ) {
            let last = refunds.pop().unwrap();
            let before = refunded_minor(&refunds, sold);
            let told = ToldRefund { undone_at: None, ..last };
            let added = added_by(&refunds, told, sold);
            refunds.push(told);
            prop_assert_eq!(refunded_minor(&refunds, sold), before + added);
            prop_assert!(added <= told.minor);
            let taken = undo(&mut refunds, told.id, Time::from_micros(39), sold).unwrap();
            prop_assert_eq!(refunded_minor(&refunds, sold), before + added - taken);
            prop_assert!((0..=told.minor).contains(&taken));
        }

        #[test]
        fn long_lists_keep_their_sum(refunds in prop::collection::vec(any_refund(), 1..12)) {
            let mut kept = Vec::new();
            let mut all = Vec::new();
            for number in 0..TOLD_REFUNDS_MAX + 20 {
                let refund = refunds[number % refunds.len()];
                let id = ConversionId::from_uuid(Uuid::from_u128(number as u128));
                let refund = ToldRefund { id, occurred_at: Time::from_micros(number as i64), ..refund };
                let refund = ToldRefund { undone_at: None, ..refund };
                keep(&mut kept, refund, 1_000);
                all.push(refund);
                prop_assert!(kept.len() <= TOLD_REFUNDS_MAX);
            }
            prop_assert_eq!(refunded_minor(&kept, 1_000), refunded_minor(&all, 1_000));
        }
    }
}
