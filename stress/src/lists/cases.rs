//! The reads of each list: the first page, a page in the middle, the newest rows and some of one state, of those with many rows
//! and of those with few. Also checks that the lists are complete. Measures nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::ensure;
use testkit::client::Client;

use super::history::{BUSY_AFFILIATE, BUSY_LEAD, History};
use super::pages::{Ask, List};
use crate::shop::Shop;

/// The most affiliates or customers with few rows that take turns in one figure.
const QUIET_MAX: usize = 100;

/// The most pages of 1,000 rows that are read to get to the middle of a list. A page costs the same at every place.
const PAGES_TO_MIDDLE_MAX: usize = 100;

/// The rows of a page of a short list, so that some of them have a second page.
const SHORT_PAGE: i32 = 5;

/// Lists of up to this many rows are read as a whole to check them.
const CHECKED_ROWS_MAX: usize = 20_000;

/// The part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    First,
    Middle,
    Newest,
    Filtered,
}

impl Part {
    const ALL: [Self; 4] = [Self::First, Self::Middle, Self::Newest, Self::Filtered];

    fn title(self, list: List) -> &'static str {
        match (self, list) {
            (Self::First, _) => "first page",
            (Self::Middle, _) => "next page in the middle",
            (Self::Newest, _) => "newest first",
            (Self::Filtered, List::Rewards) => "only approved",
            (Self::Filtered, _) => "only refunds",
        }
    }
}

/// One page that is asked for again and again.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// The number of the affiliate or lead.
    pub(super) number: usize,
    pub(super) ask: Ask,
    /// The rows that the page has.
    pub(super) rows: usize,
}

/// The pages of one figure, which take turns.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    pub(super) title: String,
    pub(super) list: List,
    pub(super) cases: Arc<Vec<Case>>,
}

impl Figure {
    /// The rows of each page. They must be the same on two servers.
    pub(super) fn rows(&self) -> Vec<usize> {
        self.cases.iter().map(|case| case.rows).collect()
    }
}

/// All figures of a server.
pub(super) async fn figures(client: &mut Client, shop: &Shop, history: &History) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for list in List::ALL {
        for (length, numbers) in [("long", vec![busy(list)]), ("short", quiet(history, QUIET_MAX))] {
            for part in Part::ALL {
                if part == Part::Filtered && !list.has_filter() {
                    continue;
                }
                let mut cases = Vec::new();
                for number in &numbers {
                    cases.extend(case(client, shop, history, list, *number, part).await?);
                }
                let title = format!("{}, {length}, {}", list.title(), part.title(list));
                ensure!(!cases.is_empty(), "{title}: there is no such page; record more sales");
                figures.push(Figure { title, list, cases: Arc::new(cases) });
            }
        }
    }
    Ok(figures)
}

/// The affiliate or lead with most of the rows.
fn busy(list: List) -> usize {
    match list {
        List::Conversions | List::Rewards | List::Entries => BUSY_AFFILIATE,
        List::ConversionsOfLead => BUSY_LEAD,
    }
}

/// Up to this many affiliates or leads with few rows.
fn quiet(history: &History, most: usize) -> Vec<usize> {
    // Consecutive ones have from 1 to 20 sales.
    (1..=history.quiet.min(most)).collect()
}

/// The rows of the whole list: of conversions all leads, sales and refunds; of rewards all but the leads. A list of entries also has
/// rows for approvals.
fn rows_at_least(history: &History, list: List, number: usize) -> usize {
    match list {
        List::Conversions => history.leads_of_affiliate(number) + history.sales_and_refunds_of_affiliate(number),
        List::Rewards | List::Entries => history.sales_and_refunds_of_affiliate(number),
        List::ConversionsOfLead => 1 + history.sales_and_refunds_of_lead(number),
    }
}

/// The page; `None` if the list is too short to have it.
async fn case(
    client: &mut Client,
    shop: &Shop,
    history: &History,
    list: List,
    number: usize,
    part: Part,
) -> anyhow::Result<Option<Case>> {
    let ask = match part {
        Part::First => Ask::default(),
        Part::Newest => Ask { is_newest_first: true, ..Ask::default() },
        Part::Filtered => Ask { is_filtered: true, ..Ask::default() },
        Part::Middle => {
            let rows = rows_at_least(history, list, number);
            match to_middle(client, shop, list, number, rows).await? {
                Some(ask) => ask,
                None => return Ok(None),
            }
        }
    };
    let rows = list.page(client, shop, number, &ask).await?.ids.len();
    ensure!(rows > 0 || part == Part::Filtered, "{} of number {number} is empty", list.title());
    Ok(Some(Case { number, ask, rows }))
}

/// Reads about half of a list. Returns what to ask for the next page; `None` if the first page is the only one.
async fn to_middle(
    client: &mut Client,
    shop: &Shop,
    list: List,
    number: usize,
    rows: usize,
) -> anyhow::Result<Option<Ask>> {
    let is_short = rows <= 1_000;
    let page_size = if is_short { SHORT_PAGE } else { 1_000 };
    let pages = if is_short { 1 } else { (rows / 2_000).clamp(1, PAGES_TO_MIDDLE_MAX) };
    let mut ask = Ask { page_size, ..Ask::default() };
    for _ in 0..pages {
        let page = list.page(client, shop, number, &ask).await?;
        if page.next.is_empty() {
            return Ok(None);
        }
        ask.page_token = page.next;
    }
    // The size may differ from page to page.
    ask.page_size = if is_short { SHORT_PAGE } else { 0 };
    Ok(Some(ask))
}

/// Checks that lists have all rows that were recorded, each once, and that the newest first are the oldest first in reverse. Returns
/// the number of lists that it read.
pub(super) async fn check(client: &mut Client, shop: &Shop, history: &History) -> anyhow::Result<usize> {
    let mut checked = 0;
    for list in List::ALL {
        let numbers = std::iter::once(busy(list)).chain(quiet(history, 20));
        for number in numbers {
            let expected = rows_at_least(history, list, number);
            if expected > CHECKED_ROWS_MAX {
                continue;
            }
            let page_size = if expected > 1_000 { 1_000 } else { 7 };
            let oldest = whole(client, shop, list, number, Ask { page_size, ..Ask::default() }).await?;
            let newest = Ask { page_size, is_newest_first: true, ..Ask::default() };
            let mut newest = whole(client, shop, list, number, newest).await?;
            newest.reverse();
            let title = list.title();
            ensure!(oldest == newest, "{title} of number {number} differs between the two orders");
            let unique: BTreeSet<&String> = oldest.iter().collect();
            ensure!(unique.len() == oldest.len(), "{title} of number {number} has a row twice");
            let is_complete = if list == List::Entries { oldest.len() >= expected } else { oldest.len() == expected };
            ensure!(is_complete, "{title} of number {number} has {} rows in place of {expected}", oldest.len());
            checked += 1;
        }
    }
    Ok(checked)
}

async fn whole(
    client: &mut Client,
    shop: &Shop,
    list: List,
    number: usize,
    mut ask: Ask,
) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    loop {
        let page = list.page(client, shop, number, &ask).await?;
        ids.extend(page.ids);
        if page.next.is_empty() {
            return Ok(ids);
        }
        ask.page_token = page.next;
    }
}
