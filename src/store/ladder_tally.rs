//! Tallies of ladders: rows, and their comparison with the sales that are in them.

use std::collections::BTreeMap;

use sea_orm::sea_query::ValueTuple;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::backend::text_contains;
use super::entity::conversion;
use super::entity::ladder_tally as table;
use super::row::RowName;
use super::set::stored::{SqlKey, Stored};
use super::{Snapshot, Source, StoreError};
use crate::domain::calendar::Day;
use crate::domain::conversion::Conversion;
use crate::domain::id::{AccountId, AffiliateId, ProgramId};
use crate::domain::ladder::{LadderTally, LadderTallyKey};
use crate::domain::set::Needs;

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

impl Stored for LadderTally {
    type Table = table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.key.account_id.uuid(),
            program_id: self.key.program_id.uuid(),
            affiliate_id: self.key.affiliate_id.uuid(),
            since_version: self.key.since_version,
            period: self.key.period.to_string(),
            starts_on: self.key.starts_on.0,
            sale_count: self.sale_count,
            amount_minor: self.amount_minor,
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("ladder_tally", row.program_id);
        let key = LadderTallyKey {
            account_id: AccountId::from_uuid(row.account_id),
            program_id: ProgramId::from_uuid(row.program_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            since_version: row.since_version,
            period: name.parse(&row.period)?,
            starts_on: Day(row.starts_on),
        };
        Ok(Self { key, sale_count: row.sale_count, amount_minor: row.amount_minor })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

impl SqlKey for LadderTallyKey {
    fn values(&self) -> ValueTuple {
        ValueTuple::Many(vec![
            self.account_id.uuid().into(),
            self.program_id.uuid().into(),
            self.affiliate_id.uuid().into(),
            self.since_version.into(),
            self.period.as_str().into(),
            self.starts_on.0.into(),
        ])
    }
}

/// The differences between the account's tallies of ladders and the sales that are in them, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let connection = snapshot.connection();
    let tallies = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    let tallies = tallies.all(connection).await?;
    let tallies = tallies.into_iter().map(LadderTally::from_row).collect::<Result<Vec<_>, _>>()?;
    // A value cannot look like the field, because its quotes are escaped.
    let sales = conversion::Entity::find()
        .filter(conversion::Column::AccountId.eq(account_id.uuid()))
        .filter(text_contains(connection, conversion::Column::OrderDetails, "\"laddered\":"))
        .all(connection)
        .await?;
    let sales = sales.into_iter().map(Conversion::from_row).collect::<Result<Vec<_>, _>>()?;
    let mut differences = compare(&tallies, &sales);
    if differences.len() > DIFFERENCES_MAX {
        let others = differences.len() - DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        differences.push(format!("the tallies of ladders have {others} more differences"));
    }
    Ok(differences)
}

/// Each tally has what its sales have in it.
fn compare(tallies: &[LadderTally], sales: &[Conversion]) -> Vec<String> {
    let mut expected: BTreeMap<LadderTallyKey, (i64, i64)> = BTreeMap::new();
    for sale in sales {
        for laddered in &sale.order.laddered {
            let (count, amount_minor) = expected.entry(laddered.key(sale.account_id)).or_default();
            *count = count.saturating_add(laddered.part.sale_count);
            *amount_minor = amount_minor.saturating_add(laddered.part.amount_minor);
        }
    }
    let kept: BTreeMap<LadderTallyKey, LadderTally> = tallies.iter().map(|tally| (tally.key, *tally)).collect();
    let of_kept = kept.keys().filter(|key| !expected.contains_key(key));
    let mut differences = Vec::new();
    for key in expected.keys().chain(of_kept) {
        let tally = kept.get(key).copied().unwrap_or(LadderTally::none(*key));
        let (sale_count, amount_minor) = expected.get(key).copied().unwrap_or_default();
        if (tally.sale_count, tally.amount_minor) != (sale_count, amount_minor) {
            let (found_count, found_minor) = (tally.sale_count, tally.amount_minor);
            let LadderTallyKey { program_id, affiliate_id, period, starts_on, .. } = key;
            differences.push(format!(
                "the tally of the ladder of {affiliate_id} in {program_id} of the {period} from {starts_on} has {found_count} sales of \
                 {found_minor} and should have {sale_count} of {amount_minor}"
            ));
        }
    }
    differences
}
