//! Tallies of ladders: rows, and their comparison with the sales that are in them.

use std::collections::BTreeMap;

use sea_orm::sea_query::ValueTuple;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::backend::text_contains;
use super::entity::conversion;
use super::entity::ladder_tally as table;
use super::entity::terms;
use super::row::{RowName, to_json};
use super::set::stored::{SqlKey, Stored};
use super::{Snapshot, Source, StoreError};
use crate::domain::calendar::Day;
use crate::domain::conversion::Conversion;
use crate::domain::id::{AccountId, AffiliateId, ProgramId};
use crate::domain::ladder::{LadderPart, LadderTally, LadderTallyKey};
use crate::domain::program::Terms;
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
            share_ppm: self.share_ppm,
            step_values: (!self.step_values.is_empty()).then(|| to_json(&self.step_values)).transpose()?,
            paid_minor: self.paid_minor,
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
        let step_values = row.step_values.as_deref().map(|text| name.json(text)).transpose()?;
        Ok(Self {
            key,
            sale_count: row.sale_count,
            amount_minor: row.amount_minor,
            share_ppm: row.share_ppm,
            step_values: step_values.unwrap_or_default(),
            paid_minor: row.paid_minor,
        })
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
    let terms = terms::Entity::find().filter(terms::Column::AccountId.eq(account_id.uuid())).all(connection).await?;
    let terms = terms.into_iter().map(Terms::from_row).collect::<Result<Vec<_>, _>>()?;
    let mut differences = compare(&tallies, &sales);
    differences.extend(tallies.iter().filter_map(|tally| wrongly_paid(tally, &terms)));
    if differences.len() > DIFFERENCES_MAX {
        let others = differences.len() - DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        differences.push(format!("the tallies of ladders have {others} more differences"));
    }
    Ok(differences)
}

/// Each tally has what its sales have in it. What is paid for it is what its sales have changed, also those that have left it.
fn compare(tallies: &[LadderTally], sales: &[Conversion]) -> Vec<String> {
    let mut expected: BTreeMap<LadderTallyKey, LadderTally> = BTreeMap::new();
    let mut differences = Vec::new();
    for sale in sales {
        for laddered in &sale.order.laddered {
            let key = laddered.key(sale.account_id);
            let sum = expected.entry(key).or_insert_with(|| LadderTally::none(key));
            if sum.replace(&LadderPart::default(), &laddered.part).is_err() {
                differences.push(format!("{} has more than 64 bits hold", name(&key)));
            }
            sum.paid_minor = sum.paid_minor.saturating_add(laddered.paid_minor);
        }
    }
    let kept: BTreeMap<LadderTallyKey, &LadderTally> = tallies.iter().map(|tally| (tally.key, tally)).collect();
    let of_kept = kept.keys().filter(|key| !expected.contains_key(key));
    for key in expected.keys().chain(of_kept) {
        let none = LadderTally::none(*key);
        differences.extend(difference(kept.get(key).copied().unwrap_or(&none), expected.get(key).unwrap_or(&none)));
    }
    differences
}

/// The difference between a tally and what its sales add up to.
fn difference(found: &LadderTally, expected: &LadderTally) -> Option<String> {
    let name = name(&found.key);
    let of_sales = |tally: &LadderTally| (tally.sale_count, tally.amount_minor, tally.share_ppm);
    if of_sales(found) != of_sales(expected) {
        let LadderTally { sale_count, amount_minor, share_ppm, .. } = found;
        let (count, minor, ppm) = of_sales(expected);
        let shares =
            if *share_ppm == ppm { String::new() } else { format!(", and {share_ppm} in place of {ppm} millionths") };
        return Some(format!(
            "{name} has {sale_count} sales of {amount_minor} and should have {count} of {minor}{shares}"
        ));
    }
    // Sums of zero may be left of steps, or not.
    let steps = found.step_values.len().max(expected.step_values.len());
    let at = |tally: &LadderTally, step: usize| tally.step_values.get(step).copied().unwrap_or_default();
    if let Some(step) = (0..steps).find(|step| at(found, *step) != at(expected, *step)) {
        let (found, expected) = (at(found, step), at(expected, step));
        return Some(format!("{name} has sales that earn {found} at step {step} and should have {expected}"));
    }
    let (found, expected) = (found.paid_minor, expected.paid_minor);
    (found != expected).then(|| format!("{name} pays {found} and its sales have changed that by {expected}"))
}

/// The difference between what is paid for a tally and what its ladder pays for it. All versions that go on with a tally pay the same.
fn wrongly_paid(tally: &LadderTally, terms: &[Terms]) -> Option<String> {
    let LadderTallyKey { program_id, since_version, .. } = tally.key;
    let of_tally = |terms: &&Terms| (terms.program_id, terms.version) == (program_id, since_version);
    let rules = &terms.iter().find(of_tally)?.rules;
    let due = rules.ladder.as_ref()?.paid_for(rules.commission, rules.rounding, tally).ok()?;
    let (name, paid) = (name(&tally.key), tally.paid_minor);
    (paid != due).then(|| format!("{name} pays {paid}, and its ladder gives {due}"))
}

fn name(key: &LadderTallyKey) -> String {
    let LadderTallyKey { program_id, affiliate_id, period, starts_on, .. } = key;
    format!("the tally of the ladder of {affiliate_id} in {program_id} of the {period} from {starts_on}")
}
