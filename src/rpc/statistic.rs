//! Statistics on the wire. Knows which figures a query divides by what; the store knows how they are kept.

mod sums;

use uuid::Uuid;

pub(in crate::rpc) use sums::Group;
use sums::{RowKey, Sums, first_day_after};

use super::call::parse::{Fields, KEY_LENGTH_MAX};
use super::call::render::{id_or_empty, money, reward_value};
use super::call::{Call, page, selector};
use crate::domain::calendar::Day;
use crate::domain::id::{AffiliateId, LinkId};
use crate::domain::money::Money;
use crate::domain::statistic::{Figure, Figures};
use crate::error::Error;
use crate::pb;
use crate::store;
use crate::store::list::ListOrder;
use crate::store::statistic::StatisticQuery;

/// How many days after the first one the last one may be.
const DAYS_MAX: i32 = 1_100;

pub(super) async fn query(call: Call, message: pb::QueryStatsRequest) -> Result<pb::QueryStatsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::Shape::new(page::size(&mut fields, message.page_size), ListOrder::OldestFirst);
    let groups: Vec<Group> = fields.values("group_by", &message.group_by);
    let program_id = fields.optional_id("program_id", &message.program_id);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let link_id: Option<LinkId> = fields.optional_id("link_id", &message.link_id);
    let sub_id = fields.line("sub_id", &message.sub_id, KEY_LENGTH_MAX);
    let days = days(&mut fields, &message);
    let (first_day, last_day) = fields.complete(days)?;
    let filter = pb::QueryStatsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page_of_scan(&filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let affiliate_of_link = match link_id {
        None => affiliate_id,
        Some(id) => {
            let link = store::link::find(call.store(), call.account_id(), id).await?;
            // Nothing is counted for a link that does not exist, and for the link of another affiliate.
            let own = link.map(|link| link.affiliate_id).filter(|id| affiliate_id.is_none_or(|wanted| wanted == *id));
            Some(own.unwrap_or(AffiliateId::from_uuid(Uuid::nil())))
        }
    };
    let is_divided = groups.iter().any(|group| matches!(group, Group::Affiliate | Group::Link));
    let query = StatisticQuery {
        // The days of earlier pages are not read again.
        first_day: first_day_after(page.walk().after, first_day, &groups),
        last_day,
        affiliate_id: affiliate_of_link,
        program_id,
        link_id,
        sub_id: (!sub_id.is_empty()).then(|| sub_id.into()),
        by_affiliate: is_divided || affiliate_of_link.is_some(),
        by_sub_id: groups.contains(&Group::SubId),
    };
    let mut sums = Sums::new(groups, query.sub_id.is_some());
    let snapshot = call.store().snapshot().await?;
    let Some(found) = store::statistic::read(&snapshot, call.account_id(), query).await? else {
        return Err(too_many());
    };
    drop(snapshot);
    call.works_on(found.row_count()).await;
    found.each(|key, figures| sums.add(key, figures)).await?;
    let rows = sums.into_rows(page.walk());
    let (rows, next_page_token) = page.fill(rows, |(place, _)| *place, |(_, (key, figures))| render(&key, &figures));
    Ok(pb::QueryStatsResponse { rows, next_page_token })
}

fn days(fields: &mut Fields, message: &pb::QueryStatsRequest) -> Option<(Day, Day)> {
    let first = fields.day("first_day", &message.first_day);
    let last = fields.day("last_day", &message.last_day);
    let (first, last) = first.zip(last)?;
    if last < first {
        fields.wrong("last_day", "must not be before first_day");
    } else if last.0 - first.0 > DAYS_MAX {
        fields.wrong("last_day", format!("must be at most {DAYS_MAX} days after first_day"));
    }
    Some((first, last))
}

fn too_many() -> Error {
    let mut fields = Fields::default();
    fields.wrong(
        "last_day",
        "the days have the figures of too many affiliates for one query; ask for fewer days or for one affiliate",
    );
    fields.into_error()
}

fn render(key: &RowKey, figures: &Figures) -> pb::StatisticRow {
    let mut row = pb::StatisticRow {
        day: id_or_empty(key.day),
        program_id: id_or_empty(key.program_id),
        affiliate_id: id_or_empty(key.affiliate_id),
        link_id: id_or_empty(key.link_id),
        sub_id: key.sub_id.as_deref().unwrap_or_default().to_owned(),
        ..pb::StatisticRow::default()
    };
    let mut values: Vec<(Figure, i64)> = figures.iter().map(|(figure, sum)| (figure, nearest(sum))).collect();
    values.sort_by_key(|(figure, _)| match figure {
        Figure::SaleAmount(currency) | Figure::RefundAmount(currency) => (None, currency.code()),
        Figure::Reward(unit, currency) => (Some(*unit), currency.code()),
        _ => (None, ""),
    });
    for (figure, value) in values {
        match figure {
            Figure::Clicks => row.click_count = value,
            Figure::Leads => row.lead_count = value,
            Figure::Sales => row.sale_count = value,
            Figure::Refunds => row.refund_count = value,
            Figure::Cancellations => row.cancellation_count = value,
            Figure::Appointments => row.appointment_count = value,
            Figure::CustomEvents => row.custom_event_count = value,
            Figure::SaleAmount(currency) => row.sale_amounts.push(money(Money::new(value, currency))),
            Figure::RefundAmount(currency) => row.refund_amounts.push(money(Money::new(value, currency))),
            Figure::Reward(unit, currency) => row.rewards.push(reward_value(unit, Money::new(value, currency))),
        }
    }
    row
}

/// The nearest number of 64 bits.
fn nearest(sum: i128) -> i64 {
    i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
}
