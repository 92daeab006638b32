//! Statistics on the wire. Knows which figures a query divides by what; the store knows how they are kept.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::call::parse::{Fields, KEY_LENGTH_MAX};
use super::call::render::{id_or_empty, money, reward_value};
use super::call::{Call, page, selector};
use crate::domain::calendar::Day;
use crate::domain::id::{AffiliateId, LinkId, ProgramId};
use crate::domain::money::Money;
use crate::domain::statistic::{Figure, Figures, SubId, add_all, take_all};
use crate::error::Error;
use crate::pb;
use crate::store;
use crate::store::list::ListOrder;
use crate::store::statistic::{ByKey, Key, StatisticQuery};

/// How many days after the first one the last one may be.
const DAYS_MAX: i32 = 1_100;

/// What figures are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) enum Group {
    Day,
    Program,
    Affiliate,
    Link,
    SubId,
}

impl Group {
    /// Every group.
    pub(in crate::rpc) const ALL: &'static [Self] =
        &[Self::Day, Self::Program, Self::Affiliate, Self::Link, Self::SubId];
}

/// What a row is about. A part is `None` if the figures are not divided by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct RowKey {
    day: Option<Day>,
    program_id: Option<ProgramId>,
    affiliate_id: Option<AffiliateId>,
    link_id: Option<LinkId>,
    sub_id: SubId,
}

impl RowKey {
    fn of(key: &Key, groups: &[Group]) -> Self {
        let has = |group| groups.contains(&group);
        Self {
            day: has(Group::Day).then(|| key.day()),
            program_id: has(Group::Program).then(|| key.program_id()),
            affiliate_id: key.affiliate_id().filter(|_| has(Group::Affiliate)),
            link_id: key.link_id().filter(|_| has(Group::Link)),
            sub_id: key.sub_id().filter(|_| has(Group::SubId)).cloned(),
        }
    }

    /// The place of the row among all rows: its day, then a hash of the rest, because a page token has room for 16 bytes.
    fn place(&self) -> Uuid {
        let mut hasher = Sha256::new();
        let ids = [
            self.program_id.map(ProgramId::uuid),
            self.affiliate_id.map(AffiliateId::uuid),
            self.link_id.map(LinkId::uuid),
        ];
        ids.iter().for_each(|id| hasher.update(id.unwrap_or_default()));
        hasher.update(self.sub_id.as_deref().unwrap_or_default());
        let mut bytes = [0; 16];
        // No day is before 1970.
        let (day, rest) = bytes.split_at_mut(4);
        day.copy_from_slice(&self.day.map_or(0, |day| day.0).to_be_bytes());
        let hash = hasher.finalize();
        rest.copy_from_slice(&hash[..rest.len()]);
        Uuid::from_bytes(bytes)
    }
}

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
        first_day,
        last_day,
        affiliate_id: affiliate_of_link,
        program_id,
        link_id,
        sub_id: (!sub_id.is_empty()).then(|| sub_id.into()),
        by_affiliate: is_divided || affiliate_of_link.is_some(),
        by_sub_id: groups.contains(&Group::SubId),
    };
    let snapshot = call.store().snapshot().await?;
    let Some(found) = store::statistic::read(&snapshot, call.account_id(), &query).await? else {
        return Err(too_many());
    };
    drop(snapshot);
    call.works_on(found.len()).await;
    let mut rows = sums(found, &groups, query.sub_id.is_some());
    let after = page.walk().after;
    rows.retain(|(place, _)| after.is_none_or(|after| *place > after));
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

/// The sums of the groups, in the order of their places. Unless there is only one sub-id, the figures of sub-ids are parts of others.
fn sums(found: ByKey, groups: &[Group], has_one_sub_id: bool) -> Vec<(Uuid, (RowKey, Figures))> {
    let mut sums: BTreeMap<RowKey, Figures> = BTreeMap::new();
    if groups.is_empty() {
        sums.insert(RowKey::default(), Figures::new());
    }
    for (key, figures) in found {
        let row = RowKey::of(&key, groups);
        if key.sub_id().is_some() && !has_one_sub_id {
            let rest = RowKey { sub_id: None, ..row.clone() };
            take_all(sums.entry(rest).or_default(), &figures);
        }
        add_all(sums.entry(row).or_default(), &figures);
    }
    let mut rows: Vec<_> = sums
        .into_iter()
        // What was taken back may leave nothing of a group.
        .filter(|(_, figures)| !figures.is_empty() || groups.is_empty())
        .map(|(key, figures)| (key.place(), (key, figures)))
        .collect();
    rows.sort_unstable_by_key(|(place, _)| *place);
    rows
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
    let mut values: Vec<(Figure, i64)> = figures.iter().map(|(figure, sum)| (*figure, nearest(*sum))).collect();
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
