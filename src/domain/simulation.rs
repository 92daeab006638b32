//! Terms that are proposed and not in force, and what they would change. Knows no rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::id::{AffiliateId, ConversionId, ProgramId};
use super::money::Currency;
use super::program::{Terms, TermsDraft};
use super::time::Time;

/// Terms that stand in place of a version of a program's terms while events are judged by them. They are never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedTerms {
    /// The terms. Their version is [`ProposedTerms::VERSION`].
    pub terms: Arc<Terms>,
    /// Whether they stand in place of the first version, which also applies to events from before its start.
    pub is_first: bool,
    /// The terms in force apply again to events from this time on.
    pub end_at: Option<Time>,
}

impl ProposedTerms {
    /// The version of proposed terms. No stored version has this number.
    pub const VERSION: i32 = 0;

    /// Terms that stand in place of `in_force`, from its start on if `start_at` is none.
    pub fn new(in_force: &Terms, rules: TermsDraft, start_at: Option<Time>, end_at: Option<Time>) -> Self {
        let starts_at = start_at.unwrap_or(in_force.starts_at);
        let terms = Arc::new(Terms { version: Self::VERSION, starts_at, rules, ..in_force.clone() });
        Self { terms, is_first: start_at.is_none() && in_force.version == 1, end_at }
    }

    /// Whether they stand in place of other terms at a time.
    pub fn covers(&self, occurred_at: Time) -> bool {
        (self.is_first || self.terms.starts_at <= occurred_at) && self.end_at.is_none_or(|end_at| occurred_at < end_at)
    }

    /// Whether they stand in place of other terms of a program at a time.
    pub fn covers_in(&self, program_id: ProgramId, occurred_at: Time) -> bool {
        self.terms.program_id == program_id && self.covers(occurred_at)
    }

    /// Whether they apply to an event of a time that they cover, see [`Terms::applies_at`].
    pub fn applies_at(&self, occurred_at: Time, bound_at: Option<Time>) -> bool {
        self.is_first || self.terms.applies_at(occurred_at, bound_at)
    }

    /// Whether they stand in place of a version. A customer whom they do not reach keeps an earlier version.
    pub fn replace(&self, terms: &Terms) -> bool {
        terms.version > 1 && terms.starts_at >= self.terms.starts_at
    }
}

/// What each affiliate earns, in minor units, less what was taken back.
pub type Earnings = BTreeMap<(AffiliateId, Currency), i64>;

/// What a conversion has earned, and what it earns when it is judged again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedConversion {
    /// The conversion.
    pub conversion_id: ConversionId,
    /// By its rewards. Denied rewards are left out here and below.
    pub recorded: Earnings,
    /// Judged again by the terms in force.
    pub current: Earnings,
    /// Judged again by the proposed terms.
    pub proposed: Earnings,
    /// Whether it is or would be credited in the program of the proposed terms.
    pub is_of_program: bool,
}

impl SimulatedConversion {
    /// What the proposed terms change for an affiliate.
    pub fn difference(&self, key: &(AffiliateId, Currency)) -> i64 {
        let of = |earnings: &Earnings| earnings.get(key).copied().unwrap_or_default();
        of(&self.proposed).saturating_sub(of(&self.current))
    }

    /// The affiliates who earn in any of the three ways, each once.
    pub fn keys(&self) -> impl Iterator<Item = (AffiliateId, Currency)> {
        let keys = self.recorded.keys().chain(self.current.keys()).chain(self.proposed.keys());
        keys.copied().collect::<BTreeSet<_>>().into_iter()
    }
}
