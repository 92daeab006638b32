//! Ladders: the commission of the terms rises with what an affiliate has sold in a period. Knows no rule and no set.
//!
//! The commission of the terms is that of step 0. Each further step has a least number of sales, or a least sum of their net amounts. A sale is
//! counted in the tally of its affiliate with its part of what is left of it, if the ladder prices it or some of its lines.
//!
//! | Mode | What a sale earns | What is paid for the tally |
//! |---|---|---|
//! | level up | the commission of the step that was reached before it | nothing follows from it |
//! | retroactive | the commission of the step that is reached with it | what all its sales earn at the step that is reached |
//! | marginal | that of the brackets into which it falls | that of all [`brackets`](super::brackets) up to what is reached |

use super::calendar::Day;
use super::commission::Commission;
use super::id::{AccountId, AffiliateId, EnrollmentId, ProgramId};
use super::money::{Currency, Money, Overflow, PPM};
use super::period::Period;
use super::text_enum::text_enum;

text_enum! {
    /// Which sales get the commission of a step.
    LadderMode {
        /// The sales that are told after it was reached.
        LevelUp = "level_up",
        /// All sales of the period.
        Retroactive = "retroactive",
        /// What is sold from the step on, up to the next one.
        Marginal = "marginal",
    }
}

impl LadderMode {
    /// Whether what is paid is a function of the tally.
    pub const fn pays_for_tally(self) -> bool {
        match self {
            Self::LevelUp => false,
            Self::Retroactive | Self::Marginal => true,
        }
    }
}

text_enum! {
    /// What is compared with the steps of a ladder.
    LadderMeasure {
        /// The number of sales.
        SaleCount = "sale_count",
        /// The sum of their net amounts.
        Amount = "amount",
    }
}

/// How the commission rises.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Ladder {
    pub mode: LadderMode,
    pub measure: LadderMeasure,
    /// Each period begins at step 0.
    pub period: Period,
    /// In the order of what must be reached.
    pub steps: Vec<LadderStep>,
    /// The version of the terms since which the tallies go on. 0 in a draft.
    pub since_version: i32,
}

/// A step of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LadderStep {
    /// What must be reached: a number of sales, or an amount in minor units of the program's currency. More than zero.
    pub minimum: i64,
    /// The currency of an amount.
    pub currency: Option<Currency>,
    pub commission: Commission,
}

/// How many steps a ladder may have.
pub const STEPS_MAX: usize = 99;

impl Ladder {
    /// The step that is reached with this: 0 before the first one.
    pub fn step_at(&self, tally: &LadderTally) -> i32 {
        let reached = self.reached(tally);
        let count = self.steps.iter().take_while(|step| step.minimum <= reached).count();
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// What is compared with the steps. A marginal ladder counts a part of a sale as a part.
    const fn reached(&self, tally: &LadderTally) -> i64 {
        match (self.measure, self.mode) {
            (LadderMeasure::Amount, _) => tally.amount_minor,
            (LadderMeasure::SaleCount, LadderMode::Marginal) => tally.share_ppm / PPM,
            (LadderMeasure::SaleCount, LadderMode::LevelUp | LadderMode::Retroactive) => tally.sale_count,
        }
    }

    /// The commission of a step. `None` for step 0, which has that of the terms.
    pub fn commission_of(&self, step: i32) -> Option<Commission> {
        self.step(step).map(|step| step.commission)
    }

    /// A step by its number. `None` for step 0.
    pub fn step(&self, number: i32) -> Option<&LadderStep> {
        self.steps.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// Whether two ladders count the same.
    pub fn counts_as(&self, before: &Self) -> bool {
        (self.mode, self.measure, self.period) == (before.mode, before.measure, before.period)
    }

    /// The amounts and flat commissions that are not in the currency of the program: the place of the step, whether it is a commission, and
    /// the fault.
    pub fn currency_faults(&self, currency: Currency) -> impl Iterator<Item = (usize, bool, String)> {
        self.steps.iter().enumerate().flat_map(move |(place, step)| {
            let amount = step.currency.map(|of_step| Commission::Flat(Money::new(step.minimum, of_step)));
            let of_amount = amount.and_then(|amount| amount.problem_in(currency)).map(|fault| (place, false, fault));
            let of_commission = step.commission.problem_in(currency).map(|fault| (place, true, fault));
            of_amount.into_iter().chain(of_commission)
        })
    }
}

/// The key of the tally of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LadderTallyKey {
    pub account_id: AccountId,
    pub program_id: ProgramId,
    pub affiliate_id: AffiliateId,
    /// See [`Ladder::since_version`].
    pub since_version: i32,
    pub period: Period,
    /// The first day of the period.
    pub starts_on: Day,
}

/// What an affiliate has sold in a period, of what a ladder prices.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LadderTally {
    pub key: LadderTallyKey,
    /// Sales of which something is left.
    pub sale_count: i64,
    /// What is left of them, in minor units of the program's currency.
    pub amount_minor: i64,
    /// What is left of them in millionths of a sale, under a marginal ladder that counts sales.
    pub share_ppm: i64,
    /// What is left of them earns so much at each step, from step 0 on, under a retroactive ladder.
    pub step_values: Vec<i64>,
    /// What is paid for them, see [`Ladder::paid_for`].
    pub paid_minor: i64,
}

impl LadderTally {
    /// A tally of nothing.
    pub const fn none(key: LadderTallyKey) -> Self {
        Self { key, sale_count: 0, amount_minor: 0, share_ppm: 0, step_values: Vec::new(), paid_minor: 0 }
    }

    /// Replaces what a sale has in the tally.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn replace(&mut self, before: &LadderPart, now: &LadderPart) -> Result<(), Overflow> {
        let changed = |sum: i64, before: i64, now: i64| {
            sum.checked_sub(before).and_then(|rest| rest.checked_add(now)).ok_or(Overflow)
        };
        self.sale_count = changed(self.sale_count, before.sale_count, now.sale_count)?;
        self.amount_minor = changed(self.amount_minor, before.amount_minor, now.amount_minor)?;
        self.share_ppm = changed(self.share_ppm, before.share_ppm, now.share_ppm)?;
        let count = self.step_values.len().max(before.step_values.len()).max(now.step_values.len());
        self.step_values.resize(count, 0);
        let at = |values: &[i64], place: usize| values.get(place).copied().unwrap_or_default();
        for (place, sum) in self.step_values.iter_mut().enumerate() {
            *sum = changed(*sum, at(&before.step_values, place), at(&now.step_values, place))?;
        }
        Ok(())
    }
}

/// The step at which a sale is priced, and what its affiliate had sold before. In a change of a tally: the step that is reached now, and what the
/// affiliate has sold apart from the sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LadderMet {
    /// 0 before the first step.
    pub step: i32,
    pub period: Period,
    /// The first day of the period.
    pub starts_on: Day,
    pub sale_count_before: i64,
    /// In the program's currency.
    pub amount_before: Money,
    /// See [`LadderTally::share_ppm`].
    pub share_before_ppm: i64,
}

/// What a sale has in a tally.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LadderPart {
    /// 1 if something is left of the sale.
    pub sale_count: i64,
    /// The affiliate's share of what is left of it.
    pub amount_minor: i64,
    /// See [`LadderTally::share_ppm`].
    pub share_ppm: i64,
    /// See [`LadderTally::step_values`].
    pub step_values: Vec<i64>,
}

/// What a credit of a sale has to do with a ladder. The sale keeps it, so that it can be taken out of the tally, and so that corrections price
/// it at the same step.
///
/// If the mode pays for the tally: what is left of the sale's own reward, with its changes of tallies, is `paid_minor + other_minor`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Laddered {
    pub enrollment_id: EnrollmentId,
    pub affiliate_id: AffiliateId,
    pub program_id: ProgramId,
    pub terms_version: i32,
    /// See [`Ladder::since_version`].
    pub since_version: i32,
    pub met: LadderMet,
    pub part: LadderPart,
    /// By how much the sale has changed what is paid for the tally.
    pub paid_minor: i64,
    /// What is left of the sale's own reward, of what the ladder does not give.
    pub other_minor: i64,
    /// What the changes of tallies, which are rewards of their own, have given or taken.
    pub changed_minor: i64,
    /// Whether the sale has left the tally, and what it has changed there stays. It may have met a ladder anew.
    pub is_withdrawn: bool,
}

impl Laddered {
    /// The key of the tally that it is in.
    pub const fn key(&self, account_id: AccountId) -> LadderTallyKey {
        let LadderMet { period, starts_on, .. } = self.met;
        let Self { program_id, affiliate_id, since_version, .. } = *self;
        LadderTallyKey { account_id, program_id, affiliate_id, since_version, period, starts_on }
    }
}
