//! Tallies of sales: what an affiliate has sold in a program in a period, whatever commission its sales were priced by. Threshold bonuses and the
//! lifetime figures of conditions are compared with them, so that no sale has to look at other sales. Knows no rule and no set.

use super::calendar::Day;
use super::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, ProgramId};
use super::money::Overflow;
use super::period::Period;
use super::threshold_bonus::{EarnedBonus, Threshold};

/// A period whose sales terms need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CountedSince {
    pub period: Period,
    /// The version of the terms since which the tallies go on. 0 in a draft.
    pub since_version: i32,
}

/// The key of a tally of sales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct SalesTallyKey {
    pub account_id: AccountId,
    pub program_id: ProgramId,
    pub affiliate_id: AffiliateId,
    /// See [`CountedSince::since_version`].
    pub since_version: i32,
    pub period: Period,
    /// The first day of the period.
    pub starts_on: Day,
}

/// What an affiliate has sold in a period, and the bonuses that it has for that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct SalesTally {
    pub key: SalesTallyKey,
    /// Sales of which something is left.
    pub sale_count: i64,
    /// What is left of them, in minor units of the program's currency.
    pub amount_minor: i64,
    /// The bonuses that were earned and not taken back, each name once.
    pub bonuses: Vec<EarnedBonus>,
}

impl SalesTally {
    /// A tally of nothing.
    pub const fn none(key: SalesTallyKey) -> Self {
        Self { key, sale_count: 0, amount_minor: 0, bonuses: Vec::new() }
    }

    /// Whether it has reached a threshold.
    pub const fn has_reached(&self, threshold: &Threshold) -> bool {
        threshold.is_reached(self.sale_count, self.amount_minor)
    }

    /// The bonus of this name that was earned in the period.
    pub fn bonus(&self, name: &str) -> Option<&EarnedBonus> {
        self.bonuses.iter().find(|bonus| *bonus.name == *name)
    }

    /// Replaces what a sale has in the tally.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn replace(&mut self, before: SalesPart, now: SalesPart) -> Result<(), Overflow> {
        let changed = |sum: i64, before: i64, now: i64| {
            sum.checked_sub(before).and_then(|rest| rest.checked_add(now)).ok_or(Overflow)
        };
        self.sale_count = changed(self.sale_count, before.sale_count, now.sale_count)?;
        self.amount_minor = changed(self.amount_minor, before.amount_minor, now.amount_minor)?;
        Ok(())
    }
}

/// What a sale has in tallies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SalesPart {
    /// 1 if something is left of the sale.
    pub sale_count: i64,
    /// The affiliate's share of what is left of it.
    pub amount_minor: i64,
}

/// A period that a sale is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CountedPeriod {
    pub since_version: i32,
    pub period: Period,
    /// The first day of the period.
    pub starts_on: Day,
}

/// What a credit of a sale has in tallies of sales. The sale keeps it, so that it can be taken out again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Tallied {
    pub enrollment_id: EnrollmentId,
    pub affiliate_id: AffiliateId,
    pub program_id: ProgramId,
    pub terms_version: i32,
    pub periods: Vec<CountedPeriod>,
    /// The same in each of them.
    pub part: SalesPart,
}

impl Tallied {
    /// The keys of the tallies that it is in.
    pub fn keys(&self, account_id: AccountId) -> impl Iterator<Item = SalesTallyKey> {
        let Self { program_id, affiliate_id, .. } = *self;
        self.periods.iter().map(move |counted| {
            let CountedPeriod { since_version, period, starts_on } = *counted;
            SalesTallyKey { account_id, program_id, affiliate_id, since_version, period, starts_on }
        })
    }
}

/// A tally that a command has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct TouchedTally {
    pub key: SalesTallyKey,
    /// The sale whose part of the tally changed.
    pub sale_id: ConversionId,
    pub enrollment_id: EnrollmentId,
    pub terms_version: i32,
    /// The event that changed it: the sale, a refund or a correction.
    pub cause: ConversionId,
}
