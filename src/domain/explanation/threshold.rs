//! Threshold bonuses that a sale counts for, as they are now.

use super::{Dossier, ThresholdExplanation};
use crate::domain::conversion::Credit;
use crate::domain::money::{Currency, Money};
use crate::domain::program::Terms;

/// The bonuses of the terms of a credit. None if the sale is not counted for them.
pub(super) fn explained(
    dossier: &Dossier,
    credit: &Credit,
    terms: &Terms,
    currency: Currency,
) -> Vec<ThresholdExplanation> {
    let event = dossier.image.conversion.as_ref();
    let tallied = event.tallied(credit.enrollment_id).filter(|tallied| tallied.part.sale_count > 0);
    let Some(tallied) = tallied else { return Vec::new() };
    let explained = terms.rules.threshold_bonuses.iter().filter_map(|bonus| {
        let key = tallied.keys(event.account_id).find(|key| key.period == bonus.period)?;
        let tally = dossier.sales_tallies.iter().find(|tally| tally.key == key)?;
        Some(ThresholdExplanation {
            bonus: bonus.clone(),
            starts_on: key.starts_on,
            sale_count: tally.sale_count,
            amount: Money::new(tally.amount_minor, currency),
            earned: tally.bonus(&bonus.name).cloned(),
        })
    });
    explained.collect()
}
