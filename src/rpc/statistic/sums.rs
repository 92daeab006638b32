//! The sums that a query asks for, and their order on pages. Does not know where the figures come from.

use hashbrown::{Equivalent, HashMap};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::calendar::Day;
use crate::domain::id::{AffiliateId, LinkId, ProgramId};
use crate::domain::statistic::Figures;
use crate::store::list::Walk;
use crate::store::statistic::Key;

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
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RowKey<SubId = Box<str>> {
    pub(super) day: Option<Day>,
    pub(super) program_id: Option<ProgramId>,
    pub(super) affiliate_id: Option<AffiliateId>,
    pub(super) link_id: Option<LinkId>,
    pub(super) sub_id: Option<SubId>,
}

impl<'key> RowKey<&'key str> {
    fn of(key: &Key<&'key str>, groups: &[Group]) -> Self {
        let has = |group| groups.contains(&group);
        Self {
            day: has(Group::Day).then(|| key.day()),
            program_id: has(Group::Program).then(|| key.program_id()),
            affiliate_id: key.affiliate_id().filter(|_| has(Group::Affiliate)),
            link_id: key.link_id().filter(|_| has(Group::Link)),
            sub_id: key.sub_id().copied().filter(|_| has(Group::SubId)),
        }
    }
}

/// A row is found without a text of its own.
impl Equivalent<RowKey> for RowKey<&str> {
    fn equivalent(&self, row: &RowKey) -> bool {
        let RowKey { day, program_id, affiliate_id, link_id, sub_id } = row;
        (self.day, self.program_id, self.affiliate_id, self.link_id, self.sub_id)
            == (*day, *program_id, *affiliate_id, *link_id, sub_id.as_deref())
    }
}

impl From<&RowKey<&str>> for RowKey {
    fn from(row: &RowKey<&str>) -> Self {
        let RowKey { day, program_id, affiliate_id, link_id, sub_id } = *row;
        Self { day, program_id, affiliate_id, link_id, sub_id: sub_id.map(Into::into) }
    }
}

impl RowKey {
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

/// The day of a place. A place without a day has the first one.
fn day_of(place: Uuid) -> Day {
    let [one, two, three, four, ..] = place.into_bytes();
    Day(i32::from_be_bytes([one, two, three, four]))
}

/// The first day that the rows after a place may have, of rows from this day on.
pub(super) fn first_day_after(place: Option<Uuid>, first_day: Day, groups: &[Group]) -> Day {
    let day = place.filter(|_| groups.contains(&Group::Day)).map(day_of);
    day.map_or(first_day, |day| first_day.max(day))
}

/// The sums of the groups.
pub(super) struct Sums {
    groups: Vec<Group>,
    /// Whether all figures have one sub-id. Otherwise the figures of sub-ids are parts of others.
    has_one_sub_id: bool,
    sums: HashMap<RowKey, Figures>,
}

impl Sums {
    pub(super) fn new(groups: Vec<Group>, has_one_sub_id: bool) -> Self {
        Self { groups, has_one_sub_id, sums: HashMap::new() }
    }

    /// Adds the figures of a key to those of its row.
    pub(super) fn add(&mut self, key: &Key<&str>, figures: &Figures) {
        let row = RowKey::of(key, &self.groups);
        if key.sub_id().is_some() && !self.has_one_sub_id {
            let rest = RowKey { sub_id: None, ..row.clone() };
            self.sums.entry_ref(&rest).or_default().take_all(figures);
        }
        self.sums.entry_ref(&row).or_default().add_all(figures);
    }

    /// The rows of a page in the order of their places, and perhaps some later ones. Without groups there is always one row.
    pub(super) fn into_rows(self, page: Walk) -> Vec<(Uuid, (RowKey, Figures))> {
        let is_undivided = self.groups.is_empty();
        let mut sums = self.sums;
        if is_undivided {
            _ = sums.entry(RowKey::default()).or_default();
        }
        let (after, after_day) = (page.after, page.after.map(day_of));
        let is_on_page = |row: &RowKey| row.day > after_day || after.is_none_or(|after| row.place() > after);
        // What was taken back may leave nothing of a group.
        let is_row = |(row, figures): &(RowKey, Figures)| (is_undivided || !figures.is_empty()) && is_on_page(row);
        let mut rows: Vec<_> = sums.into_iter().filter(is_row).collect();
        // The days after the page are left out, because a place takes longer than all else.
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        if limit < rows.len() {
            let last_day = rows.select_nth_unstable_by_key(limit, |(row, _)| row.day).1.0.day;
            rows.retain(|(row, _)| row.day <= last_day);
        }
        let mut rows: Vec<_> = rows.into_iter().map(|row| (row.0.place(), row)).collect();
        rows.sort_unstable_by_key(|(place, _)| *place);
        rows
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::calendar::{Calendar, Quarter, ZoneSince};
    use crate::domain::statistic::{Figure, Origin, Place};
    use crate::domain::time::Time;
    use crate::store::list::ListOrder;
    use crate::store::statistic::{Found, StatisticQuery};

    const QUARTERS_PER_DAY: u32 = 96;
    const DAYS: u32 = 9;

    fn affiliate(number: u128) -> AffiliateId {
        AffiliateId::from_uuid(Uuid::from_u128(100 + number))
    }

    fn program(number: u128) -> ProgramId {
        ProgramId::from_uuid(Uuid::from_u128(200 + number))
    }

    /// A link of an affiliate.
    fn link(affiliate: u128, number: u128) -> LinkId {
        LinkId::from_uuid(Uuid::from_u128(300 + 10 * affiliate + number))
    }

    fn sub_id() -> impl Strategy<Value = Option<&'static str>> {
        proptest::option::of(proptest::sample::select(vec!["May", "june"]))
    }

    /// Figures of a place. They may take others back.
    fn counted() -> impl Strategy<Value = (Place, Figures)> {
        let origin =
            (0..4_u128, 0..2_u128, proptest::option::of(0..2_u128)).prop_map(|(number, of_program, of_link)| {
                let link_id = of_link.map(|of_link| link(number, of_link));
                Origin { affiliate_id: affiliate(number), program_id: program(of_program), link_id }
            });
        let figure = proptest::sample::select(vec![
            Figure::Clicks,
            Figure::Sales,
            Figure::SaleAmount("USD".parse().unwrap()),
            Figure::SaleAmount("EUR".parse().unwrap()),
        ]);
        let figures = proptest::collection::vec((figure, -2..4_i128), 1..4).prop_map(Figures::from_iter);
        let place = (0..DAYS * QUARTERS_PER_DAY, origin, sub_id());
        (place.prop_map(|(quarter, origin, sub_id)| (Quarter(quarter), origin, sub_id.map(Into::into))), figures)
    }

    /// Any filter, as QueryStats makes it, without the groups.
    fn filter() -> impl Strategy<Value = StatisticQuery> {
        let days = [0..DAYS.cast_signed(), 0..DAYS.cast_signed()];
        let of = (proptest::option::of(0..4_u128), proptest::option::of(0..2_u128), proptest::option::of(0..2_u128));
        (days, of, sub_id()).prop_map(|([one, other], (of_affiliate, of_program, of_link), sub_id)| StatisticQuery {
            first_day: Day(one.min(other)),
            last_day: Day(one.max(other)),
            affiliate_id: of_affiliate.map(affiliate),
            program_id: of_program.map(program),
            link_id: of_affiliate.zip(of_link).map(|(number, of_link)| link(number, of_link)),
            sub_id: sub_id.map(Into::into),
            by_affiliate: false,
            by_sub_id: false,
        })
    }

    fn calendars() -> impl Strategy<Value = Calendar> {
        proptest::sample::select(vec!["UTC", "Pacific/Kiritimati", "America/St_Johns"]).prop_map(|name| {
            Calendar::new(&[ZoneSince { name: name.to_owned(), since: Time::from_micros(0) }]).unwrap()
        })
    }

    /// The sums, added up one by one from what was counted.
    fn plain_sums(
        all: &[(Place, Figures)],
        groups: &[Group],
        filter: &StatisticQuery,
        mut calendar: Calendar,
    ) -> BTreeMap<RowKey, Figures> {
        let has = |group| groups.contains(&group);
        let mut sums: BTreeMap<RowKey, Figures> = BTreeMap::new();
        for ((quarter, origin, sub_id), figures) in all {
            let day = calendar.day(*quarter);
            let is_wanted = (filter.first_day..=filter.last_day).contains(&day)
                && filter.affiliate_id.is_none_or(|id| id == origin.affiliate_id)
                && filter.program_id.is_none_or(|id| id == origin.program_id)
                && filter.link_id.is_none_or(|id| Some(id) == origin.link_id)
                && (filter.sub_id.is_none() || filter.sub_id == *sub_id);
            let row = RowKey {
                day: Some(day).filter(|_| has(Group::Day)),
                program_id: Some(origin.program_id).filter(|_| has(Group::Program)),
                affiliate_id: Some(origin.affiliate_id).filter(|_| has(Group::Affiliate)),
                link_id: origin.link_id.filter(|_| has(Group::Link)),
                sub_id: sub_id.as_deref().map(Into::into).filter(|_| has(Group::SubId)),
            };
            if is_wanted {
                sums.entry(row).or_default().add_all(figures);
            }
        }
        sums.retain(|_, figures| !figures.is_empty());
        if groups.is_empty() {
            sums.entry(RowKey::default()).or_default();
        }
        sums
    }

    proptest! {
        #[test]
        fn all_pages_have_the_plain_sums(
            all in proptest::collection::vec(counted(), 0..120),
            folded in any::<proptest::sample::Index>(),
            groups in proptest::sample::subsequence(Group::ALL.to_vec(), 0..=Group::ALL.len()),
            filter in filter(),
            calendar in calendars(),
            page_size in 1..20_usize,
        ) {
            let (folded, newest) = all.split_at(folded.index(all.len() + 1));
            let (mut rows, mut after) = (BTreeMap::new(), None);
            loop {
                let query = StatisticQuery {
                    first_day: first_day_after(after, filter.first_day, &groups),
                    by_affiliate: groups.contains(&Group::Affiliate) || groups.contains(&Group::Link),
                    by_sub_id: groups.contains(&Group::SubId),
                    ..filter.clone()
                };
                let found = Found::of(query, calendar.clone(), folded, newest);
                let mut sums = Sums::new(groups.clone(), filter.sub_id.is_some());
                futures::executor::block_on(found.each(|key, figures| sums.add(key, figures))).unwrap();
                let walk = Walk { order: ListOrder::OldestFirst, after, limit: page_size as u64 + 1 };
                let page = sums.into_rows(walk);
                prop_assert!(page.iter().all(|(place, _)| after.is_none_or(|after| *place > after)));
                let is_last = page.len() <= page_size;
                for (place, (row, figures)) in page.into_iter().take(page_size) {
                    prop_assert!(after.is_none_or(|after| place > after));
                    after = Some(place);
                    prop_assert_eq!(rows.insert(row, figures), None);
                }
                if is_last {
                    break;
                }
            }
            prop_assert_eq!(rows, plain_sums(&all, &groups, &filter, calendar));
        }
    }
}
