//! Loads the rows that a batch needs into the working set, and saves its changes. Knows how rows are stored, not what they mean.

pub mod catalogue;
pub(super) mod keyed;
mod load;
mod save;
pub(super) mod stored;

pub(super) use load::Loading;
pub use load::{load, load_to_try};
pub use save::save;

use sea_orm::EntityName;
use stored::Stored;

use super::entity::{list_block, list_tail, statistic_block, statistic_tail};

/// Generates the list of tables whose statistics matter.
macro_rules! growing {
    ($($place:ident: $kind:ty,)*) => {
        /// The tables that grow with use and are searched by more than one key.
        pub(super) fn growing_tables() -> Vec<&'static str> {
            let tables = [$((<$kind as Stored>::GROWS, stored::table_name::<$kind>()),)*];
            let listing = [list_block::Entity.table_name(), list_tail::Entity.table_name()];
            let counting = [statistic_block::Entity.table_name(), statistic_tail::Entity.table_name()];
            let of_kinds = tables.into_iter().filter(|(grows, _)| *grows).map(|(_, table)| table);
            of_kinds.chain(listing).chain(counting).collect()
        }
    };
}

crate::for_all_kinds!(growing);
