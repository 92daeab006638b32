//! Samples of ladders and their tallies.

use headwater::domain::brackets::{Bracket, Brackets};
use headwater::domain::calendar::Day;
use headwater::domain::commission::Commission;
use headwater::domain::ladder::{
    Ladder, LadderMeasure, LadderMet, LadderMode, LadderPart, LadderStep, LadderTally, LadderTallyKey, Laddered,
};
use headwater::domain::money::Currency;
use headwater::domain::period::Period;

use super::{ACCOUNT, affiliate, enrollment, program, usd};

/// What the affiliate has sold in November 2026.
pub(crate) fn tally() -> LadderTally {
    let key = LadderTallyKey {
        account_id: ACCOUNT,
        program_id: program().id,
        affiliate_id: affiliate().id,
        since_version: 1,
        period: Period::Month,
        starts_on: Day(20_758),
    };
    let step_values = vec![3_000, 6_000];
    LadderTally { key, sale_count: 3, amount_minor: 30_000, share_ppm: 3_000_000, step_values, paid_minor: 6_000 }
}

pub(crate) fn ladder() -> Ladder {
    let currency: Currency = "USD".parse().unwrap();
    let step = |minimum, ppm| LadderStep { minimum, currency: Some(currency), commission: Commission::PercentPpm(ppm) };
    Ladder {
        mode: LadderMode::LevelUp,
        measure: LadderMeasure::Amount,
        period: Period::Month,
        steps: vec![step(100_000, 150_000), step(500_000, 200_000)],
        since_version: 1,
    }
}

pub(crate) fn met() -> LadderMet {
    LadderMet {
        step: 1,
        period: Period::Month,
        starts_on: Day(20_758),
        sale_count_before: 2,
        amount_before: usd(120_000),
        share_before_ppm: 0,
    }
}

pub(crate) fn laddered() -> Laddered {
    Laddered {
        enrollment_id: enrollment().id,
        affiliate_id: affiliate().id,
        program_id: program().id,
        terms_version: 1,
        since_version: 1,
        met: met(),
        part: LadderPart { sale_count: 1, amount_minor: 10_000, ..LadderPart::default() },
        paid_minor: 0,
        other_minor: 0,
        changed_minor: 0,
        is_withdrawn: false,
    }
}

/// The same under a ladder that pays for its tally.
pub(crate) fn paid() -> Laddered {
    let part = LadderPart { share_ppm: 500_000, step_values: vec![500, 1_000], ..laddered().part };
    let met = LadderMet { share_before_ppm: 2_500_000, ..met() };
    Laddered { met, part, paid_minor: 900, other_minor: 50, changed_minor: -100, is_withdrawn: true, ..laddered() }
}

pub(crate) fn brackets() -> Brackets {
    let commission = Commission::PercentPpm;
    let below = Bracket { step: 0, commission: commission(100_000), size: 4_000 };
    let on_step = Bracket { step: 1, commission: commission(150_000), size: 6_000 };
    Brackets { parts: vec![below, on_step], value_minor: 1_300 }
}
