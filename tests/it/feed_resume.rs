//! A consumer of each call of the feed is killed repeatedly. It resumes from its cursor, and misses and repeats no event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headwater::pb;
use testkit::client::Client;
use tonic::{Status, Streaming};

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::{conversion_of, from_beginning, from_cursor};
use crate::support::server::TestServer;
use crate::support::shop::Shop;

const WRITERS: usize = 4;
const SALES_PER_WRITER: usize = 600;

/// How often each consumer is killed at least.
const KILLS: usize = 60;

/// How long a consumer waits for a message before it is killed.
const PATIENCE: Duration = Duration::from_millis(300);

/// A call that reads the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    WatchEvents,
    WatchConversions,
    ReadEvents,
}

/// The content of a message: its cursor, and its events if it has any.
type Told = (String, Vec<pb::Event>);

/// An open reader of one of the calls.
enum Reader {
    Events(Streaming<pb::WatchEventsResponse>),
    Conversions(Streaming<pb::WatchConversionsResponse>),
    /// Each read is a call of its own.
    Pages(Box<Client>, pb::FeedStart),
}

impl Reader {
    async fn open(call: Call, mut client: Client, start: pb::FeedStart) -> Result<Self, Status> {
        let started = Some(start.clone());
        Ok(match call {
            Call::WatchEvents => {
                let request = pb::WatchEventsRequest { start: started, ..Default::default() };
                Self::Events(client.feed.watch_events(request).await?.into_inner())
            }
            Call::WatchConversions => {
                let request = pb::WatchConversionsRequest { start: started, ..Default::default() };
                Self::Conversions(client.tracking.watch_conversions(request).await?.into_inner())
            }
            Call::ReadEvents => Self::Pages(Box::new(client), start),
        })
    }

    async fn next(&mut self) -> Result<Option<Told>, Status> {
        use pb::watch_conversions_response::Content as ConversionsContent;
        use pb::watch_events_response::Content as EventsContent;
        match self {
            Self::Events(stream) => Ok(stream.message().await?.map(|message| match message.content {
                Some(EventsContent::Batch(batch)) => (message.cursor, batch.events),
                _ => (message.cursor, Vec::new()),
            })),
            Self::Conversions(stream) => Ok(stream.message().await?.map(|message| match message.content {
                Some(ConversionsContent::Batch(batch)) => (message.cursor, batch.events),
                _ => (message.cursor, Vec::new()),
            })),
            Self::Pages(client, start) => {
                let max_wait = Some(prost_types::Duration { seconds: 10, nanos: 0 });
                let request = pb::ReadEventsRequest {
                    start: Some(start.clone()),
                    page_size: 100,
                    max_wait,
                    ..Default::default()
                };
                let page = client.feed.read_events(request).await?.into_inner();
                *start = from_cursor(page.next_cursor.clone());
                Ok(Some((page.next_cursor, page.events)))
            }
        }
    }
}

/// Reads with one call. The reader is killed after a varying number of messages and continues on the next server. Ends once all
/// sales are seen.
async fn consume(call: Call, addresses: Vec<String>, key: String, is_written: Arc<AtomicBool>) -> Vec<pb::Event> {
    let mut cursor = None;
    let mut seen: Vec<pb::Event> = Vec::new();
    let is_sale = |event: &&pb::Event| event.kind() == pb::EventKind::SaleRecorded;
    let mut kills = 0;
    while kills < KILLS
        || !is_written.load(Ordering::Acquire)
        || seen.iter().filter(is_sale).count() < WRITERS * SALES_PER_WRITER
    {
        let client = Client::connect(&addresses[kills % addresses.len()], &key).await.unwrap();
        let start = cursor.clone().map_or_else(from_beginning, from_cursor);
        let mut reader = Reader::open(call, client, start).await.unwrap();
        for _ in 0..=kills % 4 {
            let Ok(told) = tokio::time::timeout(PATIENCE, reader.next()).await else { break };
            let (reached, events) = told.unwrap().unwrap();
            if let Some(last) = events.last() {
                assert_eq!(last.cursor, reached, "{call:?}");
            }
            seen.extend(events);
            cursor = Some(reached);
        }
        kills += 1;
    }
    seen
}

db_test!(consumers_killed_again_and_again_miss_nothing_and_repeat_nothing, |database: TestDatabase| async move {
    let first = TestServer::start(&database).await;
    let shop = Shop::open(&first, "shop").await;
    // On PostgreSQL two servers write and serve the feed; on SQLite one.
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    let addresses: Vec<String> = std::iter::once(&first).chain(&second).map(|server| server.address.clone()).collect();
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let address = addresses[writer % addresses.len()].clone();
        let key = shop.client.key.clone();
        writers.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            for number in 0..SALES_PER_WRITER {
                let sale = pb::RecordSaleRequest {
                    event_id: format!("sale-{writer}-{number}"),
                    coupon_code: "ANN".to_owned(),
                    amount: Some(pb::Money { amount_minor: 100, currency_code: "USD".to_owned() }),
                    ..pb::RecordSaleRequest::default()
                };
                let sale = client.tracking.record_sale(sale).await.unwrap().into_inner();
                if number % 10 == 0 {
                    let reward_ids = vec![sale.rewards[0].reward_id.clone()];
                    let approve = pb::ApproveRewardsRequest { reward_ids, ..Default::default() };
                    client.rewards.approve_rewards(approve).await.unwrap();
                }
                // The pause lets the consumers be killed many times before the writes end.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }));
    }
    let is_written = Arc::new(AtomicBool::new(false));
    let consumers = [Call::WatchEvents, Call::WatchConversions, Call::ReadEvents]
        .map(|call| tokio::spawn(consume(call, addresses.clone(), shop.client.key.clone(), Arc::clone(&is_written))));
    for writer in writers {
        writer.await.unwrap();
    }
    is_written.store(true, Ordering::Release);
    let [events, conversions, pages] = consumers;
    let (events, conversions, pages) = (events.await.unwrap(), conversions.await.unwrap(), pages.await.unwrap());

    for (place, event) in (1..).zip(&events) {
        assert_eq!(event.sequence, place, "in order, without gap or repeat");
        assert!(event.subject.is_some(), "{event:?}");
    }
    assert_eq!(events[0].kind(), pb::EventKind::AccountRegistered);
    assert!(conversion_of(&conversions[0]).is_some(), "the first event of WatchConversions is about a conversion");
    // Consumers stop as soon as they have seen all sales, which may be before the last approval.
    let expected: Vec<_> = events.iter().filter(|event| conversion_of(event).is_some()).cloned().collect();
    let common = expected.len().min(conversions.len());
    assert!(common >= WRITERS * SALES_PER_WRITER);
    assert!(conversions[..common] == expected[..common], "WatchConversions is the same feed without other subjects");
    assert!(conversions.iter().all(|event| conversion_of(event).is_some()));
    let common = events.len().min(pages.len());
    assert!(pages[..common] == events[..common], "ReadEvents is the same feed");

    // Each cursor works for each call.
    for (call, start) in [
        (Call::WatchEvents, &conversions[10]),
        (Call::WatchConversions, &events[10]),
        (Call::ReadEvents, &conversions[10]),
    ] {
        let mut reader = Reader::open(call, shop.client.clone(), from_cursor(start.cursor.clone())).await.unwrap();
        let next = loop {
            let (_, batch) = reader.next().await.unwrap().unwrap();
            if let Some(event) = batch.into_iter().next() {
                break event;
            }
        };
        let is_after = |event: &&pb::Event| event.sequence > start.sequence;
        let about_conversions = |event: &&pb::Event| call != Call::WatchConversions || conversion_of(event).is_some();
        assert_eq!(Some(&next), events.iter().filter(is_after).find(about_conversions), "{call:?}");
    }
});
