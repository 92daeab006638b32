//! How a kind of row is stored: its table, its columns, and the rows that it leads to. Each kind implements it in the file of its
//! subject.

use sea_orm::sea_query::ValueTuple;
use sea_orm::{EntityName, EntityTrait, Iterable, PrimaryKeyToColumn};

use super::Loading;
use crate::domain::calendar::Day;
use crate::domain::id::{AccountId, AffiliateId, BountyId, ClickId, ConversionId, OfferId, ProgramId, TypedId};
use crate::domain::request::RequestKey;
use crate::domain::set::InSet;
use crate::domain::set::Needs;
use crate::store::StoreError;
use crate::store::backend::table::Table;
use crate::store::lists::EntriesOfRow;

/// A kind of row with a table of its own.
pub(in crate::store) trait Stored: InSet<Key: SqlKey> {
    type Table: Table;

    /// Whether the table grows with use and is searched by more than one key, so that PostgreSQL needs statistics of it.
    const GROWS: bool;

    /// The row as columns.
    fn to_row(&self) -> Result<<Self::Table as EntityTrait>::Model, StoreError>;

    /// The row from columns.
    fn from_row(row: <Self::Table as EntityTrait>::Model) -> Result<Self, StoreError>;

    /// The places of the row in the lists that it is on.
    fn entries(&self) -> EntriesOfRow {
        EntriesOfRow::new()
    }

    /// Adds the rows that are always needed together with this one.
    fn leads_to(&self, needs: &mut Needs);

    /// Whether a change of the row is written before changes of other rows of its kind, because it may give up a name to one of them.
    fn is_written_first(&self) -> bool {
        false
    }

    /// Reads the needed rows of this kind, by each name that it is found by. Rows that were not found are entered as absent.
    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        loading.by_key::<Self>().await
    }
}

/// A primary key as columns have it.
pub(in crate::store) trait SqlKey {
    /// The columns' values, in the order of the table's primary key.
    fn values(&self) -> ValueTuple;
}

impl SqlKey for AccountId {
    fn values(&self) -> ValueTuple {
        ValueTuple::One(self.uuid().into())
    }
}

impl<I: TypedId> SqlKey for (AccountId, I) {
    fn values(&self) -> ValueTuple {
        ValueTuple::Two(self.0.uuid().into(), self.1.uuid().into())
    }
}

/// The key of a row that is found by a text.
impl SqlKey for (AccountId, String) {
    fn values(&self) -> ValueTuple {
        ValueTuple::Two(self.0.uuid().into(), self.1.clone().into())
    }
}

impl SqlKey for (AccountId, ProgramId, i32) {
    fn values(&self) -> ValueTuple {
        ValueTuple::Three(self.0.uuid().into(), self.1.uuid().into(), self.2.into())
    }
}

impl SqlKey for (AccountId, OfferId, AffiliateId) {
    fn values(&self) -> ValueTuple {
        ValueTuple::Three(self.0.uuid().into(), self.1.uuid().into(), self.2.uuid().into())
    }
}

impl SqlKey for (AccountId, BountyId, AffiliateId) {
    fn values(&self) -> ValueTuple {
        ValueTuple::Three(self.0.uuid().into(), self.1.uuid().into(), self.2.uuid().into())
    }
}

impl SqlKey for (AccountId, ClickId, ClickId) {
    fn values(&self) -> ValueTuple {
        ValueTuple::Three(self.0.uuid().into(), self.1.uuid().into(), self.2.uuid().into())
    }
}

impl SqlKey for (AccountId, ClickId, ProgramId, i32) {
    fn values(&self) -> ValueTuple {
        ValueTuple::Many(vec![self.0.uuid().into(), self.1.uuid().into(), self.2.uuid().into(), self.3.into()])
    }
}

impl SqlKey for (AccountId, ClickId, AffiliateId, Day) {
    fn values(&self) -> ValueTuple {
        ValueTuple::Many(vec![self.0.uuid().into(), self.1.uuid().into(), self.2.uuid().into(), self.3.0.into()])
    }
}

impl SqlKey for (AccountId, String, ConversionId) {
    fn values(&self) -> ValueTuple {
        ValueTuple::Three(self.0.uuid().into(), self.1.clone().into(), self.2.uuid().into())
    }
}

impl SqlKey for RequestKey {
    fn values(&self) -> ValueTuple {
        ValueTuple::Three(self.account_id.uuid().into(), self.scope.clone().into(), self.key.clone().into())
    }
}

/// The columns of a table's primary key.
pub(in crate::store) fn key_columns<E: Table>() -> Vec<E::Column> {
    E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect()
}

/// The name of a kind's table.
pub(super) fn table_name<S: Stored>() -> &'static str {
    S::Table::default().table_name()
}
