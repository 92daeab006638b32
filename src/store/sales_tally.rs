//! Tallies of sales: rows, and their comparison with the sales that are in them and with the bonuses that they have.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::ValueTuple;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::backend::text_contains;
use super::entity::sales_tally as table;
use super::entity::{conversion, reward};
use super::row::{RowName, to_json};
use super::set::stored::{SqlKey, Stored};
use super::{Snapshot, Source, StoreError};
use crate::domain::calendar::Day;
use crate::domain::conversion::Conversion;
use crate::domain::id::{AccountId, AffiliateId, ProgramId, RewardId};
use crate::domain::reward::{Reward, RewardState};
use crate::domain::sales_tally::{SalesTally, SalesTallyKey, Tallied};
use crate::domain::set::Needs;

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

impl Stored for SalesTally {
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
            bonuses: to_json(&self.bonuses)?,
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("sales_tally", row.program_id);
        let key = SalesTallyKey {
            account_id: AccountId::from_uuid(row.account_id),
            program_id: ProgramId::from_uuid(row.program_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            since_version: row.since_version,
            period: name.parse(&row.period)?,
            starts_on: Day(row.starts_on),
        };
        let (sale_count, amount_minor) = (row.sale_count, row.amount_minor);
        Ok(Self { key, sale_count, amount_minor, bonuses: name.json(&row.bonuses)? })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

impl SqlKey for SalesTallyKey {
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

/// The tallies that the credits of a sale are in.
///
/// # Errors
/// [`StoreError`].
pub async fn of_sale(snapshot: &Snapshot, sale: &Conversion) -> Result<Vec<SalesTally>, StoreError> {
    let mut found = Vec::new();
    for key in sale.order.tallied.iter().flat_map(|tallied| tallied.keys(sale.account_id)) {
        let query = table::Entity::find()
            .filter(table::Column::AccountId.eq(key.account_id.uuid()))
            .filter(table::Column::ProgramId.eq(key.program_id.uuid()))
            .filter(table::Column::AffiliateId.eq(key.affiliate_id.uuid()))
            .filter(table::Column::SinceVersion.eq(key.since_version))
            .filter(table::Column::Period.eq(key.period.as_str()))
            .filter(table::Column::StartsOn.eq(key.starts_on.0));
        let row = query.one(snapshot.connection()).await?;
        found.extend(row.map(SalesTally::from_row).transpose()?);
    }
    Ok(found)
}

/// The differences between the account's tallies of sales and the sales that are in them, and between the bonuses of the tallies and the
/// rewards that pay them, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let connection = snapshot.connection();
    let tallies = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    let tallies = tallies.all(connection).await?;
    let tallies = tallies.into_iter().map(SalesTally::from_row).collect::<Result<Vec<_>, _>>()?;
    // A value cannot look like the field, because its quotes are escaped.
    let sales = conversion::Entity::find()
        .filter(conversion::Column::AccountId.eq(account_id.uuid()))
        .filter(text_contains(connection, conversion::Column::OrderDetails, "\"tallied\":"))
        .all(connection)
        .await?;
    let sales = sales.into_iter().map(Conversion::from_row).collect::<Result<Vec<_>, _>>()?;
    let rewards = reward::Entity::find()
        .filter(reward::Column::AccountId.eq(account_id.uuid()))
        .filter(text_contains(connection, reward::Column::ByHand, "\"threshold\":"))
        .all(connection)
        .await?;
    let rewards = rewards.into_iter().map(Reward::from_row).collect::<Result<Vec<_>, _>>()?;
    let kept: BTreeMap<SalesTallyKey, SalesTally> = tallies.into_iter().map(|tally| (tally.key, tally)).collect();
    let mut differences = compare_sales(&kept, &sales);
    differences.extend(compare_bonuses(&kept, &rewards));
    if differences.len() > DIFFERENCES_MAX {
        let others = differences.len() - DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        differences.push(format!("the tallies of sales have {others} more differences"));
    }
    Ok(differences)
}

/// Each tally has what its sales have in it.
fn compare_sales(kept: &BTreeMap<SalesTallyKey, SalesTally>, sales: &[Conversion]) -> Vec<String> {
    let mut expected: BTreeMap<SalesTallyKey, (i64, i64)> = BTreeMap::new();
    let all = sales.iter().flat_map(|sale| sale.order.tallied.iter().map(move |tallied| (sale, tallied)));
    for (sale, tallied) in all {
        for key in Tallied::keys(tallied, sale.account_id) {
            let (count, amount_minor) = expected.entry(key).or_default();
            *count = count.saturating_add(tallied.part.sale_count);
            *amount_minor = amount_minor.saturating_add(tallied.part.amount_minor);
        }
    }
    let keys: BTreeSet<&SalesTallyKey> = expected.keys().chain(kept.keys()).collect();
    let mut differences = Vec::new();
    for key in keys {
        let found = kept.get(key).map_or((0, 0), |tally| (tally.sale_count, tally.amount_minor));
        let expected = expected.get(key).copied().unwrap_or_default();
        if found != expected {
            let ((found_count, found_minor), (count, amount_minor)) = (found, expected);
            differences.push(format!(
                "{} has {found_count} sales of {found_minor} and should have {count} of {amount_minor}",
                named(key)
            ));
        }
    }
    differences
}

/// Each bonus that stands is in its tally, and each bonus of a tally stands. A tally is above the thresholds of its bonuses, apart from those of
/// denied ones.
fn compare_bonuses(kept: &BTreeMap<SalesTallyKey, SalesTally>, rewards: &[Reward]) -> Vec<String> {
    let bonuses = rewards.iter().filter(|reward| reward.reverses.is_none());
    let standing = bonuses.filter(|reward| reward.reversed_minor != reward.value.amount_minor);
    let mut standing: BTreeMap<RewardId, &Reward> = standing.map(|reward| (reward.id, reward)).collect();
    let mut differences = Vec::new();
    for (key, tally) in kept {
        for bonus in &tally.bonuses {
            let found = standing.remove(&bonus.reward_id);
            let (name, id) = (&bonus.name, bonus.reward_id);
            match found {
                Some(reward) if reward.affiliate_id == key.affiliate_id && reward.program_id == key.program_id => {
                    if reward.state != RewardState::Denied && !tally.has_reached(&bonus.threshold) {
                        differences.push(format!("{} is below the threshold of the bonus `{name}`", named(key)));
                    }
                }
                _ => differences.push(format!("{} has the bonus `{name}` by {id}, which does not stand", named(key))),
            }
        }
    }
    differences.extend(standing.keys().map(|id| format!("the threshold bonus {id} is in no tally of sales")));
    differences
}

fn named(key: &SalesTallyKey) -> String {
    let SalesTallyKey { program_id, affiliate_id, period, starts_on, .. } = key;
    format!("the tally of the sales of {affiliate_id} in {program_id} of the {period} from {starts_on}")
}
