//! Reads history for ReplayFraudRules: pages of events in the order in which they were told, and the rows that say something about them.

use std::collections::{BTreeSet, HashMap};

use super::entity::{affiliate, click, conversion, lead, reward};
use super::list::{self, Walk};
use super::set::keyed::rows_by;
use super::set::stored::Stored;
use super::{Snapshot, Source, StoreError};
use crate::domain::affiliate::Affiliate;
use crate::domain::click::Click;
use crate::domain::conversion::{Conversion, ConversionKind};
use crate::domain::id::{AccountId, AffiliateId, ClickId, ConversionId, LeadId};
use crate::domain::lead::Lead;
use crate::domain::reward::Reward;

/// The events that can be credited after this one, in the order of their ids.
///
/// # Errors
/// [`StoreError`].
pub async fn events_after(
    snapshot: &Snapshot,
    account_id: AccountId,
    after: Option<ConversionId>,
    limit: u64,
) -> Result<Vec<Conversion>, StoreError> {
    let kinds: Vec<_> = ConversionKind::ALL.iter().copied().filter(|kind| kind.is_attributed()).collect();
    let walk = Walk { after: after.map(ConversionId::uuid), ..Walk::first(limit) };
    let query = list::one_of(list::page::<Conversion>(account_id, walk), conversion::Column::Kind, &kinds);
    list::read(query, snapshot.connection()).await
}

/// Rows that say something about events.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EventRows {
    pub leads: HashMap<LeadId, Lead>,
    pub affiliates: HashMap<AffiliateId, Affiliate>,
    pub clicks: HashMap<ClickId, Click>,
    pub rewards: HashMap<ConversionId, Vec<Reward>>,
}

/// The customers, the affiliates, these clicks and the rewards of events.
///
/// # Errors
/// [`StoreError`].
pub async fn rows_of(
    snapshot: &Snapshot,
    account_id: AccountId,
    events: &[Conversion],
    clicks: BTreeSet<(ClickId, ClickId)>,
) -> Result<EventRows, StoreError> {
    let (connection, account) = (snapshot.connection(), account_id.uuid());
    let mut found = EventRows::default();
    let ids: BTreeSet<LeadId> = events.iter().filter_map(|event| event.lead_id).collect();
    let keys = ids.into_iter().map(|id| (account, id.uuid()));
    for row in rows_by::<lead::Entity, _>(connection, &[lead::Column::AccountId, lead::Column::Id], keys).await? {
        let row = Lead::from_row(row)?;
        found.leads.insert(row.id, row);
    }
    let ids: BTreeSet<AffiliateId> =
        events.iter().flat_map(|event| event.credits.iter().map(|credit| credit.affiliate_id)).collect();
    let keys = ids.into_iter().map(|id| (account, id.uuid()));
    let columns = [affiliate::Column::AccountId, affiliate::Column::Id];
    for row in rows_by::<affiliate::Entity, _>(connection, &columns, keys).await? {
        let row = Affiliate::from_row(row)?;
        found.affiliates.insert(row.id, row);
    }
    let keys = clicks.into_iter().map(|(tid, id)| (account, tid.uuid(), id.uuid()));
    let columns = [click::Column::AccountId, click::Column::Tid, click::Column::Id];
    for row in rows_by::<click::Entity, _>(connection, &columns, keys).await? {
        let row = Click::from_row(row)?;
        found.clicks.insert(row.id, row);
    }
    let keys = events.iter().map(|event| (account, event.id.uuid()));
    let columns = [reward::Column::AccountId, reward::Column::ConversionId];
    for row in rows_by::<reward::Entity, _>(connection, &columns, keys).await? {
        let row = Reward::from_row(row)?;
        if let Some(id) = row.conversion_id {
            found.rewards.entry(id).or_default().push(row);
        }
    }
    Ok(found)
}
