//! The figures of accounts: sums by day, program, affiliate, link and sub-id, so that no query adds up sales. See docs/adr/0027.
//!
//! A commit appends what it adds to the figures to the *tail*, as one row for each account. When the tail is long, a writer *folds* it: it
//! adds the rows' figures to the *blocks* of their accounts, by day. A read adds up an account's blocks and its rows of the tail. Two sums
//! are kept of everything: of an affiliate's day by program and link, and of a program's day. A third one is kept of what has a sub-id.

mod block;
mod bytes;
mod fold;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use sea_orm::sea_query::{Expr, ExprTrait, Func, SelectStatement, ValueTuple};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use self::bytes::Malformed;
pub use fold::fold;
pub(super) use fold::folded;

use super::backend::bulk::Writes;
use super::backend::keys::last_value;
use super::backend::table::Reads;
use super::entity::{account as account_table, statistic_block as block_table, statistic_tail as tail_table};
use super::set::keyed::chunks;
use super::set::stored::Stored;
use super::{Snapshot, Source, StoreError, lists};
use crate::clock::RandomIds;
use crate::domain::account::Account;
use crate::domain::calendar::{Calendar, Day};
use crate::domain::id::{AccountId, AffiliateId, IdSource, LinkId, ProgramId};
use crate::domain::set::WorkingSet;
use crate::domain::statistic::{Figures, Origin, SubId, add_all};

/// How many rows a writer adds to the tail before it folds it. A read goes through all of them.
#[cfg(not(feature = "failpoints"))]
pub const TAIL_BEFORE_FOLD: usize = 1_024;

/// Few, so that tests fold often.
#[cfg(feature = "failpoints")]
pub const TAIL_BEFORE_FOLD: usize = 8;

/// The most blocks that a query of all affiliates reads: the figures of some 200,000 days of affiliates.
const BLOCKS_MAX: usize = 6_144;

/// Whose figures of which day. The order is that of the stored keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Of a program.
    OfProgram(Day, ProgramId),
    /// Of an affiliate in a program, by link.
    OfAffiliate(Day, Origin),
    /// The part of these that has this sub-id.
    OfSubId(Day, Origin, Arc<str>),
}

impl Key {
    /// All keys that count what happened on this day.
    pub fn all_of(day: Day, origin: Origin, sub_id: SubId) -> impl Iterator<Item = Self> {
        let of_sub_id = sub_id.map(|sub_id| Self::OfSubId(day, origin, sub_id));
        [Self::OfProgram(day, origin.program_id), Self::OfAffiliate(day, origin)].into_iter().chain(of_sub_id)
    }

    /// The day.
    pub const fn day(&self) -> Day {
        match self {
            Self::OfProgram(day, _) | Self::OfAffiliate(day, _) | Self::OfSubId(day, ..) => *day,
        }
    }

    /// The program.
    pub const fn program_id(&self) -> ProgramId {
        match self {
            Self::OfProgram(_, program_id) => *program_id,
            Self::OfAffiliate(_, origin) | Self::OfSubId(_, origin, _) => origin.program_id,
        }
    }

    const fn origin(&self) -> Option<&Origin> {
        match self {
            Self::OfProgram(..) => None,
            Self::OfAffiliate(_, origin) | Self::OfSubId(_, origin, _) => Some(origin),
        }
    }

    /// The affiliate. `None` for the sums of a program.
    pub fn affiliate_id(&self) -> Option<AffiliateId> {
        self.origin().map(|origin| origin.affiliate_id)
    }

    /// The link, if one led to what is counted.
    pub fn link_id(&self) -> Option<LinkId> {
        self.origin().and_then(|origin| origin.link_id)
    }

    /// The sub-id. `None` for sums of all of them.
    pub const fn sub_id(&self) -> Option<&Arc<str>> {
        match self {
            Self::OfSubId(_, _, sub_id) => Some(sub_id),
            Self::OfProgram(..) | Self::OfAffiliate(..) => None,
        }
    }
}

/// The figures of days.
pub type ByKey = BTreeMap<Key, Figures>;

/// The error of stored figures that do not make sense.
fn inconsistent(account_id: AccountId) -> StoreError {
    StoreError::Inconsistent { table: "statistic_block or statistic_tail", row: account_id.uuid() }
}

/// What the set adds to the figures of accounts, in the stored form.
pub(super) fn changes(set: &WorkingSet) -> Result<BTreeMap<AccountId, Vec<u8>>, StoreError> {
    let changes = set.changed_figures().map_err(|refusal| StoreError::Unexpected(refusal.to_string()))?;
    let stored = changes.sums().map(|(account_id, sums)| {
        let mut figures: Vec<(Vec<u8>, Figures)> =
            sums.into_iter().map(|(place, figures)| (bytes::from_place(&place), figures)).collect();
        figures.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        (account_id, bytes::from_figures(figures.iter().map(|(key, figures)| (key, figures))))
    });
    Ok(stored.collect())
}

/// Queues rows for the tail. Returns how many.
pub(super) fn add_to_tail(writes: &mut Writes, figures: BTreeMap<AccountId, Vec<u8>>) -> Result<usize, StoreError> {
    let rows = figures.into_iter().map(|(account_id, figures)| tail_table::Model {
        id: RandomIds.next_uuid(),
        account_id: account_id.uuid(),
        figures,
    });
    let rows: Vec<_> = rows.collect();
    let count = rows.len();
    writes.insert::<tail_table::Entity>(rows)?;
    Ok(count)
}

/// The figures of an account's rows of the tail. Most rows have the same places, so they are added up before their places are read.
#[derive(Default)]
struct Tail(HashMap<Vec<u8>, Figures>);

impl Tail {
    /// Adds a row's figures.
    fn add(&mut self, row: &[u8]) -> Result<(), Malformed> {
        bytes::each(
            row,
            |_| true,
            |place, figures| match self.0.get_mut(place) {
                Some(sum) => add_all(sum, &figures),
                None => _ = self.0.insert(place.to_vec(), figures),
            },
        )
    }

    /// All sums that count the figures, by day.
    fn by_key(&self, mut calendar: Calendar) -> Result<ByKey, Malformed> {
        let mut sums = ByKey::new();
        for (place, figures) in &self.0 {
            let (quarter, origin, sub_id) = bytes::to_place(place)?;
            for key in Key::all_of(calendar.day(quarter), origin, sub_id) {
                add_all(sums.entry(key).or_default(), figures);
            }
        }
        Ok(sums)
    }
}

/// The account's calendar. An account that does not exist has days in UTC.
async fn calendar(connection: &impl Reads, account_id: AccountId) -> Result<Calendar, StoreError> {
    let query = account_table::Entity::find_by_id(account_id.uuid()).into_query();
    let row = connection.models::<account_table::Entity>(&query).await?.pop();
    let account = row.map(Account::from_row).transpose()?;
    let zones = account.map(|account| account.time_zones).unwrap_or_default();
    let unknown = |_| StoreError::Inconsistent { table: "account", row: account_id.uuid() };
    Calendar::new(&zones).map_err(unknown)
}

/// See [`calendar`].
///
/// # Errors
/// [`StoreError`].
pub async fn calendar_of(source: &impl Source, account_id: AccountId) -> Result<Calendar, StoreError> {
    calendar(source.connection(), account_id).await
}

/// A kind of keys. Its keys lie together, in the order of their days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Program,
    Affiliate,
    SubId,
}

/// Which figures to read.
#[derive(Debug, Clone)]
pub struct StatisticQuery {
    /// The first day.
    pub first_day: Day,
    /// The last day.
    pub last_day: Day,
    /// Only those of this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only those of this program.
    pub program_id: Option<ProgramId>,
    /// Only those through this link.
    pub link_id: Option<LinkId>,
    /// Only those with this sub-id.
    pub sub_id: SubId,
    /// Whether the keys must name affiliates and links.
    pub by_affiliate: bool,
    /// Whether the part of each sub-id is wanted beside the sums.
    pub by_sub_id: bool,
}

impl StatisticQuery {
    /// The kinds of keys whose figures are wanted.
    fn kinds(&self) -> Vec<KeyKind> {
        let is_narrow = self.by_affiliate || self.affiliate_id.is_some() || self.link_id.is_some();
        let sums = if is_narrow { KeyKind::Affiliate } else { KeyKind::Program };
        let sums = [sums].into_iter().filter(|_| self.sub_id.is_none());
        let parts = [KeyKind::SubId].into_iter().filter(|_| self.by_sub_id || self.sub_id.is_some());
        sums.chain(parts).collect()
    }

    fn has(&self, key: &Key, kinds: &[KeyKind]) -> bool {
        let kind = match key {
            Key::OfProgram(..) => KeyKind::Program,
            Key::OfAffiliate(..) => KeyKind::Affiliate,
            Key::OfSubId(..) => KeyKind::SubId,
        };
        (self.first_day..=self.last_day).contains(&key.day())
            && kinds.contains(&kind)
            && self.program_id.is_none_or(|id| key.program_id() == id)
            && self.affiliate_id.is_none_or(|id| key.affiliate_id() == Some(id))
            && self.link_id.is_none_or(|id| key.link_id() == Some(id))
            && self.sub_id.as_ref().is_none_or(|sub_id| key.sub_id() == Some(sub_id))
    }
}

/// The figures that a query asks for. `None`: it would read too many blocks.
///
/// # Errors
/// [`StoreError`].
pub async fn read(
    snapshot: &Snapshot,
    account_id: AccountId,
    query: &StatisticQuery,
) -> Result<Option<ByKey>, StoreError> {
    let connection = snapshot.connection();
    let kinds = query.kinds();
    let mut blocks = BTreeMap::new();
    for kind in &kinds {
        let rows = match query.affiliate_id {
            Some(affiliate_id) => blocks_of_affiliate(connection, account_id, query, (*kind, affiliate_id)).await?,
            None => {
                let first = bytes::start_of(*kind, query.first_day);
                let last = bytes::end_of(&bytes::start_of(*kind, query.last_day));
                connection.models::<block_table::Entity>(&query_of_blocks(account_id, first, last)).await?
            }
        };
        // A block may have keys of several kinds.
        blocks.extend(rows.into_iter().map(|row| (row.key.clone(), row)));
        if blocks.len() > BLOCKS_MAX {
            return Ok(None);
        }
    }
    let mut found = tail_of(connection, account_id).await?;
    found.retain(|key, _| query.has(key, &kinds));
    for block in blocks.into_values() {
        let is_wanted = |bytes: &[u8]| bytes::to_key(bytes).is_ok_and(|key| query.has(&key, &kinds));
        let mut add = |bytes: &[u8], figures: Figures| {
            if let Ok(key) = bytes::to_key(bytes) {
                add_all(found.entry(key).or_default(), &figures);
            }
        };
        bytes::each(&block.figures, is_wanted, &mut add).map_err(|_| inconsistent(account_id))?;
    }
    found.retain(|_, figures| !figures.is_empty());
    Ok(Some(found))
}

/// The account's whole tail, by day.
async fn tail_of(connection: &impl Reads, account_id: AccountId) -> Result<ByKey, StoreError> {
    let mut tail = Tail::default();
    let query = tail_table::Entity::find().filter(tail_table::Column::AccountId.eq(account_id.uuid()));
    let rows = connection.models::<tail_table::Entity>(&query.into_query()).await?.into_iter().map(|row| row.figures);
    for figures in rows.chain(lists::figures_of_tail(connection, account_id).await?) {
        tail.add(&figures).map_err(|_| inconsistent(account_id))?;
    }
    tail.by_key(calendar(connection, account_id).await?).map_err(|_| inconsistent(account_id))
}

/// A query for the blocks that keys between these two belong to: the block of the first one and all later ones.
fn query_of_blocks(account_id: AccountId, first: Vec<u8>, last: Vec<u8>) -> SelectStatement {
    let columns = [block_table::Column::AccountId, block_table::Column::Key];
    let nothing = || Expr::val(Vec::<u8>::new());
    let covering =
        last_value::<block_table::Entity>(columns, Expr::val(account_id.uuid()), nothing(), Expr::val(first));
    let key = || Expr::col(block_table::Column::Key.as_column_ref());
    block_table::Entity::find()
        .filter(block_table::Column::AccountId.eq(account_id.uuid()))
        .filter(key().gte(Func::coalesce([covering, nothing()])))
        .filter(key().lte(last))
        .order_by_asc(block_table::Column::Key)
        .limit(BLOCKS_MAX as u64 + 1)
        .into_query()
}

/// The blocks that an affiliate's days belong to. A day is nearly always in one.
async fn blocks_of_affiliate(
    connection: &impl Reads,
    account_id: AccountId,
    query: &StatisticQuery,
    (kind, affiliate_id): (KeyKind, AffiliateId),
) -> Result<Vec<block_table::Model>, StoreError> {
    let range = |to: Vec<u8>| ValueTuple::Three(account_id.uuid().into(), Vec::<u8>::new().into(), to.into());
    let days =
        (query.first_day.0..=query.last_day.0).map(|day| bytes::start_of_affiliate(kind, Day(day), affiliate_id));
    let days: Vec<(Vec<u8>, Vec<u8>)> = days.map(|first| (first.clone(), bytes::end_of(&first))).collect();
    let ends = days.iter().flat_map(|(first, last)| [range(first.clone()), range(last.clone())]);
    let mut blocks: BTreeMap<Vec<u8>, block_table::Model> = BTreeMap::new();
    for chunk in chunks(ends) {
        let columns = [block_table::Column::AccountId, block_table::Column::Key];
        let rows = connection.last_models::<block_table::Entity>(columns, chunk).await?;
        blocks.extend(rows.into_iter().map(|row| (row.key.clone(), row)));
    }
    // There may be further blocks between the first and the last one of a day.
    let of = |blocks: &BTreeMap<Vec<u8>, block_table::Model>, key: &Vec<u8>| {
        blocks.range(..=key.clone()).next_back().map(|(from, _)| from.clone())
    };
    let divided: BTreeSet<_> =
        days.into_iter().filter(|(first, last)| of(&blocks, first) != of(&blocks, last)).collect();
    for (first, last) in divided {
        let rows = connection.models::<block_table::Entity>(&query_of_blocks(account_id, first, last)).await?;
        blocks.extend(rows.into_iter().map(|row| (row.key.clone(), row)));
        if blocks.len() > BLOCKS_MAX {
            break;
        }
    }
    Ok(blocks.into_values().collect())
}

/// All figures of an account, for its verification.
///
/// # Errors
/// [`StoreError`].
pub async fn all(snapshot: &Snapshot, account_id: AccountId) -> Result<ByKey, StoreError> {
    let connection = snapshot.connection();
    let mut found = tail_of(connection, account_id).await?;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let query = block_table::Entity::find()
            .filter(block_table::Column::AccountId.eq(account_id.uuid()))
            .apply_if(after.take(), |query, after| query.filter(block_table::Column::Key.gt(after)))
            .order_by_asc(block_table::Column::Key)
            .limit(BLOCKS_MAX as u64);
        let rows = connection.models::<block_table::Entity>(&query.into_query()).await?;
        for row in &rows {
            for (key, figures) in bytes::to_figures(&row.figures).map_err(|_| inconsistent(account_id))? {
                let key = bytes::to_key(&key).map_err(|_| inconsistent(account_id))?;
                add_all(found.entry(key).or_default(), &figures);
            }
        }
        after = rows.last().map(|row| row.key.clone());
        if rows.len() < BLOCKS_MAX {
            break;
        }
    }
    found.retain(|_, figures| !figures.is_empty());
    Ok(found)
}
