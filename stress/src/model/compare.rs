//! Reads everything that an account can read, page by page, and compares it with the model: programs, affiliates, enrollments,
//! links, coupons, leads, conversions, rewards, the ledger, balances, the feed and the audit.

mod filtered;

use headwater_client::pb;
use pb::list_conversion_events_request::Start;
use tonic::Status;

use super::drive::{Difference, Player};
use super::world::{Unordered, sorted_totals};

/// The page size is small enough for several pages in a sequence.
const PAGE_SIZE: i32 = 200;

/// Reads a list to its end.
macro_rules! read_all {
    ($client:expr, $method:ident, $request:expr, $rows:ident) => {{
        let mut rows = Vec::new();
        let mut request = $request;
        loop {
            let page = $client.$method(request.clone()).await.map_err(told)?.into_inner();
            rows.extend(page.$rows);
            if page.next_page_token.is_empty() {
                break rows;
            }
            request.page_token = page.next_page_token;
        }
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
    /// Compares everything.
    pub(super) async fn check(&mut self) -> anyhow::Result<Option<Difference>> {
        if let Some(difference) = self.check_setup().await? {
            return Ok(Some(difference));
        }
        if let Some(difference) = self.check_conversions().await? {
            return Ok(Some(difference));
        }
        if let Some(difference) = self.check_books().await? {
            return Ok(Some(difference));
        }
        if let Some(difference) = self.check_feed().await? {
            return Ok(Some(difference));
        }
        self.check_filtered().await
    }

    async fn check_setup(&mut self) -> anyhow::Result<Option<Difference>> {
        let page_size = PAGE_SIZE;
        let programs = pb::ListProgramsRequest { page_size, ..Default::default() };
        let programs = read_all!(self.client.affiliates, list_programs, programs, programs);
        let expected: Vec<_> = self.world.programs.iter().map(|program| program.row.clone()).collect();
        check!(self, "ListPrograms", expected, programs);
        let affiliates = pb::ListAffiliatesRequest { page_size, ..Default::default() };
        let affiliates = read_all!(self.client.affiliates, list_affiliates, affiliates, affiliates);
        check!(self, "ListAffiliates", self.world.affiliates, affiliates);
        let enrollments = pb::ListEnrollmentsRequest { page_size, ..Default::default() };
        let enrollments = read_all!(self.client.affiliates, list_enrollments, enrollments, enrollments);
        let expected: Vec<_> = self.world.enrollments.iter().map(|row| self.world.shown(row)).collect();
        check!(self, "ListEnrollments", expected, enrollments);
        let links = pb::ListLinksRequest { page_size, ..Default::default() };
        let links = read_all!(self.client.affiliates, list_links, links, links);
        let expected: Vec<_> = self.world.links.iter().map(|row| self.world.shown_link(row)).collect();
        check!(self, "ListLinks", expected, links);
        let coupons = pb::ListCouponsRequest { page_size, ..Default::default() };
        let coupons = read_all!(self.client.affiliates, list_coupons, coupons, coupons);
        check!(self, "ListCoupons", self.world.coupons, coupons);
        let leads = pb::ListLeadsRequest { page_size, ..Default::default() };
        let leads = read_all!(self.client.tracking, list_leads, leads, leads);
        check!(self, "ListLeads", self.world.leads, leads);
        Ok(None)
    }

    async fn check_conversions(&mut self) -> anyhow::Result<Option<Difference>> {
        let request = pb::ListConversionsRequest { page_size: PAGE_SIZE, ..Default::default() };
        let conversions = read_all!(self.client.tracking, list_conversions, request.clone(), conversions);
        check!(self, "ListConversions", self.world.images(false), conversions);
        let outcome = pb::ConversionOutcome::NotReferred.into();
        let request = pb::ListConversionsRequest { outcome, ..request };
        let conversions = read_all!(self.client.tracking, list_conversions, request, conversions);
        check!(self, "ListConversions of NOT_REFERRED", self.world.images(true), conversions);
        let request = pb::ListRewardsRequest { page_size: PAGE_SIZE, ..Default::default() };
        let rewards = read_all!(self.client.rewards, list_rewards, request, rewards);
        check!(self, "ListRewards", self.world.rewards, rewards);
        Ok(None)
    }

    async fn check_books(&mut self) -> anyhow::Result<Option<Difference>> {
        let request = pb::ListLedgerEntriesRequest { page_size: PAGE_SIZE, ..Default::default() };
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
            let email = pb::affiliate_selector::Selector::Email(affiliate.email);
            let request = pb::GetBalanceRequest { affiliate: Some(pb::AffiliateSelector { selector: Some(email) }) };
            let balances = self.client.rewards.get_balance(request).await.map_err(told)?.into_inner().balances;
            check!(self, "GetBalance", self.world.balances(&affiliate.id), balances);
        }
        let request = pb::VerifyLedgerRequest {};
        let mut audit = self.client.rewards.verify_ledger(request).await.map_err(told)?.into_inner();
        audit.totals = sorted_totals(audit.totals);
        check!(self, "VerifyLedger", self.world.audit(), audit);
        Ok(None)
    }

    /// Reads the rest of the feed.
    async fn check_feed(&mut self) -> anyhow::Result<Option<Difference>> {
        let mut events = Vec::new();
        loop {
            let start = match self.cursor.as_str() {
                "" => Start::Beginning(()),
                cursor => Start::AfterCursor(cursor.to_owned()),
            };
            let request = pb::ReadEventsRequest { start: Some(start), page_size: PAGE_SIZE, ..Default::default() };
            let page = self.client.tracking.read_events(request).await.map_err(told)?.into_inner();
            self.cursor = page.next_cursor;
            if page.events.is_empty() {
                break;
            }
            events.extend(page.events);
        }
        let first = self.events_checked;
        let is_numbered = events.iter().enumerate().all(|(place, event)| event.sequence == (first + place) as i64 + 1);
        check!(self, "whether the feed is numbered without a gap", true, is_numbered);
        let mut expected = self.world.events[first..].to_vec();
        let symbol_of = |id: &str| self.names.symbol_of(id).unwrap_or(id).to_owned();
        for range in self.world.unordered_events.iter().filter(|range| range.from >= first) {
            let range = Unordered { from: range.from - first, until: range.until - first };
            sort(&mut expected, range, |event| inner(&event.subject_id), |_, _| {});
            sort(&mut events, range, |event| symbol_of(&event.subject_id), |_, _| {});
        }
        // The numbering was checked before entries without a promised order were sorted.
        expected.iter_mut().chain(&mut events).for_each(|event| event.sequence = 0);
        check!(self, "ReadEvents", expected, events);
        self.events_checked = self.world.events.len();
        Ok(None)
    }
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
