//! Terms that are proposed and not in force, and what they would change. Knows no rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::id::{AffiliateId, ClickId, ConversionId, ProgramId};
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
    /// Other versions of the program that count since other versions than they were published with.
    others: Vec<Arc<Terms>>,
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
        Cap::order(&mut rules.caps);
        rules.count_sales(Self::VERSION, Some(&in_force.rules));
        if let Some(since_version) = rules.tallies_since(&in_force.rules) {
            rules.ladder.iter_mut().for_each(|ladder| ladder.since_version = since_version);
        }
        let terms = Terms { version: Self::VERSION, rules, ..in_force.clone() };
        let (terms, replaced) = match start_at {
            None => (terms, Replaced::Version(in_force.version)),
            Some(starts_at) => (Terms { starts_at, ends_at: None, yields_to: Vec::new(), ..terms }, Replaced::Later),
        };
        Self { terms: Arc::new(terms), end_at, replaced, others: Vec::new() }
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

    /// The same, as if they had been published among these versions: ladders and counts of sales go on with the tallies of the version before, or
    /// begin new ones. If they only stand for a time, they go on with those of the version in force.
    #[must_use]
    pub fn among(self, versions: &[&Terms]) -> Self {
        let Replaced::Version(replaced) = self.replaced else { return self };
        if self.end_at.is_some() {
            return self;
        }
        let mut versions: Vec<_> = versions.iter().filter(|terms| terms.program_id == self.terms.program_id).collect();
        versions.sort_by_key(|terms| terms.version);
        let mut own = Arc::clone(&self.terms);
        let mut others = Vec::new();
        let mut before: Option<TermsDraft> = None;
        for terms in versions {
            let is_own = terms.version == replaced;
            let mut rules = if is_own { self.terms.rules.clone() } else { terms.rules.clone() };
            rules.count_sales(terms.version, before.as_ref());
            let since_version = before.as_ref().and_then(|before| rules.tallies_since(before));
            rules.ladder.iter_mut().for_each(|ladder| ladder.since_version = since_version.unwrap_or(terms.version));
            if terms.withdrawn_at.is_none() {
                before = Some(rules.clone());
            }
            if is_own {
                own = Arc::new(Terms { rules, ..self.terms.as_ref().clone() });
            } else if rules != terms.rules {
                others.push(Arc::new(Terms { rules, ..(*terms).clone() }));
            }
        }
        Self { terms: own, others, ..self }
    }

    /// The rows of terms that are others while these stand in place of a version.
    pub fn rows(&self) -> impl Iterator<Item = &Arc<Terms>> {
        std::iter::once(&self.terms).chain(&self.others)
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

/// Whether what an event earns by the terms may depend on other events: they have caps with tallies, a ladder, or figures of what was sold.
pub fn has_tallies(rules: &TermsDraft) -> bool {
    let has_caps = rules.caps.iter().any(|cap| cap.scope != CapScope::SingleEvent);
    has_caps || rules.ladder.is_some() || !rules.sales_tallies.is_empty()
}

/// What each affiliate earns, in minor units, less what was taken back.
pub type Earnings = BTreeMap<(AffiliateId, Currency), i64>;

/// What earns in a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimulatedSubject {
    /// A sign-up, a sale, an appointment or a custom event.
    Conversion(ConversionId),
    /// A click.
    Click(ClickId),
    /// The threshold bonuses of an affiliate in a program.
    Bonuses(ProgramId),
}

/// What a subject has earned, and what it earns when it is judged again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedEarning {
    /// The subject.
    pub subject: SimulatedSubject,
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

impl SimulatedEarning {
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
