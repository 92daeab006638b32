//! How a whole is divided in proportion to weights, so that the parts add up to the whole: by largest remainder, the method of Hamilton.
//! Knows neither whom the parts are for nor why.

use super::money::Overflow;

/// Divides a whole in proportion to weights. Parts are rounded down, and what is left is given away one by one, first where most was
/// cut off, and of equal ones to the first. A negative whole is divided as its positive is. Without a positive weight all parts are zero.
///
/// # Errors
/// [`Overflow`] if the weights add up to more than 64 bits hold.
pub fn divide(whole: i64, weights: &[i64]) -> Result<Vec<i64>, Overflow> {
    let weight_sum = weights.iter().try_fold(0_i64, |sum, weight| sum.checked_add((*weight).max(0))).ok_or(Overflow)?;
    if weight_sum == 0 {
        return Ok(vec![0; weights.len()]);
    }
    let (magnitude, divisor) = (i128::from(whole).abs(), i128::from(weight_sum));
    // Two 64-bit factors always fit into 128 bits.
    let exact = weights.iter().map(|weight| magnitude * i128::from((*weight).max(0)));
    let (mut parts, remainders): (Vec<i128>, Vec<i128>) = exact.map(|part| (part / divisor, part % divisor)).unzip();
    let mut left = magnitude - parts.iter().sum::<i128>();
    let mut places: Vec<usize> = (0..parts.len()).collect();
    // Stable, so that of equal remainders the first one comes first.
    places.sort_by_key(|place| std::cmp::Reverse(remainders[*place]));
    for place in places {
        if left == 0 {
            break;
        }
        parts[place] += 1;
        left -= 1;
    }
    let sign = if whole < 0 { -1 } else { 1 };
    parts.into_iter().map(|part| i64::try_from(sign * part).map_err(|_| Overflow)).collect()
}

/// One part of a whole that several share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The shares of all in parts per million, in the order of their enrollments' ids.
    pub shares_ppm: Vec<i32>,
    /// Which of them this one is: 0 for the first.
    pub place: i32,
}

impl Split {
    /// The part of a whole.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn part(&self, whole: i64) -> Result<i64, Overflow> {
        let weights: Vec<i64> = self.shares_ppm.iter().map(|share| i64::from(*share)).collect();
        let place = usize::try_from(self.place).unwrap_or(usize::MAX);
        Ok(divide(whole, &weights)?.get(place).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_goes_to_the_largest_remainders_and_to_the_first_of_equal_ones() {
        assert_eq!(divide(1_000_000, &[1, 1, 1]).unwrap(), [333_334, 333_333, 333_333]);
        assert_eq!(divide(-100, &[1, 1, 1]).unwrap(), [-34, -33, -33]);
        assert_eq!(divide(10, &[400_000, 400_000, 200_000]).unwrap(), [4, 4, 2]);
        assert_eq!(divide(11, &[400_000, 400_000, 200_000]).unwrap(), [5, 4, 2]);
        assert_eq!(divide(7, &[3, 0, 2]).unwrap(), [4, 0, 3]);
        assert_eq!(divide(7, &[0, 0]).unwrap(), [0, 0]);
        assert!(divide(7, &[]).unwrap().is_empty());
        assert_eq!(divide(i64::MAX, &[1, 1]).unwrap(), [i64::MAX / 2 + 1, i64::MAX / 2]);
        assert_eq!(divide(i64::MIN, &[1]).unwrap(), [i64::MIN]);
        assert!(divide(1, &[i64::MAX, 1]).is_err());
    }

    proptest! {
        #[test]
        fn parts_add_up_and_are_symmetric(whole in -1_000_000_000_i64..1_000_000_000, weights in prop::collection::vec(0_i64..1_000_000, 1..20)) {
            let parts = divide(whole, &weights).unwrap();
            let is_divided = weights.iter().any(|weight| *weight > 0);
            prop_assert_eq!(parts.iter().sum::<i64>(), if is_divided { whole } else { 0 });
            let negative: Vec<i64> = divide(-whole, &weights).unwrap().iter().map(|part| -part).collect();
            prop_assert_eq!(&negative, &parts);
            let sum: i64 = weights.iter().sum();
            for (part, weight) in parts.iter().zip(&weights).filter(|_| sum > 0) {
                let exact = i128::from(whole) * i128::from(*weight);
                prop_assert!((exact - i128::from(*part) * i128::from(sum)).abs() < i128::from(sum));
            }
        }
    }
}
