//! Samples of threshold bonuses, and of the tallies of sales.

use std::sync::Arc;

use headwater::domain::calendar::Day;
use headwater::domain::period::Period;
use headwater::domain::sales_tally::{CountedPeriod, CountedSince, SalesPart, SalesTally, SalesTallyKey, Tallied};
use headwater::domain::threshold_bonus::{EarnedBonus, Threshold, ThresholdBonus, ThresholdReached};

use super::{ACCOUNT, affiliate, enrollment, program, reward, sale, usd};

/// What the affiliate has sold in November 2026.
pub(crate) fn tally() -> SalesTally {
    let key = SalesTallyKey {
        account_id: ACCOUNT,
        program_id: program().id,
        affiliate_id: affiliate().id,
        since_version: 1,
        period: Period::Month,
        starts_on: Day(20_758),
    };
    SalesTally { key, sale_count: 3, amount_minor: 30_000, bonuses: bonuses() }
}

/// The bonuses for that: one for its number and one for its amount.
pub(crate) fn bonuses() -> Vec<EarnedBonus> {
    let bonus = |name: &str, threshold| EarnedBonus {
        name: name.into(),
        threshold,
        reward_id: reward(1, &sale(1), None).id,
        conversion_id: sale(1).id,
    };
    vec![bonus("three", Threshold::SaleCount(3)), bonus("much", Threshold::Amount(usd(20_000)))]
}

pub(crate) fn threshold_bonuses() -> Vec<ThresholdBonus> {
    let bonus =
        |name: &str, period, threshold| ThresholdBonus { name: name.into(), period, threshold, bonus: usd(5_000) };
    vec![
        bonus("three", Period::Month, Threshold::SaleCount(3)),
        bonus("much", Period::AllTime, Threshold::Amount(usd(20_000))),
    ]
}

pub(crate) fn counted_since() -> Vec<CountedSince> {
    let since = |period, since_version| CountedSince { period, since_version };
    vec![since(Period::Month, 2), since(Period::AllTime, 1)]
}

pub(crate) fn tallied() -> Tallied {
    let counted = |period, starts_on| CountedPeriod { since_version: 1, period, starts_on };
    Tallied {
        enrollment_id: enrollment().id,
        affiliate_id: affiliate().id,
        program_id: program().id,
        terms_version: 1,
        periods: vec![counted(Period::Month, Day(20_758)), counted(Period::AllTime, Day(0))],
        part: SalesPart { sale_count: 1, amount_minor: 10_000 },
    }
}

pub(crate) fn reached() -> Arc<ThresholdReached> {
    Arc::new(ThresholdReached {
        name: "three".into(),
        terms_version: 1,
        period: Period::Month,
        starts_on: Day(20_758),
        threshold: Threshold::SaleCount(3),
        sale_count: 3,
        amount: usd(30_000),
        conversion_id: sale(1).id,
    })
}
