//! The figures of accounts: sums by day, program, affiliate, link and sub-id, so that no query adds up sales. See docs/adr/0027.
//!
//! A commit appends what it adds to the figures to the *tail*, as one row for each account. When the tail is long, a writer *folds* it: it
//! adds the rows' figures to the *blocks* of their accounts, by day. A read adds up an account's blocks and its rows of the tail. Two sums
//! are kept of everything: of an affiliate's day by program and link, and of a program's day. A third one is kept of what has a sub-id.

mod block;
mod bytes;
mod fold;
mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use self::bytes::Malformed;
pub use fold::fold;
pub(super) use fold::folded;
pub use read::{Found, StatisticQuery, read};

use super::backend::bulk::Writes;
use super::backend::table::Reads;
use super::entity::{account as account_table, statistic_block as block_table, statistic_tail as tail_table};
use super::set::stored::Stored;
use super::{Snapshot, Source, StoreError, lists};
use crate::clock::RandomIds;
use crate::domain::account::Account;
use crate::domain::calendar::{Calendar, Day};
use crate::domain::id::{AccountId, AffiliateId, IdSource, LinkId, ProgramId};
use crate::domain::set::WorkingSet;
use crate::domain::statistic::{Figures, Origin};

/// How many rows a writer adds to the tail before it folds it. A read goes through all of them.
#[cfg(not(feature = "failpoints"))]
pub const TAIL_BEFORE_FOLD: usize = 1_024;

/// Few, so that tests fold often.
#[cfg(feature = "failpoints")]
pub const TAIL_BEFORE_FOLD: usize = 8;

/// Whose figures of which day. The order is that of the stored keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key<SubId = Arc<str>> {
    /// Of a program.
    OfProgram(Day, ProgramId),
    /// Of an affiliate in a program, by link.
    OfAffiliate(Day, Origin),
    /// The part of these that has this sub-id.
    OfSubId(Day, Origin, SubId),
}

impl<SubId> Key<SubId> {
    /// All keys that count what happened on this day.
    pub fn all_of(day: Day, origin: Origin, sub_id: Option<SubId>) -> impl Iterator<Item = Self> {
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
    pub const fn sub_id(&self) -> Option<&SubId> {
        match self {
            Self::OfSubId(_, _, sub_id) => Some(sub_id),
            Self::OfProgram(..) | Self::OfAffiliate(..) => None,
        }
    }

    const fn kind(&self) -> KeyKind {
        match self {
            Self::OfProgram(..) => KeyKind::Program,
            Self::OfAffiliate(..) => KeyKind::Affiliate,
            Self::OfSubId(..) => KeyKind::SubId,
        }
    }
}

impl Key<&str> {
    /// The same key with a text of its own.
    fn owned(self) -> Key {
        match self {
            Self::OfProgram(day, program_id) => Key::OfProgram(day, program_id),
            Self::OfAffiliate(day, origin) => Key::OfAffiliate(day, origin),
            Self::OfSubId(day, origin, sub_id) => Key::OfSubId(day, origin, sub_id.into()),
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
    /// Adds a row's figures of the places that are wanted.
    fn add(&mut self, row: &[u8], is_wanted: impl Fn(&[u8]) -> bool) -> Result<(), Malformed> {
        bytes::each(row, |place, figures| {
            match self.0.get_mut(place) {
                Some(sum) => sum.add_all(figures),
                None if is_wanted(place) => _ = self.0.insert(place.to_vec(), figures.clone()),
                None => (),
            }
            Ok(())
        })
    }

    /// Calls `take` with all keys that count the figures. A key may come several times.
    fn each(&self, calendar: &mut Calendar, mut take: impl FnMut(Key<&str>, &Figures)) -> Result<(), Malformed> {
        for (place, figures) in &self.0 {
            let (quarter, origin, sub_id) = bytes::to_place(place)?;
            Key::all_of(calendar.day(quarter), origin, sub_id).for_each(|key| take(key, figures));
        }
        Ok(())
    }
}

/// What the rows of the account's tail have, and those of the tail of its lists.
async fn tail_of(connection: &impl Reads, account_id: AccountId) -> Result<Vec<Vec<u8>>, StoreError> {
    let query = tail_table::Entity::find().filter(tail_table::Column::AccountId.eq(account_id.uuid())).into_query();
    let rows = connection.models::<tail_table::Entity>(&query).await?;
    let mut figures = lists::figures_of_tail(connection, account_id).await?;
    figures.extend(rows.into_iter().map(|row| row.figures));
    Ok(figures)
}

/// The account's calendar. An account that does not exist has days in UTC.
pub(super) async fn calendar(connection: &impl Reads, account_id: AccountId) -> Result<Calendar, StoreError> {
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

/// How many blocks are read at once for a verification.
const BLOCKS_PER_READ: usize = 4_096;

/// All figures of an account, for its verification.
///
/// # Errors
/// [`StoreError`].
pub async fn all(snapshot: &Snapshot, account_id: AccountId) -> Result<ByKey, StoreError> {
    let malformed = |_| inconsistent(account_id);
    let connection = snapshot.connection();
    let mut found = ByKey::new();
    let mut add = |key: Key<&str>, figures: &Figures| found.entry(key.owned()).or_default().add_all(figures);
    let mut tail = Tail::default();
    for row in tail_of(connection, account_id).await? {
        tail.add(&row, |_| true).map_err(malformed)?;
    }
    tail.each(&mut calendar(connection, account_id).await?, &mut add).map_err(malformed)?;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let query = block_table::Entity::find()
            .filter(block_table::Column::AccountId.eq(account_id.uuid()))
            .apply_if(after.take(), |query, after| query.filter(block_table::Column::Key.gt(after)))
            .order_by_asc(block_table::Column::Key)
            .limit(BLOCKS_PER_READ as u64);
        let rows = connection.models::<block_table::Entity>(&query.into_query()).await?;
        for row in &rows {
            let mut add = |key: &[u8], figures: &Figures| bytes::to_key(key).map(|key| add(key, figures));
            bytes::each(&row.figures, &mut add).map_err(malformed)?;
        }
        after = rows.last().map(|row| row.key.clone());
        if rows.len() < BLOCKS_PER_READ {
            break;
        }
    }
    found.retain(|_, figures| !figures.is_empty());
    Ok(found)
}
