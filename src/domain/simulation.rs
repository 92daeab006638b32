//! Terms that are proposed and not in force, and what they would change. Knows no rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::id::{AffiliateId, ConversionId, ProgramId};
use super::money::Currency;
use super::program::{Terms, TermsDraft};
use super::tally::{Cap, CapScope};
use super::terms_period::Occasion;
use super::time::Time;

/// Terms that stand in place of other terms of a program while events are judged by them. They are never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedTerms {
    /// The terms. Their version is [`ProposedTerms::VERSION`].
    pub terms: Arc<Terms>,
    /// The terms in force apply again to events from this time on.
    pub end_at: Option<Time>,
    replaced: Replaced,
}

/// The versions that proposed terms stand in place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replaced {
    /// This one, while it is in force.
    Version(i32),
    /// All that start at the start of the proposed terms or later.
    Later,
}

impl ProposedTerms {
    /// The version of proposed terms. No stored version has this number.
    pub const VERSION: i32 = 0;

    /// Terms that stand in place of `in_force` while it is in force, or in place of all versions from `start_at` on.
    pub fn new(in_force: &Terms, rules: TermsDraft, start_at: Option<Time>, end_at: Option<Time>) -> Self {
        let mut rules = rules;
        rules.count_sales(Self::VERSION, Some(&in_force.rules));
        if let Some(since_version) = rules.tallies_since(&in_force.rules) {
            rules.ladder.iter_mut().for_each(|ladder| ladder.since_version = since_version);
        }
        let terms = Terms { version: Self::VERSION, rules, ..in_force.clone() };
        let (terms, replaced) = match start_at {
            None => (terms, Replaced::Version(in_force.version)),
            Some(starts_at) => (Terms { starts_at, ends_at: None, yields_to: Vec::new(), ..terms }, Replaced::Later),
        };
        Self { terms: Arc::new(terms), end_at, replaced }
    }

    /// Since when they stand in place of other terms. `None`: in place of the first version, which also applies to events from before its start.
    pub fn start_at(&self) -> Option<Time> {
        (self.replaced != Replaced::Version(1)).then_some(self.terms.starts_at)
    }

    /// Whether they stand in place of other terms at a time.
    pub fn covers(&self, occurred_at: Time) -> bool {
        let has_started = self.start_at().is_none_or(|start_at| start_at <= occurred_at);
        has_started && self.end_at.is_none_or(|end_at| occurred_at < end_at)
    }

    /// Whether they stand in place of other terms of a program at a time.
    pub fn covers_in(&self, program_id: ProgramId, occurred_at: Time) -> bool {
        self.terms.program_id == program_id && self.covers(occurred_at)
    }

    /// The terms that apply to an event of a time that these cover: of all versions that are not replaced, and these, the one that
    /// [`terms_period`](super::terms_period) says.
    pub fn choose<'set>(&'set self, occasion: &Occasion, versions: Vec<&'set Arc<Terms>>) -> Option<&'set Arc<Terms>> {
        let own = match self.replaced {
            Replaced::Version(1) => true,
            Replaced::Version(_) | Replaced::Later => self.terms.applies_to(occasion),
        };
        let rank = match self.replaced {
            Replaced::Version(version) => (self.terms.starts_at, version),
            Replaced::Later => (self.terms.starts_at, i32::MAX),
        };
        let stand = versions.into_iter().filter(|terms| !self.replaces(terms) && terms.applies_to(occasion));
        let ranked = stand.map(|terms| (terms.rank(), terms)).chain(own.then_some((rank, &self.terms)));
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, terms)| terms)
    }

    /// The terms of the program that apply to some event while these stand in place of others.
    pub fn with_the_rest<'set>(&'set self, versions: &[&'set Terms]) -> Vec<&'set TermsDraft> {
        // The versions apply again after the end.
        let stands = |terms: &&&Terms| self.end_at.is_some() || !self.replaces(terms);
        let rest = versions.iter().filter(stands).map(|terms| &terms.rules);
        rest.chain([&self.terms.rules]).collect()
    }

    /// Since which version each version of the program counts on its ladder, if these had been published in place of the one that they stand in
    /// place of. Empty if they only stand in place of it for a time.
    pub fn counting_since(&self, versions: &[&Terms]) -> BTreeMap<i32, i32> {
        let Replaced::Version(replaced) = self.replaced else { return BTreeMap::new() };
        if self.end_at.is_some() {
            return BTreeMap::new();
        }
        let mut versions: Vec<_> = versions.iter().filter(|terms| terms.program_id == self.terms.program_id).collect();
        versions.sort_by_key(|terms| terms.version);
        let mut since = BTreeMap::new();
        let mut before: Option<(&TermsDraft, i32)> = None;
        for terms in versions {
            let (version, rules) = match terms.version == replaced {
                true => (Self::VERSION, &self.terms.rules),
                false => (terms.version, &terms.rules),
            };
            before = rules.ladder.as_ref().map(|_| {
                let goes_on = before.filter(|(before, _)| rules.tallies_since(before).is_some());
                (rules, goes_on.map_or(terms.version, |(_, since)| since))
            });
            since.extend(before.map(|(_, counting_since)| (version, counting_since)));
        }
        since
    }

    /// Whether they stand in place of a version.
    fn replaces(&self, terms: &Terms) -> bool {
        match self.replaced {
            Replaced::Version(version) => terms.version == version,
            // The first version stays for those whom these do not reach.
            Replaced::Later => terms.version > 1 && terms.starts_at >= self.terms.starts_at,
        }
    }
}

/// Whether what an event earns by the terms may depend on what other events have earned.
pub fn has_tallies(rules: &TermsDraft) -> bool {
    rules.caps.iter().any(|cap| cap.scope != CapScope::SingleEvent)
}

/// Why nobody can say what a history earns by some terms without telling it again in the order in which it was told: what events earn then
/// depends on that order. See ADR 38 for the terms under which it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderMatters {
    /// What events give up of several tallies goes to those that are told later.
    SeveralCaps,
    /// The same, of the tally of a program.
    CapOfProgram,
    /// The step of a ladder decides what a cap limits.
    LadderAndCap,
    /// Uplines earn a part of a commission, so it matters whose commission found no room.
    Uplines,
    /// Clicks count in the caps too, and no customer has them.
    Clicks,
    /// A maximum that is changed pays nothing of before and takes nothing back.
    OtherMaximum,
}

impl OrderMatters {
    /// Why the order matters by these versions of a program's terms, if it does.
    pub fn by(versions: &[&TermsDraft]) -> Option<Self> {
        if let Some(reason) = versions.iter().find_map(|rules| Self::by_one(rules)) {
            return Some(reason);
        }
        let any = |holds: fn(&TermsDraft) -> bool| versions.iter().any(|rules| holds(rules));
        if any(has_tallies) && any(TermsDraft::pays_for_clicks) {
            return Some(Self::Clicks);
        }
        let caps = || versions.iter().flat_map(|rules| &rules.caps).filter(|cap| cap.scope != CapScope::SingleEvent);
        let is_changed = caps().any(|cap| {
            let is_same_tally = |other: &&Cap| (other.scope, other.period) == (cap.scope, cap.period);
            caps().filter(is_same_tally).any(|other| other.maximum != cap.maximum)
        });
        is_changed.then_some(Self::OtherMaximum)
    }

    fn by_one(rules: &TermsDraft) -> Option<Self> {
        let count = rules.caps.iter().filter(|cap| cap.scope != CapScope::SingleEvent).count();
        if count > 0 && rules.ladder.is_some() {
            Some(Self::LadderAndCap)
        } else if rules.caps.iter().any(|cap| cap.scope == CapScope::Program) {
            Some(Self::CapOfProgram)
        } else if count > 1 {
            Some(Self::SeveralCaps)
        } else if count > 0 && rules.upline_levels.iter().any(|level| level.percent_ppm > 0) {
            Some(Self::Uplines)
        } else {
            None
        }
    }
}

/// What each affiliate earns, in minor units, less what was taken back.
pub type Earnings = BTreeMap<(AffiliateId, Currency), i64>;

/// What a conversion has earned, and what it earns when it is judged again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedConversion {
    /// The conversion.
    pub conversion_id: ConversionId,
    /// Whether it occurred while the proposed terms stand. Else only its tallies may change what it earns.
    pub is_covered: bool,
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
    /// Whether it is a part of the results: it occurred while the proposed terms stand, or they change what it earns.
    pub fn is_told(&self) -> bool {
        self.is_covered || self.current != self.proposed
    }

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
