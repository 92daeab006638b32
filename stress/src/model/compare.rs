//! Reads everything that an account can read, page by page, and compares it with the model: programs, affiliates, enrollments,
//! links, coupons, leads, conversions, rewards, the ledger, balances, figures, the feed and the audit.

mod figures;
mod filtered;

use headwater_client::pb;
use pb::EventKind;
use pb::event::Subject;
use tonic::Status;

use super::drive::{Difference, Player};
use super::world::{Unordered, sorted_totals};
use crate::{audit, feed};
use filtered::Turn;

/// The page size is small enough for several pages in a sequence.
const PAGE_SIZE: i32 = 200;

/// Reads a list to its end, and returns its rows in the order in which they were made.
macro_rules! read_all {
    ($client:expr, $method:ident, $request:expr, $rows:ident) => {{
        let mut rows = Vec::new();
        let mut request = $request;
        loop {
            let page = $client.$method(request.clone()).await.map_err(told)?.into_inner();
            rows.extend(page.$rows);
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        if request.order() == pb::ListOrder::NewestFirst {
            rows.reverse();
        }
        rows
    }};
}

pub(super) use read_all;

fn told(status: Status) -> anyhow::Error {
    anyhow::anyhow!("a list could not be read: {status:?}")
}

macro_rules! check {
    ($player:expr, $asked:expr, $expected:expr, $actual:expr) => {{
        let (expected, actual) = (format!("{:?}", $expected), format!("{:?}", $actual));
        if let Some(difference) = $player.compare($asked, &expected, &actual) {
            return Ok(Some(difference));
        }
    }};
}

impl Player {
    pub(super) async fn check(&mut self) -> anyhow::Result<Option<Difference>> {
        let mut turn = Turn::new(&self.world);
        if let Some(difference) = self.check_setup(&mut turn).await? {
            return Ok(Some(difference));
        }
        if let Some(difference) = self.check_conversions(&mut turn).await? {
            return Ok(Some(difference));
        }
        if let Some(difference) = self.check_books(&mut turn).await? {
            return Ok(Some(difference));
        }
        if let Some(difference) = self.check_feed().await? {
            return Ok(Some(difference));
        }
        if let Some(difference) = self.check_figures(&mut turn).await? {
            return Ok(Some(difference));
        }
        self.check_filtered(&mut turn).await
    }

    async fn check_setup(&mut self, turn: &mut Turn) -> anyhow::Result<Option<Difference>> {
        let page_size = PAGE_SIZE;
        let programs = pb::ListProgramsRequest { page_size, order: turn.order(), ..Default::default() };
        let programs = read_all!(self.client.affiliates, list_programs, programs, programs);
        let expected: Vec<_> = self.world.programs.iter().map(|program| program.row.clone()).collect();
        check!(self, "ListPrograms", expected, programs);
        let affiliates = pb::ListAffiliatesRequest { page_size, order: turn.order(), ..Default::default() };
        let affiliates = read_all!(self.client.affiliates, list_affiliates, affiliates, affiliates);
        check!(self, "ListAffiliates", self.world.affiliates, affiliates);
        let enrollments = pb::ListEnrollmentsRequest { page_size, order: turn.order(), ..Default::default() };
        let enrollments = read_all!(self.client.affiliates, list_enrollments, enrollments, enrollments);
        let expected: Vec<_> = self.world.enrollments.iter().map(|row| self.world.shown(row)).collect();
        check!(self, "ListEnrollments", expected, enrollments);
        let links = pb::ListLinksRequest { page_size, order: turn.order(), ..Default::default() };
        let links = read_all!(self.client.affiliates, list_links, links, links);
        let expected: Vec<_> = self.world.links.iter().map(|row| self.world.shown_link(row)).collect();
        check!(self, "ListLinks", expected, links);
        let coupons = pb::ListCouponsRequest { page_size, order: turn.order(), ..Default::default() };
        let coupons = read_all!(self.client.affiliates, list_coupons, coupons, coupons);
        check!(self, "ListCoupons", self.world.coupons, coupons);
        let leads = pb::ListLeadsRequest { page_size, order: turn.order(), ..Default::default() };
        let leads = read_all!(self.client.tracking, list_leads, leads, leads);
        check!(self, "ListLeads", self.world.living_leads(), leads);
        Ok(None)
    }

    async fn check_conversions(&mut self, turn: &mut Turn) -> anyhow::Result<Option<Difference>> {
        let view = pb::ConversionView::Full.into();
        let request =
            pb::ListConversionsRequest { page_size: PAGE_SIZE, order: turn.order(), view, ..Default::default() };
        let conversions = read_all!(self.client.tracking, list_conversions, request.clone(), conversions);
        check!(self, "ListConversions", self.world.images(false), conversions);
        let outcomes = vec![pb::ConversionOutcome::NotReferred.into()];
        let request = pb::ListConversionsRequest { outcomes, order: turn.order(), ..request };
        let conversions = read_all!(self.client.tracking, list_conversions, request, conversions);
        check!(self, "ListConversions of NOT_REFERRED", self.world.images(true), conversions);
        let request = pb::ListRewardsRequest { page_size: PAGE_SIZE, order: turn.order(), ..Default::default() };
        let rewards = read_all!(self.client.rewards, list_rewards, request, rewards);
        check!(self, "ListRewards", self.world.rewards, rewards);
        for calculation in rewards.iter().filter_map(|reward| reward.calculation.as_ref()) {
            let is_on_step = calculation.ladder.as_ref().is_some_and(|ladder| ladder.step > 0);
            let is_limited = calculation.caps.iter().any(|cap| cap.room_minor > 0);
            for (is_so, kind) in
                [(is_on_step, "on_a_step"), (is_limited, "with_a_cap"), (calculation.rule_number > 0, "by_a_rule")]
            {
                *self.tally.entry(("ListRewards", kind.to_owned())).or_default() += u64::from(is_so);
            }
        }
        Ok(None)
    }

    async fn check_books(&mut self, turn: &mut Turn) -> anyhow::Result<Option<Difference>> {
        let request = pb::ListLedgerEntriesRequest { page_size: PAGE_SIZE, order: turn.order(), ..Default::default() };
        let mut entries = read_all!(self.client.rewards, list_ledger_entries, request, entries);
        let is_numbered = entries.iter().enumerate().all(|(place, entry)| entry.sequence == place as i64 + 1);
        check!(self, "whether the ledger is numbered without a gap", true, is_numbered);
        let mut expected = self.world.entries.clone();
        let symbol_of = |id: &str| self.names.symbol_of(id).unwrap_or(id).to_owned();
        for range in &self.world.unordered_entries {
            sort(&mut expected, *range, |entry| inner(&entry.reward_id), |entry, sequence| entry.sequence = sequence);
            sort(
                &mut entries,
                *range,
                |entry| symbol_of(&entry.reward_id),
                |entry, sequence| entry.sequence = sequence,
            );
        }
        check!(self, "ListLedgerEntries", expected, entries);

        for affiliate in self.world.affiliates.clone() {
            use pb::affiliate_selector::Selector;
            let selector = match affiliate.email.as_str() {
                "" => Selector::Id(self.names.resolve(&affiliate.id)),
                email => Selector::Email(email.to_owned()),
            };
            let request = pb::GetBalanceRequest {
                affiliate: Some(pb::AffiliateSelector { selector: Some(selector) }),
                ..Default::default()
            };
            let balances = self.client.rewards.get_balance(request).await.map_err(told)?.into_inner().balances;
            check!(self, "GetBalance", self.world.balances(&affiliate.id), balances);
        }
        let mut audit = audit::verify(&mut self.client).await.map_err(told)?;
        audit.totals = sorted_totals(audit.totals);
        check!(self, "VerifyLedger", self.world.audit(), audit);
        Ok(None)
    }

    /// The place in the feed up to which events were compared.
    fn place(&self) -> pb::FeedStart {
        if self.cursor.is_empty() { feed::beginning() } else { feed::after(self.cursor.clone()) }
    }

    /// Reads the rest of the feed, and of the stream of conversions.
    async fn check_feed(&mut self) -> anyhow::Result<Option<Difference>> {
        let mut events = Vec::new();
        let place = self.place();
        let watched = feed::watch_conversions(&mut self.client, place).await?;
        loop {
            let request =
                pb::ReadEventsRequest { start: Some(self.place()), page_size: PAGE_SIZE, ..Default::default() };
            let page = self.client.feed.read_events(request).await.map_err(told)?.into_inner();
            self.cursor = page.next_cursor;
            if page.events.is_empty() {
                break;
            }
            events.extend(page.events);
        }
        let first = self.events_checked;
        let is_numbered = events.iter().enumerate().all(|(place, event)| event.sequence == (first + place) as i64 + 1);
        check!(self, "whether the feed is numbered without a gap", true, is_numbered);
        check!(self, "whether new images follow the rewards", true, images_follow(&events));
        let of_conversions: Vec<_> = events.iter().filter(|event| feed::is_about_conversion(event)).cloned().collect();
        check!(self, "WatchConversions", of_conversions, watched);
        let mut expected = self.world.events[first..].to_vec();
        let symbol_of = |id: &str| self.names.symbol_of(id).unwrap_or(id).to_owned();
        for range in self.world.unordered_events.iter().filter(|range| range.from >= first) {
            let range = Unordered { from: range.from - first, until: range.until - first };
            sort(&mut expected, range, |event| inner(conversion_of(event)), |_, _| {});
            sort(&mut events, range, |event| symbol_of(conversion_of(event)), |_, _| {});
        }
        // The sequences were checked above. They are removed, because sorting has moved the events without a promised order.
        // The model has no audit log.
        expected.iter_mut().chain(&mut events).for_each(|event| (event.sequence, event.audit_entry) = (0, None));
        check!(self, "ReadEvents", expected, events);
        for event in &events {
            let kind = event.kind().as_str_name().trim_start_matches("EVENT_KIND_").to_lowercase();
            *self.tally.entry(("ReadEvents", kind)).or_default() += 1;
        }
        self.events_checked = self.world.events.len();
        Ok(None)
    }
}

/// The conversion that an event is about. For an event about a reward, it is the reward's conversion.
fn conversion_of(event: &pb::Event) -> &str {
    match &event.subject {
        Some(Subject::Conversion(conversion)) => &conversion.id,
        Some(Subject::Reward(reward)) => &reward.conversion_id,
        _ => "",
    }
}

/// Whether the events of rewards that changed their state are followed at once by their conversion's new image.
fn images_follow(events: &[pb::Event]) -> bool {
    use EventKind::{RewardApproved, RewardDenied, RewardHeld, RewardReleased};
    let is_moved =
        |event: &pb::Event| matches!(event.kind(), RewardApproved | RewardDenied | RewardHeld | RewardReleased);
    events.iter().enumerate().filter(|(_, event)| is_moved(event)).all(|(place, event)| {
        let of_reward = |other: &&pb::Event| !(is_moved(other) && conversion_of(other) == conversion_of(event));
        events.iter().skip(place).find(of_reward).is_some_and(|next| {
            next.kind() == EventKind::ConversionUpdated && conversion_of(next) == conversion_of(event)
        })
    })
}

/// A symbol as the table of names writes it.
fn inner(symbol: &str) -> String {
    symbol.trim_matches(['⟦', '⟧']).to_owned()
}

/// Sorts the entries without a promised order and renumbers them.
fn sort<T>(rows: &mut [T], range: Unordered, key: impl Fn(&T) -> String, number: impl Fn(&mut T, i64)) {
    let until = range.until.min(rows.len());
    let from = range.from.min(until);
    rows[from..until].sort_by_key(key);
    for (place, row) in rows.iter_mut().enumerate().take(until).skip(from) {
        number(row, place as i64 + 1);
    }
}
