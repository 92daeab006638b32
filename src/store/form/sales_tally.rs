//! Forms of threshold bonuses, and of what sales have in the tallies of sales.

use std::sync::Arc;

use crate::domain::calendar::Day;
use crate::domain::id::{AffiliateId, ConversionId, EnrollmentId, ProgramId, RewardId};
use crate::domain::money::Money;
use crate::domain::period::Period;
use crate::domain::sales_tally::{CountedPeriod, CountedSince, SalesPart, Tallied};
use crate::domain::threshold_bonus::{EarnedBonus, Threshold, ThresholdBonus, ThresholdReached};

form! {
    /// A period whose sales terms need to know.
    CountedSinceForm of CountedSince {
        since_version: i32,
    }
    unless_usual {
        period: Period = Period::AllTime,
    }
}

enum_form! {
    /// What must be reached for a bonus.
    ThresholdForm of Threshold {
        SaleCount(count: i64),
        Amount(amount: Money),
    }
}

form! {
    /// A bonus for what an affiliate sells.
    ThresholdBonusForm of ThresholdBonus {
        name: Arc<str>,
        threshold: ThresholdForm,
        bonus: Money,
    }
    unless_usual {
        period: Period = Period::AllTime,
    }
}

form! {
    /// A bonus that an affiliate has for a period.
    EarnedBonusForm of EarnedBonus {
        name: Arc<str>,
        threshold: ThresholdForm,
        reward_id: RewardId,
        conversion_id: ConversionId,
    }
}

form! {
    /// How a reward that is a threshold bonus came about.
    ThresholdReachedForm of ThresholdReached {
        name: Arc<str>,
        terms_version: i32,
        threshold: ThresholdForm,
        amount: Money,
        conversion_id: ConversionId,
    }
    unless_empty {
        starts_on: Day,
        sale_count: i64,
    }
    unless_usual {
        period: Period = Period::AllTime,
    }
}

form! {
    /// A period that a sale is counted in.
    CountedPeriodForm of CountedPeriod {
        since_version: i32,
    }
    unless_empty {
        starts_on: Day,
    }
    unless_usual {
        period: Period = Period::AllTime,
    }
}

form! {
    /// What a sale has in tallies.
    SalesPartForm of SalesPart {}
    unless_empty {
        sale_count: i64,
        amount_minor: i64,
    }
}

form! {
    /// What a credit of a sale has in tallies.
    TalliedForm of Tallied {
        enrollment_id: EnrollmentId,
        affiliate_id: AffiliateId,
        program_id: ProgramId,
        terms_version: i32,
        periods: Vec<CountedPeriodForm>,
        part: SalesPartForm,
    }
}
