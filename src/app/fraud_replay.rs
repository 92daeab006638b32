//! ReplayFraudRules: judges the events of a program again by proposed fraud rules, in the order in which they were told, and says what would
//! have been held. Nothing is written.
//!
//! A page of events is read at a time, in a snapshot of its own, so that none is held for long. The memory is bounded by the page, and by what
//! [`FraudHistory`] remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::App;
use crate::clock;
use crate::domain::conversion::{Conversion, Credit};
use crate::domain::fraud::facts::{Known, winning_click};
use crate::domain::fraud::history::FraudHistory;
use crate::domain::fraud::{FraudFlag, FraudRule};
use crate::domain::id::{AccountId, ClickId, ConversionId, ProgramId};
use crate::domain::money::{Currency, Money};
use crate::domain::reward::{Reward, RewardState, RewardUnit};
use crate::domain::time::Interval;
use crate::store::fraud_replay::EventRows;
use crate::store::{self, Snapshot, StoreError};

/// How many events are read at a time.
const EVENTS_MAX: u64 = 500;

/// The longest pause between two pages.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// An event that the rules flag.
#[derive(Debug)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct FlaggedCredit {
    pub conversion_id: ConversionId,
    pub credit: Credit,
    pub flags: Vec<FraudFlag>,
    pub is_held: bool,
    /// What is left of its rewards. `None` if it has none.
    pub rewards: Option<Money>,
}

/// The counts so far.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ReplayCounts {
    pub conversions: i64,
    pub credits: i64,
    pub flagged: i64,
    pub held: i64,
    /// By the code of the currency.
    pub held_minor: BTreeMap<&'static str, (Currency, i128)>,
    /// How often each rule flags, in their order.
    pub by_rule: Vec<i64>,
}

/// A replay in progress. Between two steps it holds nothing of the database.
pub struct FraudReplay {
    app: Arc<App>,
    account_id: AccountId,
    program_id: ProgramId,
    /// The proposed rules.
    pub rules: Vec<FraudRule>,
    history: FraudHistory,
    after: Option<ConversionId>,
    /// The counts so far.
    pub counts: ReplayCounts,
}

impl FraudReplay {
    /// A replay that has judged nothing yet.
    pub fn new(app: Arc<App>, account_id: AccountId, program_id: ProgramId, rules: Vec<FraudRule>) -> Self {
        let counts = ReplayCounts { by_rule: vec![0; rules.len()], ..ReplayCounts::default() };
        Self { app, account_id, program_id, rules, history: FraudHistory::default(), after: None, counts }
    }

    /// How many events there are to look at.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self) -> Result<i64, StoreError> {
        let _turn = self.app.store().read_turn(self.account_id).await;
        let snapshot = self.snapshot().await?;
        store::simulation::count_events(&snapshot, self.account_id, Interval::default()).await
    }

    /// Takes a snapshot. If the caller is gone meanwhile, it is taken all the same, and ended, so that its connection never goes back to the
    /// pool in the middle of a transaction's begin.
    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let app = Arc::clone(&self.app);
        let taken = tokio::spawn(async move { app.store().snapshot().await }).await;
        taken.map_err(|error| StoreError::Unexpected(error.to_string()))?
    }

    /// Judges the next page, and returns what is flagged. `None` when there is no further page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn step(&mut self) -> Result<Option<Vec<FlaggedCredit>>, StoreError> {
        let app = Arc::clone(&self.app);
        let turn = app.store().read_turn(self.account_id).await;
        let begun_at = clock::monotonic_now();
        let snapshot = self.snapshot().await?;
        let events = store::fraud_replay::events_after(&snapshot, self.account_id, self.after, EVENTS_MAX).await?;
        let Some(last) = events.last() else { return Ok(None) };
        self.after = Some(last.id);
        let clicks = self.clicks_of(&events);
        let rows = store::fraud_replay::rows_of(&snapshot, self.account_id, &events, clicks).await?;
        drop((snapshot, turn));
        let mut flagged = Vec::new();
        for event in &events {
            self.counts.conversions += 1;
            let program_id = self.program_id;
            for credit in event.credits.iter().filter(|credit| credit.program_id == program_id) {
                flagged.extend(self.judge(event, credit, &rows));
            }
        }
        // Others get at least half of the connection's time, and SQLite's log can be folded in between.
        tokio::time::sleep(begun_at.elapsed().min(PAUSE_MAX)).await;
        Ok(Some(flagged))
    }

    /// The clicks that won credits of the program, each with its visitor's tracking id.
    fn clicks_of(&self, events: &[Conversion]) -> BTreeSet<(ClickId, ClickId)> {
        let mut clicks = BTreeSet::new();
        for event in events {
            for credit in event.credits.iter().filter(|credit| credit.program_id == self.program_id) {
                clicks.extend(event.tid.zip(winning_click(event, credit.enrollment_id)));
            }
        }
        clicks
    }

    fn judge(&mut self, event: &Conversion, credit: &Credit, rows: &EventRows) -> Option<FlaggedCredit> {
        let known = Known {
            lead: event.lead_id.and_then(|id| rows.leads.get(&id)),
            affiliate: rows.affiliates.get(&credit.affiliate_id),
            click: winning_click(event, credit.enrollment_id).and_then(|id| rows.clicks.get(&id)),
        };
        let flags = self.history.judge(&self.rules, event, credit, &known);
        self.counts.credits += 1;
        if flags.is_empty() {
            return None;
        }
        for (count, rule) in self.counts.by_rule.iter_mut().zip(&self.rules) {
            *count += i64::from(flags.iter().any(|flag| flag.kind == rule.kind));
        }
        let is_held = flags.iter().any(|flag| flag.mode.holds());
        let rewards = rows.rewards.get(&event.id).and_then(|rewards| left_of(rewards, credit));
        self.counts.flagged += 1;
        self.counts.held += i64::from(is_held);
        if let Some(money) = rewards.filter(|_| is_held) {
            let (_, sum) = self.counts.held_minor.entry(money.currency.code()).or_insert((money.currency, 0));
            *sum += i128::from(money.amount_minor);
        }
        Some(FlaggedCredit { conversion_id: event.id, credit: credit.clone(), flags, is_held, rewards })
    }
}

/// What is left of the rewards of a credit in cash, in the currency of the first one. Denied ones earned nothing.
fn left_of(rewards: &[Reward], credit: &Credit) -> Option<Money> {
    let is_of_credit = |reward: &&Reward| {
        reward.credited_enrollment_id() == credit.enrollment_id
            && reward.unit == RewardUnit::Cash
            && reward.reverses.is_none()
            && reward.state != RewardState::Denied
    };
    let mut own = rewards.iter().filter(is_of_credit).peekable();
    let currency = own.peek()?.value.currency;
    let left = own
        .filter(|reward| reward.value.currency == currency)
        .map(|reward| reward.value.amount_minor.saturating_sub(reward.reversed_minor));
    Some(Money::new(left.fold(0, i64::saturating_add), currency))
}
