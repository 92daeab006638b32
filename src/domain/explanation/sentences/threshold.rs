//! A sentence about a threshold bonus that a sale counts for.

use crate::domain::conversion::Conversion;
use crate::domain::explanation::ThresholdExplanation;
use crate::domain::money::Money;
use crate::domain::period::Period;
use crate::domain::threshold_bonus::Threshold;

/// What must be reached, what the affiliate has, and which sale reached it.
pub(super) fn sentence(event: &Conversion, told: &ThresholdExplanation) -> String {
    let bonus = &told.bonus;
    let when = match bonus.period {
        Period::AllTime => "for all time".to_owned(),
        period => format!("in the {period} from {}", told.starts_on),
    };
    let (wanted, has, missing) = match bonus.threshold {
        Threshold::SaleCount(count) => {
            let missing = count.saturating_sub(told.sale_count);
            (format!("{count} sales"), format!("{} sales", told.sale_count), format!("{missing} sales"))
        }
        Threshold::Amount(amount) => {
            let missing_minor = amount.amount_minor.saturating_sub(told.amount.amount_minor);
            let missing = Money::new(missing_minor, amount.currency);
            (format!("sales of {amount}"), told.amount.to_string(), missing.to_string())
        }
    };
    let state = match &told.earned {
        Some(earned) if earned.conversion_id == event.id => {
            format!("this sale reached it, by the reward {}", earned.reward_id)
        }
        Some(earned) => {
            format!("the sale {} reached it, by the reward {}", earned.conversion_id, earned.reward_id)
        }
        None if bonus.threshold.is_reached(told.sale_count, told.amount.amount_minor) => {
            "the next sale under these terms earns it".to_owned()
        }
        None => format!("{missing} are missing"),
    };
    format!(
        "The sale counts for the threshold bonus \"{}\" of {} for {wanted} {when}: the affiliate has {has}; {state}.",
        bonus.name, bonus.bonus
    )
}
