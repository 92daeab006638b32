//! Compares the clients' journals with the server's state: its conversions, its feed, its books. Only reads, and only through the
//! public API.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater_client::pb;
use testkit::client::Client;
use tonic::{Code, Response, Status};

use crate::feed;
use crate::journal::Journal;
use crate::shop::Shop;
use crate::value;

/// How long to wait before a refused call is made again.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// How many faults are described in words.
const TOLD_MAX: usize = 20;

/// One in this many acknowledged sales is also read by its event_id.
const READ_ONE_IN: usize = 20;

/// At most this many of the unanswered sales are read by their event_id.
const UNKNOWN_READ_MAX: usize = 100;

/// An event of the feed, reduced to its position and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) sequence: i64,
    pub(crate) id: String,
}

impl From<&pb::Event> for Seen {
    fn from(event: &pb::Event) -> Self {
        Self { sequence: event.sequence, id: event.id.clone() }
    }
}

/// The result of an audit.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Sales that were acknowledged.
    pub(crate) acknowledged: usize,
    /// Sales that were sent and never answered.
    pub(crate) unknown: usize,
    /// The unanswered sales that the server has.
    pub(crate) unknown_kept: usize,
    /// Acknowledged sales that the server does not have.
    pub(crate) lost: usize,
    /// Sales that the server has more than once.
    pub(crate) doubled: usize,
    /// Missing, repeated or unordered positions in any reading of the feed.
    pub(crate) gaps: usize,
    /// How many events the feed has.
    pub(crate) events: usize,
    /// Whether VerifyLedger finds nothing and every balance is the sum of its sales.
    pub(crate) is_ledger_verified: bool,
    /// All faults in words, including those counted above.
    pub(crate) faults: Vec<String>,
    fault_count: usize,
}

impl Findings {
    /// The result before any check.
    pub(crate) fn none() -> Self {
        Self { is_ledger_verified: true, ..Self::default() }
    }

    /// Whether every promise was kept.
    pub(crate) fn is_clean(&self) -> bool {
        self.is_ledger_verified && self.lost + self.doubled + self.gaps + self.fault_count == 0
    }

    /// The number of faults, including those counted above.
    pub(crate) fn fault_count(&self) -> usize {
        self.fault_count
    }

    /// Adds the findings in another account.
    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
        self.unknown_kept += other.unknown_kept;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.gaps += other.gaps;
        self.events += other.events;
        self.is_ledger_verified &= other.is_ledger_verified;
        self.fault_count += other.fault_count;
        self.faults.extend(other.faults);
    }

    /// The state of the ledger in one word.
    pub(crate) fn ledger_text(&self) -> &'static str {
        if self.is_ledger_verified { "verified" } else { "NOT VERIFIED" }
    }

    /// Records a fault.
    pub(crate) fn fault(&mut self, text: String) {
        self.fault_count += 1;
        if self.faults.len() < TOLD_MAX {
            self.faults.push(text);
        }
    }

    /// Compares a reader's events with the final feed.
    pub(crate) fn compare_feed(&mut self, reader: &str, read: &[Seen], feed: &[Seen]) {
        let places = read.iter().zip(feed).filter(|(read, kept)| read != kept).count();
        let length = read.len().abs_diff(feed.len());
        if places + length > 0 {
            self.gaps += places + length;
            let first = read.iter().zip(feed).find(|(read, kept)| read != kept);
            self.fault(format!(
                "{reader} read {} events of {}, {places} of them others, first {first:?}",
                read.len(),
                feed.len()
            ));
        }
    }

    /// Compares the events that another reading returned, with all their content, with those of the feed.
    fn compare_events(&mut self, reading: &str, read: &[pb::Event], feed: &[pb::Event]) {
        let places = read.iter().zip(feed).filter(|(read, kept)| read != kept).count();
        let length = read.len().abs_diff(feed.len());
        if places + length > 0 {
            self.gaps += places + length;
            let first = read.iter().zip(feed).find(|(read, kept)| read != kept);
            let (count, expected) = (read.len(), feed.len());
            self.fault(format!(
                "{reading} returned {count} events of {expected}, {places} of them others, first {first:?}"
            ));
        }
    }

    fn check_kept(&mut self, journal: &Journal, kept: &BTreeMap<String, Vec<pb::Conversion>>) {
        for (order, answer) in journal.acknowledged() {
            self.acknowledged += 1;
            let found = kept.get(&order.event_id).map_or(&[][..], Vec::as_slice);
            match found {
                [] => {
                    self.lost += 1;
                    self.fault(format!("{} was acknowledged and is not there", order.event_id));
                }
                [one] if one.id == answer.conversion_id => {}
                [one] => {
                    let text = format!("{} was answered {} and is {}", order.event_id, answer.conversion_id, one.id);
                    self.fault(text);
                }
                many => {
                    self.doubled += 1;
                    self.fault(format!("{} is there {} times", order.event_id, many.len()));
                }
            }
            if answer.rewards.iter().map(|(_, amount_minor)| amount_minor).sum::<i64>() != order.reward_minor() {
                self.fault(format!("{} of {} earned {:?}", order.event_id, order.amount_minor, answer.rewards));
            }
        }
        for order in journal.unknown() {
            self.unknown += 1;
            let count = kept.get(&order.event_id).map_or(0, Vec::len);
            self.unknown_kept += count.min(1);
            if count > 1 {
                self.doubled += 1;
                self.fault(format!("{} was never answered and is there {count} times", order.event_id));
            }
        }
        for event_id in kept.keys().filter(|event_id| !journal.entries.contains_key(*event_id)) {
            self.fault(format!("nobody sent {event_id}"));
        }
    }

    /// Checks that the feed has each conversion exactly once, and is numbered 1, 2, 3 ...
    fn check_feed(&mut self, events: &[pb::Event], kept: &BTreeMap<String, Vec<pb::Conversion>>) {
        self.events = events.len();
        for (place, event) in (1..).zip(events) {
            if event.sequence != place {
                self.gaps += 1;
                self.fault(format!("the feed has {} where {place} should be", event.sequence));
            }
        }
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        for conversion in events.iter().filter_map(recorded_sale) {
            *told.entry(&conversion.id).or_default() += 1;
        }
        for conversion in kept.values().flatten() {
            let count = told.remove(conversion.id.as_str()).unwrap_or_default();
            if count != 1 {
                self.gaps += 1;
                self.fault(format!("the feed tells {} {count} times", conversion.event_id));
            }
        }
        if !told.is_empty() {
            self.gaps += told.len();
            self.fault(format!("the feed tells of sales that are not there: {told:?}"));
        }
    }
}

/// Reads everything of one shop and reports differences from the journal. Returns the feed too, for comparison with what
/// followers read.
pub(crate) async fn audit(
    client: &mut Client,
    shop: &Shop,
    journal: &Journal,
) -> anyhow::Result<(Findings, Vec<Seen>)> {
    let mut findings = Findings::default();
    for surprise in &journal.surprises {
        findings.fault(surprise.clone());
    }
    let mut kept: BTreeMap<String, Vec<pb::Conversion>> = BTreeMap::new();
    for conversion in sales(client).await? {
        kept.entry(conversion.event_id.clone()).or_default().push(conversion);
    }
    findings.check_kept(journal, &kept);
    check_by_event_id(client, journal, &kept, &mut findings).await?;
    let events = feed(client).await?;
    findings.check_feed(&events, &kept);
    check_other_readings(client, &events, &mut findings).await?;
    check_books(client, shop, journal, &kept, &mut findings).await?;
    Ok((findings, events.iter().map(Seen::from).collect()))
}

/// Checks that reading by event_id gives the same conversion as the list.
async fn check_by_event_id(
    client: &mut Client,
    journal: &Journal,
    kept: &BTreeMap<String, Vec<pb::Conversion>>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let acknowledged = journal.acknowledged().step_by(READ_ONE_IN).map(|(order, _)| order);
    for order in acknowledged.chain(journal.unknown().take(UNKNOWN_READ_MAX)) {
        let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: order.event_id.clone() };
        let selector = Some(pb::conversion_selector::Selector::RecordedEvent(event));
        // As in the list, without candidates.
        let request = pb::GetConversionRequest {
            conversion: Some(pb::ConversionSelector { selector }),
            view: pb::ConversionView::Basic.into(),
        };
        let read = match client.tracking.get_conversion(request).await {
            Ok(answer) => answer.into_inner().conversion,
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => return Err(status.into()),
        };
        let listed = kept.get(&order.event_id).and_then(|kept| kept.first());
        if read.as_ref() != listed {
            findings.fault(format!("{} is read as {read:?} and listed as {listed:?}", order.event_id));
        }
    }
    Ok(())
}

/// Checks that WatchConversions returns exactly the feed's events about conversions, in the same order. Checks the same for
/// ReadEvents with a filter and a wait.
pub(crate) async fn check_other_readings(
    client: &mut Client,
    events: &[pb::Event],
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let expected: Vec<pb::Event> = events.iter().filter(|event| feed::is_about_conversion(event)).cloned().collect();
    let watched = feed::watch_conversions(client, feed::beginning()).await?;
    findings.compare_events("WatchConversions", &watched, &expected);
    let kinds = feed::ABOUT_CONVERSIONS.map(i32::from).to_vec();
    let filter = pb::EventFilter { kinds, ..pb::EventFilter::default() };
    let (polled, _) = feed::read(client, feed::beginning(), Some(filter), Some(1)).await?;
    findings.compare_events("the filtered long poll", &polled, &expected);
    Ok(())
}

fn recorded_sale(event: &pb::Event) -> Option<&pb::Conversion> {
    match &event.subject {
        Some(pb::event::Subject::Conversion(conversion)) if event.kind() == pb::EventKind::SaleRecorded => {
            Some(conversion)
        }
        _ => None,
    }
}

/// Calls VerifyLedger. Waits while those of other accounts run, because a server carries out two at once.
pub(crate) async fn verify(client: &mut Client) -> Result<pb::VerifyLedgerResponse, Status> {
    loop {
        match client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await {
            Err(status) if status.code() == Code::ResourceExhausted => tokio::time::sleep(RETRY_DELAY).await,
            answer => return answer.map(Response::into_inner),
        }
    }
}

/// Checks that the ledger verifies, and that each affiliate has earned the commission on its sales.
async fn check_books(
    client: &mut Client,
    shop: &Shop,
    journal: &Journal,
    kept: &BTreeMap<String, Vec<pb::Conversion>>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let report = verify(client).await?;
    findings.is_ledger_verified = report.ok;
    for difference in report.differences {
        findings.fault(difference);
    }
    let mut expected = vec![0; shop.affiliate_ids.len()];
    for order in kept.keys().filter_map(|event_id| journal.entries.get(event_id)).map(|entry| &entry.order) {
        if let Some(sum) = expected.get_mut(order.affiliate) {
            *sum += order.reward_minor();
        }
    }
    for (affiliate_id, expected) in shop.affiliate_ids.iter().zip(expected) {
        let selector = Some(pb::affiliate_selector::Selector::Id(affiliate_id.clone()));
        let request =
            pb::GetBalanceRequest { affiliate: Some(pb::AffiliateSelector { selector }), ..Default::default() };
        let balances = client.rewards.get_balance(request).await?.into_inner().balances;
        let earned: i64 = balances.iter().map(|balance| value::minor(balance.earned.as_ref())).sum();
        if earned != expected {
            findings.is_ledger_verified = false;
            findings.fault(format!("{affiliate_id} has earned {earned}, and its sales come to {expected}"));
        }
    }
    Ok(())
}

/// Every sale of the account.
pub(crate) async fn sales(client: &mut Client) -> anyhow::Result<Vec<pb::Conversion>> {
    let mut kept = Vec::new();
    let mut page_token = String::new();
    loop {
        let kinds = vec![pb::ConversionKind::Sale.into()];
        let request =
            pb::ListConversionsRequest { page_size: 1_000, page_token, kinds, ..pb::ListConversionsRequest::default() };
        let page = client.tracking.list_conversions(request).await?.into_inner();
        kept.extend(page.conversions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(kept);
        }
    }
}

/// The feed from its beginning.
pub(crate) async fn feed(client: &mut Client) -> anyhow::Result<Vec<pb::Event>> {
    let (events, _) = feed::read(client, feed::beginning(), None, None).await?;
    Ok(events)
}
