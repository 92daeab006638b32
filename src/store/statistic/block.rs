//! The blocks of an account's figures. Each key belongs to one block: the last one whose own key is not after it. The first block's own
//! key is empty, so there is a block for every key once there is one.

use std::collections::BTreeMap;

use super::bytes::{from_figures, to_figures};
use super::inconsistent;
use crate::domain::id::AccountId;
use crate::domain::statistic::Figures;
use crate::store::StoreError;
use crate::store::entity::statistic_block as table;

/// The most keys of a block: some 2 KB, which PostgreSQL still keeps in the row. A day of 1,000 affiliates is in some 40 blocks.
const LENGTH_MAX: usize = 32;

/// A block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// The key from which on keys belong to this block. Empty: it is the first one.
    pub(super) from: Vec<u8>,
    /// None is without figures.
    pub(super) figures: BTreeMap<Vec<u8>, Figures>,
}

impl Block {
    pub(super) fn of_row(row: &table::Model) -> Result<Self, StoreError> {
        let figures = to_figures(&row.figures).map_err(|_| inconsistent(AccountId::from_uuid(row.account_id)))?;
        Ok(Self { from: row.key.clone(), figures: figures.into_iter().collect() })
    }

    pub(super) fn to_row(&self, account_id: AccountId) -> table::Model {
        table::Model { account_id: account_id.uuid(), key: self.from.clone(), figures: from_figures(&self.figures) }
    }

    /// Adds figures whose keys belong to this block. Returns the block, and further ones if it became too long.
    ///
    /// Keys at the end leave full blocks behind. Keys in the middle make halves, so that the next ones find room.
    pub(super) fn add(mut self, new: BTreeMap<Vec<u8>, Figures>) -> Vec<Self> {
        let is_appended = self.figures.last_key_value().map(|(key, _)| key) < new.first_key_value().map(|(key, _)| key);
        for (key, figures) in new {
            self.figures.entry(key).or_default().add_all(&figures);
        }
        self.figures.retain(|_, figures| !figures.is_empty());
        let count = self.figures.len();
        if count <= LENGTH_MAX {
            return vec![self];
        }
        let length = if is_appended { LENGTH_MAX } else { count.div_ceil(count.div_ceil(LENGTH_MAX)) };
        let mut blocks = Vec::new();
        let mut rest = self.figures.into_iter().peekable();
        while let Some((first, _)) = rest.peek() {
            let from = if blocks.is_empty() { self.from.clone() } else { first.clone() };
            blocks.push(Self { from, figures: rest.by_ref().take(length).collect() });
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::statistic::Figure;

    fn lot() -> impl Strategy<Value = BTreeMap<Vec<u8>, Figures>> {
        let key = (0..3_u8, any::<u8>()).prop_map(|(one, other)| vec![one, other]);
        let figures = (-2..3_i128).prop_map(|value| Figures::from_iter([(Figure::Clicks, value)]));
        proptest::collection::btree_map(key, figures, 1..150)
    }

    proptest! {
        /// Adds any lots in any order, each key to the block that it belongs to.
        #[test]
        fn blocks_have_all_figures_in_order(lots in proptest::collection::vec(lot(), 1..8)) {
            let mut blocks = vec![Block::default()];
            let mut all: BTreeMap<Vec<u8>, Figures> = BTreeMap::new();
            for lot in lots {
                lot.iter().for_each(|(key, figures)| all.entry(key.clone()).or_default().add_all(figures));
                let mut next = Vec::new();
                for (number, block) in blocks.iter().enumerate() {
                    let end = blocks.get(number + 1).map(|next| next.from.clone());
                    let is_own = |key: &Vec<u8>| *key >= block.from && end.as_ref().is_none_or(|end| key < end);
                    let own: BTreeMap<_, _> = lot.clone().into_iter().filter(|(key, _)| is_own(key)).collect();
                    next.extend(if own.is_empty() { vec![block.clone()] } else { block.clone().add(own) });
                }
                blocks = next;
                prop_assert!(blocks.iter().all(|block| block.figures.len() <= LENGTH_MAX));
                prop_assert!(blocks.is_sorted_by(|one, other| one.from < other.from));
            }
            all.retain(|_, figures| !figures.is_empty());
            let found: BTreeMap<_, _> = blocks.into_iter().flat_map(|block| block.figures).collect();
            prop_assert_eq!(found, all);
        }
    }
}
