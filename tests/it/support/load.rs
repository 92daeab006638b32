//! Several clients record sales and a follower reads the feed while the server fails. Then the invariants are checked. Knows the
//! promises to the clients, not how the server is made to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use headwater::pb;
use pb::watch_events_response::Content;
use testkit::client::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::{Code, Response, Status};

use crate::support::feed::{conversion_of, from_beginning, from_cursor};

/// How many sales are in a batch, for the clients that send batches.
const BATCH_LENGTH: usize = 20;

/// A time limit. Everything takes far less time, even on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server's current address, the key to call it with, and the progress of the load.
#[derive(Clone)]
struct Target {
    address: watch::Receiver<String>,
    key: String,
    is_over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
}

impl Target {
    /// A client of the server, once it is up.
    async fn connect(&self) -> Client {
        loop {
            let address = self.address.borrow().clone();
            if let Ok(client) = Client::connect(&address, &self.key).await {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How a client treats a sale that was not answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// Retries it until it is answered.
    Repeat,
    /// Retries every second one and abandons the others.
    RepeatSome,
}

/// One client's record of the sales that it sent.
#[derive(Default)]
pub(crate) struct Journal {
    /// The conversion in the answer, by event_id.
    pub(crate) acknowledged: BTreeMap<String, String>,
    /// How many answers were replays, because an earlier answer was lost.
    pub(crate) replayed: usize,
    /// Sales that were sent and not answered, so they may have happened or not.
    unknown: BTreeSet<String>,
    /// The errors of failed calls.
    pub(crate) failures: Vec<Status>,
}

/// Clients that record sales and one that follows the feed, until they are stopped.
pub(crate) struct Load {
    target: Target,
    up: watch::Sender<String>,
    /// The last sequence that the follower must reach, set once it is known.
    last_sequence: watch::Sender<Option<i64>>,
    sellers: Vec<JoinHandle<Journal>>,
    follower: JoinHandle<Vec<pb::Event>>,
}

/// The checked state at the end.
pub(crate) struct Ended {
    pub(crate) journals: Vec<Journal>,
    pub(crate) sale_count: i64,
    pub(crate) entry_count: i64,
}

impl Load {
    /// Starts the load with a key of the account on the server at this address.
    pub(crate) fn start(address: &str, key: &str, clients: usize, unanswered: Unanswered) -> Self {
        let (up, address) = watch::channel(address.to_owned());
        let (last_sequence, until) = watch::channel(None);
        let target = Target { address, key: key.to_owned(), is_over: Arc::default(), acknowledged: Arc::default() };
        let sellers = (0..clients).map(|number| tokio::spawn(sell(target.clone(), number, unanswered))).collect();
        let follower = tokio::spawn(follow(target.clone(), until));
        Self { target, up, last_sequence, sellers, follower }
    }

    /// Sets the server's new address.
    pub(crate) fn moved_to(&self, address: &str) {
        self.up.send_replace(address.to_owned());
    }

    /// Waits until this many more sales were acknowledged.
    pub(crate) async fn go_on_for(&self, sales: usize) {
        let enough = self.target.acknowledged.load(Ordering::SeqCst) + sales;
        let wait = async {
            while self.target.acknowledged.load(Ordering::SeqCst) < enough {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("sales are acknowledged");
    }

    /// Stops the load on a working server and checks every invariant.
    pub(crate) async fn end(self) -> Ended {
        self.target.is_over.store(true, Ordering::SeqCst);
        let mut journals = Vec::new();
        for seller in self.sellers {
            journals.push(tokio::time::timeout(PATIENCE, seller).await.expect("the sellers end").unwrap());
        }
        let client = self.target.connect().await;
        let events = all_events(&client).await;
        self.last_sequence.send_replace(Some(events.last().map_or(0, |event| event.sequence)));
        let followed = tokio::time::timeout(PATIENCE, self.follower).await.expect("the follower reaches the end");
        check(client, journals, events, &followed.unwrap()).await
    }
}

fn sale(event_id: &str) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

/// Records sales until the load is stopped.
async fn sell(target: Target, client_number: usize, unanswered: Unanswered) -> Journal {
    let mut journal = Journal::default();
    let mut client = target.connect().await;
    let mut number = 0;
    let sends_batches = client_number % 4 == 3;
    while !target.is_over.load(Ordering::SeqCst) {
        let length = if sends_batches { BATCH_LENGTH } else { 1 };
        let event_ids: Vec<String> = (0..length).map(|item| format!("sale-{client_number}-{number}-{item}")).collect();
        let repeats = unanswered == Unanswered::Repeat || number % 2 == 0;
        number += 1;
        journal.unknown.extend(event_ids.iter().cloned());
        loop {
            match record(&mut client, &event_ids).await {
                Ok(answers) => {
                    target.acknowledged.fetch_add(answers.len(), Ordering::SeqCst);
                    for (event_id, answer) in event_ids.iter().zip(answers) {
                        journal.unknown.remove(event_id);
                        journal.replayed += usize::from(answer.replayed);
                        journal.acknowledged.insert(event_id.clone(), answer.conversion_id);
                    }
                    break;
                }
                Err(status) => {
                    journal.failures.push(status);
                    client = target.connect().await;
                    if !repeats {
                        break;
                    }
                }
            }
        }
    }
    journal
}

/// Records the sales, one by one or as a batch.
async fn record(client: &mut Client, event_ids: &[String]) -> Result<Vec<pb::RecordSaleResponse>, Status> {
    use pb::batch_result::Answer as Recorded;
    if let [event_id] = event_ids {
        return Ok(vec![client.tracking.record_sale(sale(event_id)).await?.into_inner()]);
    }
    let item = |event_id: &String| pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale(event_id))) };
    let request = pb::BatchRecordEventsRequest { items: event_ids.iter().map(item).collect() };
    let results = client.tracking.batch_record_events(request).await?.into_inner().results;
    assert_eq!(results.len(), event_ids.len());
    results
        .into_iter()
        .map(|result| match result.answer.unwrap() {
            Recorded::Sale(sale) => Ok(sale),
            // If a batch could not be committed, each of its items has the batch's error.
            Recorded::Error(status) => Err(as_status(&status)),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "a status from inside a batch, as the single call would have had it")]
fn as_status(status: &tonic_types::Status) -> Status {
    let details = prost::Message::encode_to_vec(status);
    Status::with_details(Code::from_i32(status.code), status.message.clone(), details.into())
}

/// Follows the feed from its beginning through every failure, up to the last sequence.
async fn follow(target: Target, mut until: watch::Receiver<Option<i64>>) -> Vec<pb::Event> {
    let mut seen: Vec<pb::Event> = Vec::new();
    let mut cursor = None;
    let is_done = |seen: &[pb::Event], until: Option<i64>| {
        until.is_some_and(|last| last <= seen.last().map_or(0, |event| event.sequence))
    };
    loop {
        let mut client = target.connect().await;
        let start = cursor.clone().map_or_else(from_beginning, from_cursor);
        let request = pb::WatchEventsRequest { start: Some(start), ..pb::WatchEventsRequest::default() };
        let Ok(stream) = client.feed.watch_events(request).await else { continue };
        let mut stream = stream.into_inner();
        loop {
            if is_done(&seen, *until.borrow_and_update()) {
                return seen;
            }
            let next = tokio::select! {
                next = stream.message() => next,
                _ = until.changed() => continue,
            };
            let Ok(Some(message)) = next else { break };
            if let Some(Content::Batch(batch)) = message.content {
                seen.extend(batch.events);
            }
            cursor = Some(message.cursor);
        }
    }
}

async fn check(client: Client, journals: Vec<Journal>, events: Vec<pb::Event>, followed: &[pb::Event]) -> Ended {
    let kept = conversions(&client).await;
    let mut by_event: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for conversion in &kept {
        by_event.entry(&conversion.event_id).or_default().push(&conversion.id);
    }
    for journal in &journals {
        for (event_id, conversion_id) in &journal.acknowledged {
            let found = by_event.remove(event_id.as_str());
            assert_eq!(found, Some(vec![conversion_id.as_str()]), "{event_id} was acknowledged");
        }
        for event_id in &journal.unknown {
            let count = by_event.remove(event_id.as_str()).map_or(0, |ids| ids.len());
            assert!(count <= 1, "{event_id} was sent once and is there {count} times");
        }
    }
    assert!(by_event.is_empty(), "nobody sent {by_event:?}");

    // The feed must be the same whether it was followed through the failures or read at the end, without a gap or a repeat.
    for (place, event) in (1..).zip(&events) {
        assert_eq!(event.sequence, place);
    }
    // The upkeep may have added events since these were read.
    assert!(followed.len() >= events.len(), "{} of {} events were followed", followed.len(), events.len());
    assert!(followed[..events.len()] == events, "the feed that was followed is another one");
    let recorded: Vec<&str> = events
        .iter()
        .filter(|event| event.kind() == pb::EventKind::SaleRecorded)
        .map(|event| conversion_of(event).unwrap().id.as_str())
        .collect();
    let told: BTreeSet<&str> = recorded.iter().copied().collect();
    let ids: BTreeSet<&str> = kept.iter().map(|conversion| conversion.id.as_str()).collect();
    assert_eq!((recorded.len(), told), (ids.len(), ids), "each conversion is told once");

    let report = patiently(async || client.rewards.clone().verify_ledger(pb::VerifyLedgerRequest {}).await).await;
    assert!(report.ok, "{:?}", report.differences);
    let sale_count = i64::try_from(kept.len()).unwrap();
    assert_eq!(report.reward_count, sale_count);
    Ended { journals, sale_count, entry_count: report.entry_count }
}

/// Reads, and retries while the server is UNAVAILABLE, as every client should. A cut connection is noticed only at its next use,
/// and the pool has several.
async fn patiently<T>(read: impl AsyncFn() -> Result<Response<T>, Status>) -> T {
    const TRIES_MAX: u32 = 20;
    for _ in 1..TRIES_MAX {
        match read().await {
            Err(status) if status.code() == Code::Unavailable => tokio::time::sleep(Duration::from_millis(50)).await,
            answer => return answer.unwrap().into_inner(),
        }
    }
    read().await.unwrap().into_inner()
}

async fn conversions(client: &Client) -> Vec<pb::Conversion> {
    let mut kept = Vec::new();
    let mut page_token = String::new();
    loop {
        let request =
            pb::ListConversionsRequest { page_size: 1_000, page_token, ..pb::ListConversionsRequest::default() };
        let page = patiently(async || client.tracking.clone().list_conversions(request.clone()).await).await;
        kept.extend(page.conversions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return kept;
        }
    }
}

async fn all_events(client: &Client) -> Vec<pb::Event> {
    let mut events = Vec::new();
    let mut start = from_beginning();
    loop {
        let request =
            pb::ReadEventsRequest { start: Some(start), page_size: 1_000, ..pb::ReadEventsRequest::default() };
        let page = patiently(async || client.feed.clone().read_events(request.clone()).await).await;
        if page.events.is_empty() {
            return events;
        }
        events.extend(page.events);
        start = from_cursor(page.next_cursor);
    }
}
