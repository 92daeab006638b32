//! Tallies: rows, and their comparison with the events and clicks that are in them.

use std::collections::BTreeMap;

use sea_orm::sea_query::ValueTuple;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::backend::text_contains;
use super::click::counted;
use super::entity::conversion;
use super::entity::tally as table;
use super::row::RowName;
use super::set::stored::{SqlKey, Stored};
use super::{Snapshot, Source, StoreError};
use crate::domain::calendar::Day;
use crate::domain::conversion::Conversion;
use crate::domain::id::{AccountId, AffiliateId, LeadId, ProgramId};
use crate::domain::set::Needs;
use crate::domain::tally::{Counted, Tally, TallyKey};

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

impl Stored for Tally {
    type Table = table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.key.account_id.uuid(),
            program_id: self.key.program_id.uuid(),
            affiliate_id: affiliate_column(self.key.affiliate_id),
            lead_id: lead_column(self.key.lead_id),
            period: self.key.period.to_string(),
            starts_on: self.key.starts_on.0,
            earned_minor: self.earned_minor,
            paid_minor: self.paid_minor,
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("tally", row.program_id);
        let key = TallyKey {
            account_id: AccountId::from_uuid(row.account_id),
            program_id: ProgramId::from_uuid(row.program_id),
            affiliate_id: (!row.affiliate_id.is_nil()).then(|| AffiliateId::from_uuid(row.affiliate_id)),
            lead_id: (!row.lead_id.is_nil()).then(|| LeadId::from_uuid(row.lead_id)),
            period: name.parse(&row.period)?,
            starts_on: Day(row.starts_on),
        };
        Ok(Self { key, earned_minor: row.earned_minor, paid_minor: row.paid_minor })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// The tally of a program has an id of zeros, because no part of a primary key may be null.
fn affiliate_column(id: Option<AffiliateId>) -> Uuid {
    id.map_or(Uuid::nil(), AffiliateId::uuid)
}

/// See [`affiliate_column`].
fn lead_column(id: Option<LeadId>) -> Uuid {
    id.map_or(Uuid::nil(), LeadId::uuid)
}

impl SqlKey for TallyKey {
    fn values(&self) -> ValueTuple {
        ValueTuple::Many(vec![
            self.account_id.uuid().into(),
            self.program_id.uuid().into(),
            affiliate_column(self.affiliate_id).into(),
            lead_column(self.lead_id).into(),
            self.period.as_str().into(),
            self.starts_on.0.into(),
        ])
    }
}

/// The differences between the account's tallies and the events that are in them, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let connection = snapshot.connection();
    let tallies = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    let tallies = tallies.all(connection).await?;
    let tallies = tallies.into_iter().map(Tally::from_row).collect::<Result<Vec<_>, _>>()?;
    // A value cannot look like the field, because its quotes are escaped.
    let events = conversion::Entity::find()
        .filter(conversion::Column::AccountId.eq(account_id.uuid()))
        .filter(text_contains(connection, conversion::Column::OrderDetails, "\"counted\":"))
        .all(connection)
        .await?;
    let events = events.into_iter().map(Conversion::from_row).collect::<Result<Vec<_>, _>>()?;
    let clicks = counted::all(snapshot, account_id).await?;
    let of_events = events.iter().flat_map(|event| &event.order.counted);
    let of_clicks = clicks.iter().filter_map(|click| click.counted.as_ref());
    let mut differences = compare(account_id, &tallies, of_events.chain(of_clicks));
    if differences.len() > DIFFERENCES_MAX {
        let others = differences.len() - DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        differences.push(format!("the tallies have {others} more differences"));
    }
    Ok(differences)
}

/// Each tally has what its events have in it. No more is paid than was earned, and as much as the cap has room for if all its events have
/// met the same cap.
fn compare<'events>(
    account_id: AccountId,
    tallies: &[Tally],
    events: impl Iterator<Item = &'events Counted>,
) -> Vec<String> {
    // What the events earn, and the least and the largest maximum that they have met.
    let mut expected: BTreeMap<TallyKey, (i64, i64, i64)> = BTreeMap::new();
    for counted in events {
        for cap in &counted.caps {
            let Some(key) = cap.key(account_id, counted) else { continue };
            let maximum_minor = cap.applied.cap.maximum.amount_minor;
            let (sum_minor, least_minor, most_minor) = expected.entry(key).or_insert((0, i64::MAX, 0));
            *sum_minor = sum_minor.saturating_add(cap.earned_minor);
            *least_minor = maximum_minor.min(*least_minor);
            *most_minor = maximum_minor.max(*most_minor);
        }
    }
    let kept: BTreeMap<TallyKey, Tally> = tallies.iter().map(|tally| (tally.key, *tally)).collect();
    let mut differences = Vec::new();
    let of_kept = kept.keys().filter(|key| !expected.contains_key(key));
    for key in expected.keys().chain(of_kept) {
        let tally = kept.get(key).copied().unwrap_or(Tally::none(*key));
        let (earned_minor, least_minor, most_minor) = expected.get(key).copied().unwrap_or((0, i64::MAX, 0));
        if tally.earned_minor != earned_minor {
            let found = tally.earned_minor;
            differences.push(format!("{} has {found} earned and should have {earned_minor}", name(key)));
        }
        let is_wrong = if least_minor == most_minor {
            tally.paid_minor != earned_minor.min(most_minor)
        } else {
            tally.paid_minor > earned_minor || tally.paid_minor < 0
        };
        if is_wrong {
            let found = tally.paid_minor;
            differences.push(format!("{} has {found} paid, which its caps and {earned_minor} do not give", name(key)));
        }
    }
    differences
}

fn name(key: &TallyKey) -> String {
    let TallyKey { program_id, period, starts_on, .. } = key;
    let of = match (key.affiliate_id, key.lead_id) {
        (Some(affiliate_id), Some(lead_id)) => format!("of {affiliate_id} for {lead_id} in {program_id}"),
        (Some(affiliate_id), None) => format!("of {affiliate_id} in {program_id}"),
        (None, _) => format!("of {program_id}"),
    };
    format!("the tally {of} of the {period} from {starts_on}")
}
