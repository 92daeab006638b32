//! SimulateTerms: judges the history of an account again as if other terms had been in force, and adds up what changes.
//!
//! A part of the customers is judged at a time, in a snapshot of its own, so that none is held for long: SQLite cannot shorten its log past a
//! snapshot. Each customer is therefore read as it is at one moment, and different customers at different moments. Nothing is written, and
//! what the rules write in memory is undone customer by customer. The memory is bounded by the customers of a part and by the affiliates, with
//! caps by the affiliates and the periods, and with ladders by a fixed number of sales.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::App;
use crate::clock::{self, RandomIds};
use crate::domain::conversion::ConversionImage;
use crate::domain::id::{AccountId, AffiliateId, ConversionId, LeadId};
use crate::domain::money::Currency;
use crate::domain::program::Terms;
use crate::domain::refusal::Refusal;
use crate::domain::rule::{Envelope, SimulatedCustomer, SimulatedTallies, add_needs, simulate, simulate_sale};
use crate::domain::set::{Needs, WorkingSet};
use crate::domain::simulation::{ProposedTerms, SimulatedConversion};
use crate::domain::time::{Interval, Time};
use crate::store::set::catalogue::Catalogues;
use crate::store::set::load_to_try;
use crate::store::{self, Snapshot, StoreError};

/// How many leads a part has. Each has at most some thousand conversions.
const LEADS_MAX: u64 = 16;

/// How many conversions are looked through for those without a lead in a part.
const CONVERSIONS_MAX: u64 = 500;

/// How often rows are loaded for a part before it fails. Each time, all of its customers get what they turned out to need.
const LOADS_MAX: usize = 32;

/// The longest pause between two parts.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Why a simulation fails.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The rules refuse an event under the proposed terms.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// The history cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an affiliate earns in a currency, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// What it has earned.
    pub earned_minor: i128,
    /// What it would have earned in addition, or less.
    pub difference_minor: i128,
    /// How many conversions would earn another amount.
    pub changed_count: i64,
}

/// The results so far.
#[derive(Debug, Default)]
pub struct Results {
    /// By affiliate and currency.
    pub sums: BTreeMap<(AffiliateId, Currency), Sums>,
    /// How many conversions were judged.
    pub judged_count: i64,
    /// How many of them are of the program.
    pub program_count: i64,
    /// How many of them would earn any affiliate another amount.
    pub changed_count: i64,
}

impl Results {
    fn add(&mut self, conversion: &SimulatedConversion) {
        self.judged_count += i64::from(conversion.is_covered);
        let keys: Vec<_> = conversion.keys().map(|key| (key, conversion.difference(&key))).collect();
        let is_changed = keys.iter().any(|(_, difference)| *difference != 0);
        self.changed_count += i64::from(is_changed);
        if !is_changed && !conversion.is_of_program {
            return;
        }
        self.program_count += i64::from(conversion.is_of_program && conversion.is_covered);
        for (key, difference) in keys {
            let sums = self.sums.entry(key).or_default();
            sums.earned_minor += i128::from(conversion.recorded.get(&key).copied().unwrap_or_default());
            sums.difference_minor += i128::from(difference);
            sums.changed_count += i64::from(difference != 0);
        }
    }
}

/// How far the walk over the customers is.
enum Place {
    LooseChanges(Option<ConversionId>),
    Leads(Option<LeadId>),
    Conversions(Option<ConversionId>),
    End,
}

/// A simulation in progress. Between two steps it holds nothing of the database.
pub struct Simulation {
    app: Arc<App>,
    account_id: AccountId,
    proposed: Arc<ProposedTerms>,
    now: Time,
    place: Place,
    catalogues: Catalogues,
    tallies: SimulatedTallies,
    /// The results so far.
    pub results: Results,
}

impl Simulation {
    /// A simulation of terms over the history of an account, which has judged nothing yet. `versions` are those of all programs.
    pub fn new(app: Arc<App>, account_id: AccountId, proposed: ProposedTerms, versions: &[Terms]) -> Self {
        let now = app.clock().now();
        let tallies = SimulatedTallies::of(&versions.iter().collect::<Vec<_>>(), &proposed);
        let (proposed, catalogues) = (Arc::new(proposed), Catalogues::default());
        let place = if tallies.wants_loose_changes() { Place::LooseChanges(None) } else { Place::Leads(None) };
        let results = Results::default();
        Self { app, account_id, proposed, now, place, catalogues, tallies, results }
    }

    /// How many conversions there are to judge.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self) -> Result<i64, StoreError> {
        let start = self.proposed.start_at();
        let _turn = self.app.store().read_turn(self.account_id).await;
        let snapshot = self.snapshot().await?;
        let occurred = Interval { start, end: self.proposed.end_at };
        store::simulation::count_events(&snapshot, self.account_id, occurred).await
    }

    /// Takes a snapshot. If the caller is gone meanwhile, it is taken all the same, and ended, so that its connection never goes back to the
    /// pool in the middle of a transaction's begin.
    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let app = Arc::clone(&self.app);
        let taken = tokio::spawn(async move { app.store().snapshot().await }).await;
        taken.map_err(|error| StoreError::Unexpected(error.to_string()))?
    }

    /// Judges the next part. False when there is none left.
    ///
    /// # Errors
    /// See [`SimulationError`].
    pub async fn step(&mut self) -> Result<bool, SimulationError> {
        let app = Arc::clone(&self.app);
        let turn = app.store().read_turn(self.account_id).await;
        let begun_at = clock::monotonic_now();
        let snapshot = self.snapshot().await?;
        let customers = self.next_customers(&snapshot).await?;
        self.judge(&snapshot, customers).await?;
        drop((snapshot, turn));
        if matches!(self.place, Place::End) {
            let told = self.tallies.finish().map_err(SimulationError::Refused)?;
            told.iter().for_each(|conversion| self.results.add(conversion));
        }
        // Others get at least half of the connection's time, and SQLite's log can be folded in between.
        tokio::time::sleep(begun_at.elapsed().min(PAUSE_MAX)).await;
        Ok(!matches!(self.place, Place::End))
    }

    async fn next_customers(&mut self, snapshot: &Snapshot) -> Result<Vec<SimulatedCustomer>, StoreError> {
        let account_id = self.account_id;
        match self.place {
            Place::LooseChanges(after) => {
                let page = store::simulation::changes_without_lead_after(snapshot, account_id, after, CONVERSIONS_MAX);
                let changes = page.await?;
                self.place = changes.last().map_or(Place::Leads(None), |last| Place::LooseChanges(Some(last.id)));
                changes.into_iter().for_each(|change| self.tallies.add_loose_change(Arc::new(change)));
                Ok(Vec::new())
            }
            Place::Leads(after) => {
                let ids = store::simulation::leads_after(snapshot, account_id, after, LEADS_MAX).await?;
                let last = ids.last().copied();
                self.place = last.map_or(Place::Conversions(None), |last| Place::Leads(Some(last)));
                Ok(ids.into_iter().map(SimulatedCustomer::Lead).collect())
            }
            Place::Conversions(after) => {
                let page = store::simulation::without_lead_after(snapshot, account_id, after, CONVERSIONS_MAX).await?;
                self.place = page.last.map_or(Place::End, |last| Place::Conversions(Some(last)));
                Ok(page.ids.into_iter().map(SimulatedCustomer::Event).collect())
            }
            Place::End => Ok(Vec::new()),
        }
    }

    async fn judge(&mut self, snapshot: &Snapshot, customers: Vec<SimulatedCustomer>) -> Result<(), SimulationError> {
        let mut set = WorkingSet::default();
        self.renew_catalogues(snapshot).await?;
        let mut waiting = customers;
        for _ in 0..LOADS_MAX {
            let mut needs = Needs::default();
            let mut missing = Vec::new();
            for customer in waiting {
                let Self { account_id, proposed, tallies, now, .. } = &mut *self;
                match simulate(&mut set, *account_id, customer, proposed, tallies, *now, &mut RandomIds) {
                    Ok(conversions) => conversions.iter().for_each(|conversion| self.results.add(conversion)),
                    Err(refusal) => {
                        needs.add(wanted(&mut set, refusal)?);
                        missing.push(customer);
                    }
                }
                tokio::task::yield_now().await;
            }
            if missing.is_empty() {
                return Ok(());
            }
            load_to_try(snapshot, needs, &mut self.catalogues, &mut set).await?;
            waiting = missing;
        }
        Err(too_many_loads().into())
    }

    async fn renew_catalogues(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let head = store::account_head::head(snapshot, self.account_id).await?;
        self.catalogues.renew(&BTreeMap::from([(self.account_id, head)]));
        Ok(())
    }

    /// What a sale would earn if it was recorded now, by the terms in force and by the proposed ones.
    ///
    /// # Errors
    /// See [`SimulationError`].
    pub async fn sale(&mut self, envelope: &Envelope) -> Result<[ConversionImage; 2], SimulationError> {
        let snapshot = self.snapshot().await?;
        self.renew_catalogues(&snapshot).await?;
        let current = self.sale_by(&snapshot, envelope, None).await?;
        let proposed = Arc::clone(&self.proposed);
        let proposed = self.sale_by(&snapshot, envelope, Some(&proposed)).await?;
        Ok([current, proposed])
    }

    async fn sale_by(
        &mut self,
        snapshot: &Snapshot,
        envelope: &Envelope,
        proposed: Option<&Arc<ProposedTerms>>,
    ) -> Result<ConversionImage, SimulationError> {
        let mut set = WorkingSet::default();
        let mut needs = Needs::default();
        add_needs(&mut needs, envelope);
        for _ in 0..LOADS_MAX {
            load_to_try(snapshot, needs, &mut self.catalogues, &mut set).await?;
            match simulate_sale(&mut set, envelope, proposed, self.now, &mut RandomIds) {
                Ok(image) => return Ok(image),
                Err(refusal) => needs = wanted(&mut set, refusal)?,
            }
        }
        Err(too_many_loads().into())
    }

    /// How many conversions were judged so far.
    pub fn judged_count(&self) -> i64 {
        let climbing = i64::try_from(self.tallies.climbing_count()).unwrap_or(i64::MAX);
        self.results.judged_count.saturating_add(climbing)
    }

    /// The results for affiliates who earn in one of both ways.
    pub fn affiliates(&self) -> impl Iterator<Item = (&(AffiliateId, Currency), &Sums)> {
        let is_shown = |sums: &Sums| sums.earned_minor != 0 || sums.difference_minor != 0 || sums.changed_count > 0;
        self.results.sums.iter().filter(move |(_, sums)| is_shown(sums))
    }

    /// The sums of all affiliates by currency. The count is that of the affiliates who would earn another amount.
    pub fn totals(&self) -> BTreeMap<&'static str, (Currency, Sums)> {
        let mut totals: BTreeMap<&'static str, (Currency, Sums)> = BTreeMap::new();
        for ((_, currency), sums) in self.affiliates() {
            let (_, total) = totals.entry(currency.code()).or_insert((*currency, Sums::default()));
            total.earned_minor += sums.earned_minor;
            total.difference_minor += sums.difference_minor;
            total.changed_count += i64::from(sums.difference_minor != 0);
        }
        totals
    }
}

/// The rows that a rule turned out to need, or why it refuses.
fn wanted(set: &mut WorkingSet, refusal: Refusal) -> Result<Needs, SimulationError> {
    match (refusal, set.take_wanted()) {
        (Refusal::NotLoaded(_), Some(needs)) if needs != Needs::default() => Ok(needs),
        (Refusal::NotLoaded(name), _) => {
            Err(StoreError::Unexpected(format!("a simulation needs a {name} that it does not name")).into())
        }
        (refusal, _) => Err(SimulationError::Refused(refusal)),
    }
}

fn too_many_loads() -> StoreError {
    StoreError::Unexpected("a simulation needs further rows again and again".to_owned())
}
