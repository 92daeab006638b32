//! Reads the figures that a query asks for. Nothing is added up here: whoever asks gets each key with its figures as they lie in blocks and
//! rows of the tail, and adds them to the sums that it wants. A query of many affiliates has a hundred thousand keys.

#[cfg(test)]
use std::collections::BTreeMap;

use sea_orm::sea_query::ValueTuple;
#[cfg(test)]
use uuid::Uuid;

#[cfg(test)]
use super::block::Block;
use super::bytes::{self, Malformed};
use super::{Key, KeyKind, Tail, calendar, inconsistent, tail_of};
use crate::domain::calendar::{Calendar, Day};
use crate::domain::id::{AccountId, AffiliateId, LinkId, ProgramId};
#[cfg(test)]
use crate::domain::statistic::Place;
use crate::domain::statistic::{Figures, SubId};
use crate::store::backend::table::Reads;
use crate::store::entity::statistic_block as block_table;
use crate::store::set::keyed::chunks;
use crate::store::{Snapshot, Source, StoreError};

/// The most blocks that a query reads: the figures of some 200,000 days of affiliates, in at most 12 MB.
const BLOCKS_MAX: usize = 6_144;

/// So many bytes of figures are added up at once. It takes about half a millisecond.
const BYTES_PER_STEP: usize = 256 << 10;

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

    /// The first and the last key of each range that the wanted keys of a kind are in: of all days, or of each day of an affiliate.
    fn ranges(&self, kind: KeyKind) -> Vec<(Vec<u8>, Vec<u8>)> {
        let Some(affiliate_id) = self.affiliate_id else {
            return vec![(bytes::start_of(kind, self.first_day), bytes::end_of(&bytes::start_of(kind, self.last_day)))];
        };
        let days = (self.first_day.0..=self.last_day.0).map(Day);
        let firsts = days.map(|day| bytes::start_of_affiliate(kind, day, affiliate_id));
        firsts.map(|first| (first.clone(), bytes::end_of(&first))).collect()
    }

    fn has(&self, key: &Key<&str>) -> bool {
        (self.first_day..=self.last_day).contains(&key.day())
            && self.program_id.is_none_or(|id| key.program_id() == id)
            && self.affiliate_id.is_none_or(|id| key.affiliate_id() == Some(id))
            && self.link_id.is_none_or(|id| key.link_id() == Some(id))
            && self.sub_id.as_deref().is_none_or(|sub_id| key.sub_id() == Some(&sub_id))
    }

    /// Whether a place of the tail may have wanted figures. Which day it is of is not known yet: no time zone is two days away from UTC.
    fn may_have(&self, place: &[u8]) -> bool {
        let Ok((quarter, program_id, affiliate_id)) = bytes::head_of_place(place) else { return true };
        let day = quarter.start().day();
        (self.first_day.0.saturating_sub(2)..=self.last_day.0.saturating_add(2)).contains(&day)
            && self.program_id.is_none_or(|id| program_id == id)
            && self.affiliate_id.is_none_or(|id| affiliate_id == id)
    }
}

/// The figures that a query asks for, and others beside them, as they are stored.
pub struct Found {
    account_id: AccountId,
    query: StatisticQuery,
    calendar: Calendar,
    tail: Vec<Vec<u8>>,
    blocks: Vec<block_table::Model>,
}

/// Reads what a query asks for. `None`: it would read too many blocks.
///
/// # Errors
/// [`StoreError`].
pub async fn read(
    snapshot: &Snapshot,
    account_id: AccountId,
    query: StatisticQuery,
) -> Result<Option<Found>, StoreError> {
    let connection = snapshot.connection();
    let ranges: Vec<_> = query.kinds().into_iter().flat_map(|kind| query.ranges(kind)).collect();
    // The first block of a range may be the last one of the range before.
    let limit = BLOCKS_MAX + ranges.len() + 1;
    let keys =
        ranges.into_iter().map(|(first, last)| ValueTuple::Three(account_id.uuid().into(), first.into(), last.into()));
    let mut blocks = Vec::new();
    for chunk in chunks(keys) {
        let columns = [block_table::Column::AccountId, block_table::Column::Key];
        blocks.extend(connection.covering_models::<block_table::Entity>(columns, chunk, limit as u64).await?);
    }
    blocks.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    blocks.dedup_by(|one, other| one.key == other.key);
    if blocks.len() > BLOCKS_MAX {
        return Ok(None);
    }
    let tail = tail_of(connection, account_id).await?;
    let calendar = calendar(connection, account_id).await?;
    Ok(Some(Found { account_id, query, calendar, tail, blocks }))
}

impl Found {
    /// How many rows were read.
    pub fn row_count(&self) -> usize {
        self.tail.len() + self.blocks.len()
    }

    /// Calls `take` with the keys that the query asks for and their figures. A key may come several times. Lets others work in between.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`].
    pub async fn each(self, mut take: impl FnMut(&Key<&str>, &Figures) + Send) -> Result<(), StoreError> {
        let Self { account_id, query, mut calendar, tail, blocks } = self;
        let malformed = |_: Malformed| inconsistent(account_id);
        let kinds = query.kinds();
        let mut take = |key: Key<&str>, figures: &Figures| {
            if kinds.contains(&key.kind()) && query.has(&key) {
                take(&key, figures);
            }
        };
        let (mut newest, mut pace) = (Tail::default(), Pace::default());
        for row in tail {
            newest.add(&row, |place| query.may_have(place)).map_err(malformed)?;
            pace.took(row.len()).await;
        }
        newest.each(&mut calendar, &mut take).map_err(malformed)?;
        for block in blocks {
            let add = |key: &[u8], figures: &Figures| {
                // A later version may keep other keys beside these.
                bytes::to_key(key).into_iter().for_each(|key| take(key, figures));
                Ok(())
            };
            bytes::each(&block.figures, add).map_err(malformed)?;
            pace.took(block.figures.len()).await;
        }
        Ok(())
    }
}

/// Lets others work after each step.
#[derive(Default)]
struct Pace {
    bytes: usize,
}

impl Pace {
    async fn took(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes > BYTES_PER_STEP {
            self.bytes = 0;
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
impl Found {
    /// As if these figures had been read: the first ones from blocks, the others from the tail.
    pub(crate) fn of(
        query: StatisticQuery,
        mut calendar: Calendar,
        folded: &[(Place, Figures)],
        newest: &[(Place, Figures)],
    ) -> Self {
        let account_id = AccountId::from_uuid(Uuid::nil());
        let mut by_key: BTreeMap<Vec<u8>, Figures> = BTreeMap::new();
        for ((quarter, origin, sub_id), figures) in folded {
            for key in Key::all_of(calendar.day(*quarter), *origin, sub_id.clone()) {
                by_key.entry(bytes::from_key(&key)).or_default().add_all(figures);
            }
        }
        let blocks = Block::default().add(by_key).iter().map(|block| block.to_row(account_id)).collect();
        let tail = newest.iter().map(|(place, figures)| bytes::from_figures([(&bytes::from_place(place), figures)]));
        Self { account_id, query, calendar, tail: tail.collect(), blocks }
    }
}
