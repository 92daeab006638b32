//! Checks the numbers of customers' sales that commission rules ask for: each must be the number of the sales that count. Knows no rule.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::backend::text_contains;
use super::entity::{conversion, lead};
use super::set::stored::Stored;
use super::{Snapshot, Source, StoreError};
use crate::domain::conversion::{Conversion, ConversionKind};
use crate::domain::customer_reward::CustomerRewardState;
use crate::domain::id::{AccountId, ConversionId, LeadId, ProgramId};
use crate::domain::lead::{Lead, SaleCount};

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

/// The differences between the numbers that leads keep and the sales that count, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let connection = snapshot.connection();
    // A value cannot look like the field, because its quotes are escaped.
    let leads = lead::Entity::find()
        .filter(lead::Column::AccountId.eq(account_id.uuid()))
        .filter(text_contains(connection, lead::Column::Details, "\"sale_counts\":"))
        .all(connection)
        .await?;
    let leads = leads.into_iter().map(Lead::from_row).collect::<Result<Vec<_>, _>>()?;
    let sales = conversion::Entity::find()
        .filter(conversion::Column::AccountId.eq(account_id.uuid()))
        .filter(conversion::Column::Kind.eq(ConversionKind::Sale.as_str()))
        .filter(text_contains(connection, conversion::Column::OrderDetails, "\"customer_sale\":"))
        .all(connection)
        .await?;
    let sales = sales.into_iter().map(Conversion::from_row).collect::<Result<Vec<_>, _>>()?;
    let mut differences = compare(&leads, &sales);
    differences.extend(rewards_of_other_sales(&leads, &sales));
    if differences.len() > DIFFERENCES_MAX {
        let others = differences.len() - DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        differences.push(format!("the numbers of customers' sales have {others} more differences"));
    }
    Ok(differences)
}

fn compare(leads: &[Lead], sales: &[Conversion]) -> Vec<String> {
    let merged = leads.iter().flat_map(|lead| lead.details.merged_ids.iter().map(|id| (*id, lead.id)));
    let merged: BTreeMap<LeadId, LeadId> = merged.collect();
    let mut expected: BTreeMap<(LeadId, ProgramId), SaleCount> = BTreeMap::new();
    for sale in sales {
        let Some(lead_id) = sale.lead_id else { continue };
        if sale.left().is_none_or(|left| left.amount_minor <= 0) {
            continue;
        }
        let lead_id = merged.get(&lead_id).copied().unwrap_or(lead_id);
        let programs: BTreeSet<ProgramId> = sale.credits.iter().map(|credit| credit.program_id).collect();
        for program_id in programs {
            let count = expected.entry((lead_id, program_id)).or_insert(SaleCount::none(program_id));
            count.count = count.count.saturating_add(1);
            count.first_at = Some(count.first_at.map_or(sale.occurred_at, |first| first.min(sale.occurred_at)));
        }
    }
    let kept = leads.iter().flat_map(|lead| lead.details.sale_counts.iter().map(|count| (lead.id, *count)));
    let kept: BTreeMap<(LeadId, ProgramId), SaleCount> =
        kept.map(|(lead_id, count)| ((lead_id, count.program_id), count)).collect();
    let mut differences = Vec::new();
    let of_kept = kept.keys().filter(|key| !expected.contains_key(key));
    for key in expected.keys().chain(of_kept) {
        let of = |counts: &BTreeMap<(LeadId, ProgramId), SaleCount>| {
            counts.get(key).map_or((0, None), |count| (count.count, count.first_at))
        };
        let ((count, first_at), (kept_count, kept_first_at)) = (of(&expected), of(&kept));
        let (lead_id, program_id) = key;
        if count != kept_count {
            let text =
                format!("the number of sales of {lead_id} in {program_id} is {kept_count} and should be {count}");
            differences.push(text);
        } else if first_at != kept_first_at {
            differences.push(format!("the time of the first sale of {lead_id} in {program_id} is wrong"));
        }
    }
    differences
}

/// The rewards that first sales have granted customers and that were not fulfilled, whose sale is no first one, or leaves nothing.
fn rewards_of_other_sales(leads: &[Lead], sales: &[Conversion]) -> Vec<String> {
    let sales: BTreeMap<ConversionId, &Conversion> = sales.iter().map(|sale| (sale.id, sale)).collect();
    let mut differences = Vec::new();
    for lead in leads.iter().filter(|lead| lead.merged_into.is_none()) {
        let granted = lead.details.customer_rewards.all().iter();
        for reward in granted.filter(|reward| reward.state == CustomerRewardState::Granted) {
            // Sign-ups grant rewards too, and are not among these.
            let Some(sale) = sales.get(&reward.conversion_id) else { continue };
            let is_first = sale.order.customer_sale.is_some_and(|place| place.number == 1);
            let is_left = sale.left().is_some_and(|left| left.amount_minor > 0);
            let is_of_program = sale.credits.iter().any(|credit| credit.program_id == reward.program_id);
            if !(is_first && is_left && is_of_program) {
                let (lead_id, program_id, sale_id) = (lead.id, reward.program_id, sale.id);
                differences
                    .push(format!("the reward of {lead_id} in {program_id} is granted by {sale_id}, no first sale"));
            }
        }
    }
    differences
}
