//! The blocks of a list. Each place belongs to one block: the last one whose key is not after the place. A list that has a block has
//! a first block, whose key has no place, so there is a block for every place.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait, Func, Query, SelectStatement, UnionType, ValueTuple};
use sea_orm::{ColumnTrait, EntityTrait, Iterable, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::bytes::{from_places, key_of_list, key_of_place, to_key, to_places};
use super::{List, OwnList, Place, inconsistent};
use crate::domain::id::AccountId;
use crate::store::StoreError;
use crate::store::backend::keys::last_value;
use crate::store::backend::table::Reads;
use crate::store::entity::list_block as table;
use crate::store::list::ListOrder;
use crate::store::set::keyed::chunks;

/// The most places of a block. A row with as many is below the quarter of a page that SQLite keeps in its tree.
pub(super) const LENGTH_MAX: usize = 40;

/// A block of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) list: List,
    /// The place from which on the list's places belong to this block. `None`: it is the first block.
    pub(super) from: Option<Place>,
    /// In ascending order, at least one.
    pub(super) places: Vec<Place>,
}

impl Block {
    pub(super) fn of_row(row: &table::Model) -> Result<Self, StoreError> {
        let fault = |_| inconsistent(AccountId::from_uuid(row.account_id));
        let (list, from) = to_key(&row.key).map_err(fault)?;
        Ok(Self { list, from, places: to_places(&row.places).map_err(fault)? })
    }

    pub(super) fn to_row(&self, account_id: AccountId) -> table::Model {
        let key = self.from.map_or_else(|| key_of_list(self.list), |from| key_of_place(self.list, from));
        table::Model { account_id: account_id.uuid(), key, places: from_places(&self.places) }
    }

    /// Enters places that belong to this block. Returns the block, and further ones if it became too long.
    ///
    /// Places at the end of the list leave full blocks behind. Places in the middle make halves, so that the next ones find room.
    pub(super) fn enter(self, new: &[Place]) -> Vec<Self> {
        let last = self.places.last().copied();
        let is_appended = new.iter().all(|place| Some(*place) > last);
        let mut places = self.places;
        places.extend(new);
        places.sort_unstable();
        places.dedup();
        let parts = places.len().div_ceil(LENGTH_MAX).max(1);
        let length = if is_appended { LENGTH_MAX } else { places.len().div_ceil(parts) };
        let blocks = places.chunks(length.max(1)).enumerate().map(|(part, places)| Self {
            list: self.list,
            from: if part == 0 { self.from } else { places.first().copied() },
            places: places.to_vec(),
        });
        blocks.collect()
    }
}

/// Up to `limit` blocks of a list in this order, from the one that `from` belongs to. `None`: from the beginning of the order.
pub(super) async fn read(
    connection: &impl Reads,
    own: OwnList,
    order: ListOrder,
    from: Option<Place>,
    limit: usize,
) -> Result<Vec<Block>, StoreError> {
    let rows = connection.models::<table::Entity>(&query_of(own, order, from, limit)).await?;
    rows.iter().map(Block::of_row).collect()
}

/// The same blocks, and what `others` finds, in one statement. `others` selects the account, an empty key and bytes; the bytes are
/// returned.
pub(super) async fn read_with(
    connection: &impl Reads,
    own: OwnList,
    order: ListOrder,
    from: Option<Place>,
    limit: usize,
    others: SelectStatement,
) -> Result<(Vec<Block>, Vec<Vec<u8>>), StoreError> {
    let query = Query::select()
        .columns(table::Column::iter())
        .from_subquery(query_of(own, order, from, limit), "block")
        .union(UnionType::All, others)
        .take();
    let rows = connection.models::<table::Entity>(&query).await?;
    let (others, blocks): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.key.is_empty());
    let blocks = blocks.iter().map(Block::of_row).collect::<Result<_, _>>()?;
    Ok((blocks, others.into_iter().map(|row| row.places).collect()))
}

fn query_of((account_id, list): OwnList, order: ListOrder, from: Option<Place>, limit: usize) -> SelectStatement {
    let query = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid())).limit(limit as u64);
    let least = key_of_list(list);
    let key = || Expr::col(table::Column::Key.as_column_ref());
    let query = match order {
        ListOrder::OldestFirst => {
            let first = match from {
                None => Expr::val(least),
                Some(from) => {
                    let columns = [table::Column::AccountId, table::Column::Key];
                    let to = Expr::val(key_of_place(list, from));
                    let last = last_value::<table::Entity>(
                        columns,
                        Expr::val(account_id.uuid()),
                        Expr::val(least.clone()),
                        to,
                    );
                    Func::coalesce([last, Expr::val(least)]).into()
                }
            };
            let greatest = key_of_place(list, Place::GREATEST);
            query.filter(key().gte(first)).filter(key().lte(greatest)).order_by_asc(table::Column::Key)
        }
        ListOrder::NewestFirst => {
            let greatest = key_of_place(list, from.unwrap_or(Place::GREATEST));
            query.filter(key().gte(least)).filter(key().lte(greatest)).order_by_desc(table::Column::Key)
        }
    };
    query.into_query()
}

/// The blocks that places belong to, by account and key. Places of lists without a block have none.
pub(super) struct Covering(BTreeMap<(AccountId, Vec<u8>), Block>);

impl Covering {
    /// Reads the block of each place in one statement.
    pub(super) async fn read(
        connection: &impl Reads,
        places: impl IntoIterator<Item = (AccountId, List, Place)>,
    ) -> Result<Self, StoreError> {
        let wanted = places.into_iter().map(|(account_id, list, place)| {
            ValueTuple::Three(account_id.uuid().into(), key_of_list(list).into(), key_of_place(list, place).into())
        });
        let mut blocks = BTreeMap::new();
        for chunk in chunks(wanted) {
            let columns = [table::Column::AccountId, table::Column::Key];
            for row in connection.last_models::<table::Entity>(columns, chunk).await? {
                blocks.insert((AccountId::from_uuid(row.account_id), row.key.clone()), Block::of_row(&row)?);
            }
        }
        Ok(Self(blocks))
    }

    /// The block of a place that was asked for.
    pub(super) fn get(&self, account_id: AccountId, list: List, place: Place) -> Option<&Block> {
        let keys = (account_id, key_of_list(list))..=(account_id, key_of_place(list, place));
        self.0.range(keys).next_back().map(|(_, block)| block)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn place(number: u128) -> Place {
        Place::of_id(Uuid::from_u128(number))
    }

    fn list() -> List {
        List::leads_of(crate::domain::id::AffiliateId::from_uuid(Uuid::from_u128(9)))
    }

    proptest! {
        /// Enters places in any lots and order, always into the block that they belong to.
        #[test]
        fn blocks_have_all_places_in_order(lots in proptest::collection::vec(proptest::collection::btree_set(0..2_000_u128, 1..200), 1..12)) {
            let mut blocks: Vec<Block> = Vec::new();
            let mut all = std::collections::BTreeSet::new();
            for lot in lots {
                all.extend(lot.iter().map(|number| place(*number)));
                if blocks.is_empty() {
                    blocks.push(Block { list: list(), from: None, places: Vec::new() });
                }
                let mut next = Vec::new();
                for (number, block) in blocks.iter().enumerate() {
                    let end = blocks.get(number + 1).and_then(|next| next.from);
                    let own = |place: &Place| block.from.is_none_or(|from| from <= *place) && end.is_none_or(|end| *place < end);
                    let new: Vec<Place> = lot.iter().map(|number| place(*number)).filter(own).collect();
                    next.extend(if new.is_empty() { vec![block.clone()] } else { block.clone().enter(&new) });
                }
                blocks = next;
                prop_assert!(blocks.iter().all(|block| (1..=LENGTH_MAX).contains(&block.places.len())));
                prop_assert!(blocks.iter().skip(1).all(|block| block.from <= block.places.first().copied()));
                prop_assert_eq!(blocks[0].from, None);
            }
            let found: Vec<Place> = blocks.into_iter().flat_map(|block| block.places).collect();
            prop_assert_eq!(found, all.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn places_at_the_end_leave_full_blocks() {
        let first = Block { list: list(), from: None, places: (0..30).map(place).collect() };
        let blocks = first.enter(&(30..50).map(place).collect::<Vec<_>>());
        assert_eq!(blocks.iter().map(|block| block.places.len()).collect::<Vec<_>>(), [40, 10]);
        assert_eq!(blocks[1].from, Some(place(40)));
    }

    #[test]
    fn places_in_the_middle_make_halves() {
        let first = Block { list: list(), from: None, places: (0..40).map(|number| place(2 * number)).collect() };
        let blocks = first.enter(&[place(5)]);
        assert_eq!(blocks.iter().map(|block| block.places.len()).collect::<Vec<_>>(), [21, 20]);
    }
}
