//! SimulateTerms: judges the history of an account again as if other terms had been in force, and adds up what changes.
//!
//! A part of the customers is judged at a time, in a snapshot of its own, so that none is held for long: SQLite cannot shorten its log past a
//! snapshot. Each customer is therefore read as it is at one moment, and different customers at different moments. Nothing is written, and
//! what the rules write in memory is undone customer by customer. Events that share tallies are told again once all customers were judged. The
//! memory is bounded by the customers of a part and by the affiliates and periods, and with tallies by a fixed number of turns.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::App;
use crate::clock::{self, RandomIds};
use crate::domain::click::Click;
use crate::domain::conversion::ConversionImage;
use crate::domain::id::{AccountId, AffiliateId, ClickId, ConversionId, LeadId, RewardId};
use crate::domain::money::Currency;
use crate::domain::program::Terms;
use crate::domain::refusal::Refusal;
use crate::domain::rule::{Envelope, Replay, SimulatedCustomer, add_needs, simulate, simulate_sale};
use crate::domain::set::{Needs, WorkingSet};
use crate::domain::simulation::{Earnings, ProposedTerms, SimulatedEarning, SimulatedSubject};
use crate::domain::time::{Interval, Time};
use crate::store::click::ClickQuery;
use crate::store::list::Walk;
use crate::store::set::catalogue::Catalogues;
use crate::store::set::load_to_try;
use crate::store::{self, Snapshot, StoreError};

/// How many leads a part has. Each has at most some thousand conversions.
const LEADS_MAX: u64 = 16;

/// How many conversions are looked through for those without a lead in a part.
const CONVERSIONS_MAX: u64 = 500;

/// How many turns are taken in a part, and how many clicks are told again.
const TURNS_MAX: usize = 500;

/// How many clicks are read at a time.
const CLICKS_MAX: u64 = 500;

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
    fn add(&mut self, earning: &SimulatedEarning) {
        // Clicks and bonuses are in the sums alone.
        let is_conversion = matches!(earning.subject, SimulatedSubject::Conversion(_));
        self.judged_count += i64::from(is_conversion && earning.is_covered);
        let keys: Vec<_> = earning.keys().map(|key| (key, earning.difference(&key))).collect();
        let is_changed = keys.iter().any(|(_, difference)| *difference != 0);
        self.changed_count += i64::from(is_conversion && is_changed);
        if !is_changed && !earning.is_of_program {
            return;
        }
        self.program_count += i64::from(is_conversion && earning.is_of_program && earning.is_covered);
        for (key, difference) in keys {
            let sums = self.sums.entry(key).or_default();
            sums.earned_minor += i128::from(earning.recorded.get(&key).copied().unwrap_or_default());
            sums.difference_minor += i128::from(difference);
            sums.changed_count += i64::from(is_conversion && difference != 0);
        }
    }

    /// Adds what affiliates have earned with clicks, whose differences are added click by click.
    fn add_clicks(&mut self, recorded: &Earnings) {
        for (key, minor) in recorded {
            self.sums.entry(*key).or_default().earned_minor += i128::from(*minor);
        }
    }
}

/// How far the simulation is.
#[derive(Clone, Copy)]
enum Place {
    LooseChanges(Option<ConversionId>),
    LooseRewards(Option<RewardId>),
    Leads(Option<LeadId>),
    Conversions(Option<ConversionId>),
    Replay,
    End,
}

/// The clicks that were read and not told again.
#[derive(Default)]
struct Clicks {
    read: VecDeque<Click>,
    after: Option<ClickId>,
    are_all_read: bool,
}

/// A simulation in progress. Between two steps it holds nothing of the database.
pub struct Simulation {
    app: Arc<App>,
    account_id: AccountId,
    proposed: Arc<ProposedTerms>,
    now: Time,
    place: Place,
    catalogues: Catalogues,
    replay: Replay,
    clicks: Clicks,
    /// The results so far.
    pub results: Results,
}

impl Simulation {
    /// A simulation of terms over the history of an account, which has judged nothing yet. `versions` are those of all programs.
    pub fn new(app: Arc<App>, account_id: AccountId, proposed: ProposedTerms, versions: &[Terms]) -> Self {
        let now = app.clock().now();
        let (proposed, catalogues) = (Arc::new(proposed), Catalogues::default());
        let replay = Replay::of(&versions.iter().collect::<Vec<_>>(), &proposed);
        let place = match (replay.has_tallies(), replay.pays_for_clicks()) {
            (true, _) => Place::LooseChanges(None),
            (false, true) => Place::LooseRewards(None),
            (false, false) => Place::Leads(None),
        };
        let clicks = Clicks { are_all_read: !replay.pays_for_clicks(), ..Clicks::default() };
        let results = Results::default();
        Self { app, account_id, proposed, now, place, catalogues, replay, clicks, results }
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
        if matches!(self.place, Place::Replay) {
            self.tell_again().await?;
        } else {
            let snapshot = self.snapshot().await?;
            let customers = self.next_customers(&snapshot).await?;
            self.judge(&snapshot, customers).await?;
        }
        drop(turn);
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
                self.place =
                    changes.last().map_or(Place::LooseRewards(None), |last| Place::LooseChanges(Some(last.id)));
                changes.into_iter().for_each(|change| self.replay.add_loose_change(Arc::new(change)));
                Ok(Vec::new())
            }
            Place::LooseRewards(after) => {
                let page =
                    store::simulation::rewards_without_conversion_after(snapshot, account_id, after, CONVERSIONS_MAX);
                let rewards = page.await?;
                self.place = rewards.last().map_or(Place::Leads(None), |last| Place::LooseRewards(Some(last.id)));
                rewards.iter().for_each(|reward| self.replay.add_loose_reward(reward));
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
                self.place = page.last.map_or(Place::Replay, |last| Place::Conversions(Some(last)));
                if page.last.is_none() {
                    self.replay.sort();
                }
                Ok(page.ids.into_iter().map(SimulatedCustomer::Event).collect())
            }
            Place::Replay | Place::End => Ok(Vec::new()),
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
                let Self { account_id, proposed, replay, now, .. } = &mut *self;
                match simulate(&mut set, *account_id, customer, proposed, replay, *now, &mut RandomIds) {
                    Ok(earnings) => earnings.iter().for_each(|earning| self.results.add(earning)),
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

    /// Tells events and clicks again that share tallies, in the order in which they were told. Ends the simulation after the last one.
    async fn tell_again(&mut self) -> Result<(), SimulationError> {
        // They are read before there is a snapshot, because one simulation takes one connection at a time.
        self.read_clicks().await?;
        if self.replay.is_over() && self.clicks.read.is_empty() {
            self.place = Place::End;
            self.results.add_clicks(self.replay.recorded_of_clicks());
            self.replay.finish().iter().for_each(|earning| self.results.add(earning));
            return Ok(());
        }
        let snapshot = self.snapshot().await?;
        self.renew_catalogues(&snapshot).await?;
        let mut set = WorkingSet::default();
        let needs = self.replay.needs(self.account_id, TURNS_MAX);
        load_to_try(&snapshot, needs, &mut self.catalogues, &mut set).await?;
        for _ in 0..TURNS_MAX {
            if self.clicks.read.is_empty() && (!self.clicks.are_all_read || self.replay.is_over()) {
                break;
            }
            self.tell_next(&snapshot, &mut set).await?;
        }
        Ok(())
    }

    /// Tells the next click or command again.
    async fn tell_next(&mut self, snapshot: &Snapshot, set: &mut WorkingSet) -> Result<(), SimulationError> {
        let click = self.clicks.read.pop_front_if(|click| self.replay.is_before_next(click));
        for _ in 0..LOADS_MAX {
            let Self { account_id, replay, .. } = &mut *self;
            let told = match &click {
                Some(click) => replay.click(set, *account_id, click, &mut RandomIds).map(Vec::from_iter),
                None => replay.step(set, *account_id, &mut RandomIds),
            };
            match told {
                Ok(earnings) => {
                    earnings.iter().for_each(|earning| self.results.add(earning));
                    tokio::task::yield_now().await;
                    return Ok(());
                }
                Err(refusal) => {
                    let needs = wanted(set, refusal)?;
                    load_to_try(snapshot, needs, &mut self.catalogues, set).await?;
                }
            }
        }
        Err(too_many_loads().into())
    }

    /// Reads further clicks, when those that were read were told.
    async fn read_clicks(&mut self) -> Result<(), SimulationError> {
        while self.clicks.read.is_empty() && !self.clicks.are_all_read {
            let walk = Walk { after: self.clicks.after.map(ClickId::uuid), ..Walk::first(CLICKS_MAX) };
            let page = store::click::list(self.app.store(), self.account_id, &ClickQuery::default(), walk).await?;
            let last = page.clicks.last().map(|click| click.id.uuid()).max(page.ended_at);
            self.clicks.are_all_read = last.is_none();
            self.clicks.after = last.map(ClickId::from_uuid).or(self.clicks.after);
            let mut read = page.clicks;
            read.sort_by_key(|click| (click.created_at, click.id));
            self.clicks.read.extend(read);
        }
        Ok(())
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
        self.results.judged_count.saturating_add(self.replay.waiting_count())
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
