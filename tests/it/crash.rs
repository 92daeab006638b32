//! What a crash costs: nothing that was acknowledged, nothing twice, and no gap in the feed. The real binary under load, killed
//! again and again; and a database that cuts the connections under a server that stays up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headwater::{clock, pb};
use pb::list_conversion_events_request::Start as ListStart;
use pb::watch_conversions_request::Start;
use pb::watch_conversions_response::Message;
use tempfile::TempDir;
use tokio::sync::watch;
use tonic::{Code, Status};

use crate::support::binary::Serving;
use crate::support::database::TestDatabase;
use crate::support::server::{TestClient, TestServer};
use crate::support::shop::Shop;

const CLIENTS: usize = 8;
const KILLS: usize = 5;
/// How long the server lives on average between two kills.
const LIFE: Duration = Duration::from_millis(700);
/// How many sales the clients that send batches send at once.
const BATCH_LENGTH: usize = 20;

/// Where the server is at present, and the key to call it with.
#[derive(Clone)]
struct Target {
    address: watch::Receiver<String>,
    key: String,
    is_over: Arc<AtomicBool>,
}

impl Target {
    /// A client of the server that is up, or will be soon.
    async fn connect(&self) -> TestClient {
        loop {
            let address = self.address.borrow().clone();
            if let Ok(client) = TestClient::try_connect(&address, &self.key).await {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What one client knows of the sales that it sent.
#[derive(Default)]
struct Journal {
    /// By event_id, the conversion that was answered.
    acknowledged: BTreeMap<String, String>,
    /// Sent and not answered: they may have happened or not.
    unknown: BTreeSet<String>,
    /// What was answered to calls that failed.
    failures: Vec<Status>,
}

fn sale(event_id: &str) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

/// Sells until it is over. Of the sales that were not answered it repeats every second one, and gives up the others.
async fn sell(target: Target, client_number: usize) -> Journal {
    let mut journal = Journal::default();
    let mut client = target.connect().await;
    let mut number = 0;
    let sends_batches = client_number % 4 == 3;
    while !target.is_over.load(Ordering::SeqCst) {
        let length = if sends_batches { BATCH_LENGTH } else { 1 };
        let event_ids: Vec<String> = (0..length).map(|item| format!("sale-{client_number}-{number}-{item}")).collect();
        let repeats = number % 2 == 0;
        number += 1;
        journal.unknown.extend(event_ids.iter().cloned());
        loop {
            match record(&mut client, &event_ids).await {
                Ok(conversion_ids) => {
                    for (event_id, conversion_id) in event_ids.iter().zip(conversion_ids) {
                        journal.unknown.remove(event_id);
                        journal.acknowledged.insert(event_id.clone(), conversion_id);
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

/// Records the sales, alone or as a batch, and gives their conversions' ids.
async fn record(client: &mut TestClient, event_ids: &[String]) -> Result<Vec<String>, Status> {
    use pb::record_result::Result as Recorded;
    if let [event_id] = event_ids {
        let answer = client.tracking.record_sale(sale(event_id)).await?;
        return Ok(vec![answer.into_inner().conversion_id]);
    }
    let item = |event_id: &String| pb::RecordItem { item: Some(pb::record_item::Item::Sale(sale(event_id))) };
    let request = pb::BatchRecordRequest { items: event_ids.iter().map(item).collect() };
    let results = client.tracking.batch_record(request).await?.into_inner().results;
    assert_eq!(results.len(), event_ids.len());
    results
        .into_iter()
        .map(|result| match result.result.unwrap() {
            Recorded::Sale(sale) => Ok(sale.conversion_id),
            // Of a batch that could not be committed each item says so.
            Recorded::Error(status) => Err(as_status(&status)),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "a status from inside a batch, as the single call would have had it")]
fn as_status(status: &tonic_types::Status) -> Status {
    Status::new(Code::from_i32(status.code), status.message.clone())
}

/// Follows the feed from its beginning through every crash, until it is over and nothing more comes.
async fn follow(target: Target) -> Vec<pb::ConversionEvent> {
    let mut seen: Vec<pb::ConversionEvent> = Vec::new();
    let mut cursor = None;
    loop {
        let mut client = target.connect().await;
        let start = cursor.clone().map_or(Start::Beginning(()), Start::AfterCursor);
        let request = pb::WatchConversionsRequest { start: Some(start), ..pb::WatchConversionsRequest::default() };
        let Ok(stream) = client.tracking.watch_conversions(request).await else { continue };
        let mut stream = stream.into_inner();
        let mut was_over = false;
        loop {
            let Ok(next) = tokio::time::timeout(Duration::from_secs(1), stream.message()).await else {
                if was_over {
                    return seen;
                }
                was_over = target.is_over.load(Ordering::SeqCst);
                continue;
            };
            let Ok(Some(message)) = next else { break };
            if let Some(Message::Batch(batch)) = message.message {
                seen.extend(batch.events);
            }
            cursor = Some(message.cursor);
        }
    }
}

/// Everything that must be true in the end, whatever broke on the way.
async fn check(mut client: TestClient, journals: &[Journal], followed: &[pb::ConversionEvent]) {
    let kept = conversions(&mut client).await;
    let mut by_event: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for conversion in &kept {
        by_event.entry(&conversion.event_id).or_default().push(&conversion.id);
    }
    for journal in journals {
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

    // The feed: the same whether it was followed through the crashes or is read at the end; without gap or repeat.
    let events = all_events(&mut client).await;
    for (place, event) in (1..).zip(&events) {
        assert_eq!(event.sequence, place);
    }
    assert_eq!(followed.len(), events.len());
    assert!(followed == events, "the feed that was followed is another one");
    let recorded: BTreeSet<&str> = events
        .iter()
        .filter(|event| event.r#type() == pb::EventType::SaleRecorded)
        .map(|event| event.conversion.as_ref().unwrap().id.as_str())
        .collect();
    let ids: BTreeSet<&str> = kept.iter().map(|conversion| conversion.id.as_str()).collect();
    assert_eq!(recorded, ids, "each conversion is told once");

    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    let count = i64::try_from(kept.len()).unwrap();
    assert_eq!((report.reward_count, report.entry_count), (count, count));
}

async fn conversions(client: &mut TestClient) -> Vec<pb::Conversion> {
    let mut kept = Vec::new();
    let mut page_token = String::new();
    loop {
        let request =
            pb::ListConversionsRequest { page_size: 1_000, page_token, ..pb::ListConversionsRequest::default() };
        let page = client.tracking.list_conversions(request).await.unwrap().into_inner();
        kept.extend(page.conversions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return kept;
        }
    }
}

async fn all_events(client: &mut TestClient) -> Vec<pb::ConversionEvent> {
    let mut events = Vec::new();
    let mut start = ListStart::Beginning(());
    loop {
        let request = pb::ListConversionEventsRequest {
            start: Some(start),
            page_size: 1_000,
            ..pb::ListConversionEventsRequest::default()
        };
        let page = client.tracking.list_conversion_events(request).await.unwrap().into_inner();
        if page.events.is_empty() {
            return events;
        }
        events.extend(page.events);
        start = ListStart::AfterCursor(page.next_cursor);
    }
}

/// Starts the clients and the follower.
fn set_off(
    target: &Target,
) -> (Vec<tokio::task::JoinHandle<Journal>>, tokio::task::JoinHandle<Vec<pb::ConversionEvent>>) {
    let sellers = (0..CLIENTS).map(|number| tokio::spawn(sell(target.clone(), number))).collect();
    (sellers, tokio::spawn(follow(target.clone())))
}

db_test!(killed_again_and_again_it_loses_nothing_and_doubles_nothing, |database: TestDatabase| async move {
    let folder: TempDir = tempfile::Builder::new().prefix("headwater-crash-").tempdir().unwrap();
    let flags = ["--database", database.url.as_str()];
    let mut server = Serving::start(folder.path(), &flags).await;
    let operator_key = std::fs::read_to_string(folder.path().join("headwater-data/operator.key")).unwrap();
    let shop = Shop::furnish(TestClient::register(&server.url(), operator_key.trim(), "shop").await).await;
    let (up, address) = watch::channel(server.url());
    let is_over = Arc::new(AtomicBool::new(false));
    let target = Target { address, key: shop.client.key.clone(), is_over: Arc::clone(&is_over) };
    let (sellers, follower) = set_off(&target);

    for _ in 0..KILLS {
        tokio::time::sleep(clock::jitter(LIFE, 60)).await;
        server.kill().await;
        server = Serving::start(folder.path(), &flags).await;
        up.send_replace(server.url());
    }
    tokio::time::sleep(LIFE).await;
    is_over.store(true, Ordering::SeqCst);
    let mut journals = Vec::new();
    for seller in sellers {
        journals.push(seller.await.unwrap());
    }
    let followed = follower.await.unwrap();
    let failed = journals.iter().filter(|journal| !journal.failures.is_empty()).count();
    assert!(failed > CLIENTS / 2, "the kills were noticed by {failed} clients only");
    assert!(journals.iter().map(|journal| journal.acknowledged.len()).sum::<usize>() > 10 * CLIENTS);
    check(target.connect().await, &journals, &followed).await;
});

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cuts_every_connection_costs_no_sale() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let (_up, address) = watch::channel(server.address.clone());
    let is_over = Arc::new(AtomicBool::new(false));
    let target = Target { address, key: shop.client.key.clone(), is_over: Arc::clone(&is_over) };
    let (sellers, follower) = set_off(&target);
    for _ in 0..20 {
        tokio::time::sleep(clock::jitter(Duration::from_millis(150), 60)).await;
        database.cut_connections().await;
    }
    is_over.store(true, Ordering::SeqCst);
    let mut journals = Vec::new();
    for seller in sellers {
        journals.push(seller.await.unwrap());
    }
    let followed = follower.await.unwrap();
    let failures: Vec<&Status> = journals.iter().flat_map(|journal| &journal.failures).collect();
    assert!(!failures.is_empty(), "nothing was cut");
    // A caller is told to try again, not that the server is broken.
    let others: Vec<_> = failures.iter().filter(|status| status.code() != Code::Unavailable).collect();
    assert!(others.is_empty(), "{others:?}");
    check(target.connect().await, &journals, &followed).await;
}
