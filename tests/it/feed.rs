//! The feed's contract: after any failure no event is missed or repeated, and the order is the same. Where the feed cannot
//! continue, the reader gets a typed error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headwater::pb;
use headwater::pb::watch_events_response::Content;
use prost_types::Duration as ProtoDuration;
use testkit::client::Client;
use tonic::{Code, Streaming};
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::feed::{affiliates_of, conversion_of, from_beginning, from_cursor, from_latest};
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::Shop;

fn sale(event_id: String) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id,
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 100, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

fn from(start: pb::FeedStart) -> pb::WatchEventsRequest {
    pb::WatchEventsRequest { start: Some(start), ..pb::WatchEventsRequest::default() }
}

async fn watch(client: &mut Client, start: pb::FeedStart) -> Streaming<pb::WatchEventsResponse> {
    client.feed.watch_events(from(start)).await.unwrap().into_inner()
}

/// The next message; fails the test after a timeout.
async fn next(stream: &mut Streaming<pb::WatchEventsResponse>) -> pb::WatchEventsResponse {
    tokio::time::timeout(Duration::from_secs(30), stream.message()).await.unwrap().unwrap().unwrap()
}

async fn listed(client: &mut Client, request: pb::ReadEventsRequest) -> pb::ReadEventsResponse {
    client.feed.read_events(request).await.unwrap().into_inner()
}

fn list_from(start: pb::FeedStart) -> pb::ReadEventsRequest {
    pb::ReadEventsRequest { start: Some(start), page_size: 1_000, ..pb::ReadEventsRequest::default() }
}

db_test!(the_stream_opens_catches_up_and_goes_live, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    client.tracking.record_sale(sale("one".to_owned())).await.unwrap();
    let mut stream = watch(&mut client, from_beginning()).await;
    let opened = next(&mut stream).await;
    let Some(Content::Opened(opened_message)) = opened.content else { panic!("{opened:?}") };
    assert_eq!(opened.cursor, opened_message.earliest_cursor);
    assert_eq!(opened_message.heartbeat_delay.unwrap().seconds, 15);
    let Some(Content::Batch(batch)) = next(&mut stream).await.content else { panic!("a batch follows") };
    let image = conversion_of(batch.events.last().unwrap()).cloned().unwrap();
    assert_eq!((image.event_id.as_str(), image.version, image.rewards.len()), ("one", 1, 1));
    let caught_up = next(&mut stream).await;
    assert_eq!(caught_up.content, Some(Content::CaughtUp(pb::CaughtUp {})));
    assert_eq!(caught_up.cursor, opened_message.head_cursor);
    client.tracking.record_sale(sale("two".to_owned())).await.unwrap();
    let Some(Content::Batch(batch)) = next(&mut stream).await.content else { panic!("the new sale arrives") };
    assert_eq!(conversion_of(&batch.events[0]).unwrap().event_id, "two");
    // `latest` begins after all of them.
    let mut late = watch(&mut client, from_latest()).await;
    next(&mut late).await;
    assert!(matches!(next(&mut late).await.content, Some(Content::CaughtUp(_))));
    client.tracking.record_sale(sale("three".to_owned())).await.unwrap();
    let Some(Content::Batch(batch)) = next(&mut late).await.content else { panic!("the third sale arrives") };
    assert_eq!(batch.events.len(), 1);
});

db_test!(filters_narrow_and_the_cursor_moves_on_all_the_same, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let request = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        coupon_code: "BEA".to_owned(),
        ..pb::CreateAffiliateRequest::default()
    };
    let bea = client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap().id;
    for number in 0..10 {
        let code = if number % 2 == 0 { "ANN" } else { "BEA" };
        let request = pb::RecordSaleRequest { coupon_code: code.to_owned(), ..sale(format!("sale-{number}")) };
        client.tracking.record_sale(request).await.unwrap();
    }
    let beginning = from_beginning();
    let filter = pb::EventFilter {
        kinds: vec![pb::EventKind::SaleRecorded.into()],
        affiliate_ids: vec![bea],
        program_ids: vec![shop.program_id.clone()],
        ..pb::EventFilter::default()
    };
    let request = pb::ReadEventsRequest { filter: Some(filter), ..list_from(beginning) };
    let page = listed(&mut client, request.clone()).await;
    assert_eq!(page.events.len(), 5);
    let nothing = pb::EventFilter { kinds: vec![pb::EventKind::AccountUpdated.into()], ..pb::EventFilter::default() };
    let page = listed(&mut client, pb::ReadEventsRequest { filter: Some(nothing.clone()), ..request }).await;
    assert_eq!(page.events.len(), 0);
    assert_eq!(page.next_cursor, page.head_cursor, "the cursor does not wait for the filter");
    // A cursor from one filter works under another.
    client.tracking.record_sale(sale("last".to_owned())).await.unwrap();
    let after = from_cursor(page.next_cursor);
    assert_eq!(listed(&mut client, list_from(after)).await.events.len(), 1);
});

db_test!(a_reader_of_an_affiliate_learns_that_a_credit_went_away, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let request = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        coupon_code: "BEA".to_owned(),
        ..pb::CreateAffiliateRequest::default()
    };
    client.affiliates.create_affiliate(request).await.unwrap();
    let lead = |event_id: &str, code: &str, seconds_ago: i64| pb::RecordLeadRequest {
        event_id: event_id.to_owned(),
        external_id: "bob".to_owned(),
        coupon_code: code.to_owned(),
        occur_time: Some(prost_types::Timestamp { seconds: START_MICROS / 1_000_000 - seconds_ago, nanos: 0 }),
        ..pb::RecordLeadRequest::default()
    };
    client.tracking.record_lead(lead("ann", "ANN", 60)).await.unwrap();
    // A free order has no reward that would name the affiliate who lost it.
    let free = pb::Money { amount_minor: 0, currency_code: "USD".to_owned() };
    let request =
        pb::RecordSaleRequest { external_id: "bob".to_owned(), amount: Some(free), ..sale("free".to_owned()) };
    client.tracking.record_sale(request).await.unwrap();
    let (before, _) = followed(&mut client, from(from_beginning())).await;
    client.tracking.record_lead(lead("bea", "BEA", 3_600)).await.unwrap();
    let filter = pb::EventFilter { affiliate_ids: vec![shop.affiliate_id.clone()], ..pb::EventFilter::default() };
    let after = from_cursor(before.last().unwrap().cursor.clone());
    let page = listed(&mut client, pb::ReadEventsRequest { filter: Some(filter), ..list_from(after) }).await;
    let kinds: Vec<_> = page.events.iter().map(pb::Event::kind).collect();
    assert_eq!(kinds, [pb::EventKind::LeadUpdated, pb::EventKind::ConversionUpdated, pb::EventKind::SaleAttributed]);
});

/// All events of a stream until it has caught up, and the sizes of its messages.
async fn followed(client: &mut Client, request: pb::WatchEventsRequest) -> (Vec<pb::Event>, Vec<usize>) {
    let mut stream = client.feed.watch_events(request).await.unwrap().into_inner();
    let (mut events, mut sizes) = (Vec::new(), Vec::new());
    loop {
        match next(&mut stream).await.content {
            Some(Content::Batch(batch)) => {
                sizes.push(batch.events.len());
                events.extend(batch.events);
            }
            Some(Content::CaughtUp(_)) => return (events, sizes),
            _ => {}
        }
    }
}

db_test!(any_filter_from_any_cursor_narrows_the_same_feed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let request = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        coupon_code: "BEA".to_owned(),
        ..pb::CreateAffiliateRequest::default()
    };
    let bea = client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap().id;
    // Long segments that mix the events of both accounts, with short segments between them.
    for round in 0..6 {
        let items = (0..400).map(|number| {
            let code = if number % 3 == 0 { "ANN" } else { "BEA" };
            let sale = pb::RecordSaleRequest { coupon_code: code.to_owned(), ..sale(format!("sale-{round}-{number}")) };
            pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale)) }
        });
        client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items: items.collect() }).await.unwrap();
        client.tracking.record_sale(sale(format!("single-{round}"))).await.unwrap();
    }
    let (all, _) = followed(&mut client, from(from_beginning())).await;
    for (place, event) in (1..).zip(&all) {
        assert_eq!(event.sequence, place);
    }
    // There are several pages, so that some are read ahead.
    assert!(all.len() > 2_400, "{}", all.len());
    let of_bea = pb::EventFilter { affiliate_ids: vec![bea], ..pb::EventFilter::default() };
    let sales = pb::EventFilter { kinds: vec![pb::EventKind::SaleRecorded.into()], ..pb::EventFilter::default() };
    for filter in [pb::EventFilter::default(), of_bea, sales] {
        let fits = |event: &&pb::Event| {
            (filter.affiliate_ids.is_empty()
                || affiliates_of(event).iter().any(|id| filter.affiliate_ids.contains(&(*id).to_owned())))
                && (filter.kinds.is_empty() || filter.kinds.contains(&event.kind))
        };
        // A reader may also start in the middle of a segment.
        for (skipped, max_batch_size) in [(0, 0), (7, 1_000), (250, 7), (all.len() - 2, 1)] {
            let start = if skipped == 0 { from_beginning() } else { from_cursor(all[skipped - 1].cursor.clone()) };
            let expected: Vec<_> = all[skipped..].iter().filter(fits).cloned().collect();
            let filter = Some(filter.clone());
            let request = pb::WatchEventsRequest { filter, max_batch_size, ..from(start) };
            let (events, sizes) = followed(&mut client, request).await;
            assert!(events == expected, "after {skipped}: {} of {}", events.len(), expected.len());
            let size_max = if max_batch_size == 0 { 100 } else { usize::try_from(max_batch_size).unwrap() };
            assert!(sizes.iter().all(|size| (1..=size_max).contains(size)), "{sizes:?}");
        }
    }
});

db_test!(live_and_catching_up_followers_get_the_same_events, |database: TestDatabase| async move {
    const FOLLOWERS: usize = 20;
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let (before, _) = followed(&mut client, from(from_beginning())).await;
    let mut writers = Vec::new();
    for writer in 0..4 {
        let mut client = shop.client.clone();
        writers.push(tokio::spawn(async move {
            for number in 0..100 {
                client.tracking.record_sale(sale(format!("sale-{writer}-{number}"))).await.unwrap();
            }
        }));
    }
    let mut followers = Vec::new();
    for follower in 0..FOLLOWERS {
        let mut client = shop.client.clone();
        let (beginning, total) = (before.clone(), before.len() + 400);
        followers.push(tokio::spawn(async move {
            // Some begin at the beginning, some after the events that were already there.
            let (start, mut events) = match follower % 2 {
                0 => (from_beginning(), Vec::new()),
                _ => (from_cursor(beginning.last().unwrap().cursor.clone()), beginning),
            };
            let mut stream = watch(&mut client, start).await;
            while events.len() < total {
                if let Some(Content::Batch(batch)) = next(&mut stream).await.content {
                    events.extend(batch.events);
                }
            }
            events
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let (all, _) = followed(&mut client, from(from_beginning())).await;
    for follower in followers {
        assert!(follower.await.unwrap() == all, "every reader sees the same");
    }
});

db_test!(an_idle_stream_sends_heartbeats, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let request = pb::WatchEventsRequest {
        start: Some(from_latest()),
        // The server uses 5 seconds, the minimum.
        heartbeat_delay: Some(ProtoDuration { seconds: 1, nanos: 0 }),
        ..pb::WatchEventsRequest::default()
    };
    let mut stream = client.feed.watch_events(request).await.unwrap().into_inner();
    let opened = next(&mut stream).await;
    let Some(Content::Opened(opened_message)) = &opened.content else { panic!("{opened:?}") };
    assert_eq!(opened_message.heartbeat_delay.unwrap().seconds, 5);
    next(&mut stream).await;
    let heartbeat = next(&mut stream).await;
    let Some(Content::Heartbeat(message)) = heartbeat.content else { panic!("{heartbeat:?}") };
    assert_eq!(message.lag_event_count, 0);
    assert_eq!(heartbeat.cursor, opened.cursor);
});

db_test!(long_poll_waits_for_news, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let latest = from_latest();
    let cursor = listed(&mut client, list_from(latest)).await.next_cursor;
    let mut waiting_client = shop.client.clone();
    let waiting = tokio::spawn(async move {
        let after = from_cursor(cursor);
        let max_wait = Some(ProtoDuration { seconds: 30, nanos: 0 });
        listed(&mut waiting_client, pb::ReadEventsRequest { max_wait, ..list_from(after) }).await
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    client.tracking.record_sale(sale("news".to_owned())).await.unwrap();
    let page = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    assert_eq!(page.events.len(), 1);
});

db_test!(cursors_that_cannot_be_served_say_why, |database: TestDatabase| async move {
    let server =
        TestServer::start_with(&database, &["--event-retention-days", "30", "--upkeep-interval-seconds", "1"]).await;
    let shop = Shop::open(&server, "shop").await;
    let stranger = Shop::open(&server, "stranger").await;
    let mut client = shop.client.clone();
    let latest = from_latest();
    let foreign = listed(&mut stranger.client.clone(), list_from(latest)).await.next_cursor;
    let old = listed(&mut client, list_from(from_beginning())).await.events[0].cursor.clone();

    for (cursor, code, expected) in [
        ("nonsense".to_owned(), Code::InvalidArgument, "CURSOR_MALFORMED"),
        (foreign, Code::InvalidArgument, "CURSOR_FOREIGN"),
    ] {
        let start = Some(from_cursor(cursor));
        let request = pb::WatchEventsRequest { start, ..pb::WatchEventsRequest::default() };
        let status = client.feed.watch_events(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
    }
    let status = client.feed.watch_events(pb::WatchEventsRequest::default()).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_FIELDS", "no start is no start at zero");

    // A month later the early events are gone. The reader gets an error instead of a jump.
    server.clock.advance_days(31);
    let expired = loop {
        let start = Some(from_cursor(old.clone()));
        let request = pb::WatchEventsRequest { start, ..pb::WatchEventsRequest::default() };
        match client.feed.watch_events(request).await {
            Err(status) => break status,
            Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    assert_eq!((expired.code(), reason(&expired).as_str()), (Code::OutOfRange, "CURSOR_EXPIRED"));
    let earliest = expired.get_error_details().error_info().unwrap().metadata["earliest_cursor"].clone();
    client.tracking.record_sale(sale("new".to_owned())).await.unwrap();
    let after = from_cursor(earliest);
    let page = listed(&mut client, list_from(after)).await;
    assert_eq!(page.events.len(), 1);
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

db_test!(streams_have_a_maximum_age_and_a_limit_per_key, |database: TestDatabase| async move {
    let flags = ["--feed-stream-age-seconds", "1", "--feed-streams-per-key-max", "2"];
    let server = TestServer::start_with(&database, &flags).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let mut one = watch(&mut client, from_latest()).await;
    let _two = watch(&mut client, from_latest()).await;
    let request = pb::WatchEventsRequest { start: Some(from_latest()), ..pb::WatchEventsRequest::default() };
    let status = client.feed.watch_events(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "TOO_MANY_STREAMS"));
    let mut last = next(&mut one).await;
    while let Some(message) = tokio::time::timeout(Duration::from_secs(30), one.message()).await.unwrap().unwrap() {
        last = message;
    }
    let Some(Content::Draining(draining)) = last.content else { panic!("`draining` comes before OK: {last:?}") };
    assert_eq!(draining.reason(), pb::DrainReason::MaxAge);
});

db_test!(a_stopping_server_ends_streams_with_draining, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let mut stream = watch(&mut client, from_latest()).await;
    next(&mut stream).await;
    let stopping = tokio::spawn(server.server.stop());
    let mut last = next(&mut stream).await;
    while let Some(message) = tokio::time::timeout(Duration::from_secs(30), stream.message()).await.unwrap().unwrap() {
        last = message;
    }
    let Some(Content::Draining(draining)) = last.content else { panic!("`draining` comes before OK: {last:?}") };
    assert_eq!(draining.reason(), pb::DrainReason::Shutdown);
    drop((client, stream, shop));
    tokio::time::timeout(Duration::from_secs(30), stopping).await.unwrap().unwrap();
});

db_test!(a_slow_consumer_is_ended_and_others_go_on, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--feed-stall-seconds", "1"]).await;
    let shop = Shop::open(&server, "shop").await;
    // Long texts soon fill the reader's window.
    let stop = Arc::new(AtomicBool::new(false));
    let mut stalled_client = Client::connect(&server.address, &shop.client.key).await.unwrap();
    let mut stalled = watch(&mut stalled_client, from_beginning()).await;
    let writer = {
        let (mut client, stop) = (shop.client.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let items = (0..500).map(|_| {
                    number += 1;
                    let filler = "x".repeat(100);
                    let sale = pb::RecordSaleRequest {
                        order_id: filler.clone(),
                        order_number: filler.clone(),
                        plan: filler,
                        ..sale(format!("sale-{number}"))
                    };
                    pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale)) }
                });
                let request = pb::BatchRecordEventsRequest { items: items.collect() };
                client.tracking.batch_record_events(request).await.unwrap();
            }
            number
        })
    };
    // A second reader that does read is not disturbed.
    let mut lively_client = Client::connect(&server.address, &shop.client.key).await.unwrap();
    let mut lively = watch(&mut lively_client, from_beginning()).await;
    let mut place = 0;
    while place < 6_000 {
        if let Some(Content::Batch(batch)) = next(&mut lively).await.content {
            for event in batch.events {
                place += 1;
                assert_eq!(event.sequence, place);
            }
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    // The reader still gets the messages that were sent. Then it gets the typed error with the cursor to resume from.
    let mut seen = 0;
    let status = loop {
        match stalled.message().await {
            Ok(Some(message)) => {
                if let Some(Content::Batch(batch)) = message.content {
                    seen = batch.events.last().unwrap().sequence;
                }
            }
            Ok(None) => panic!("a stalled stream does not end with OK"),
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "SLOW_CONSUMER"));
    let last_cursor = status.get_error_details().error_info().unwrap().metadata["last_cursor"].clone();
    let mut stream = watch(&mut stalled_client, from_cursor(last_cursor)).await;
    loop {
        if let Some(Content::Batch(batch)) = next(&mut stream).await.content {
            assert_eq!(batch.events[0].sequence, seen + 1, "it goes on where it stopped");
            break;
        }
    }
});

db_test!(commit_times_never_go_back_wherever_the_clock_goes, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    for (number, days) in [3, -2, 1].into_iter().enumerate() {
        server.clock.advance_days(days);
        client.tracking.record_sale(sale(format!("sale-{number}"))).await.unwrap();
    }
    // The clock is behind after a restart.
    server.server.run_until(std::future::ready(()), None).await.unwrap();
    let server = TestServer::start(&database).await;
    let mut client = Client::connect(&server.address, &client.key).await.unwrap();
    client.tracking.record_sale(sale("sale-after-the-restart".to_owned())).await.unwrap();
    let beginning = from_beginning();
    let events = listed(&mut client, list_from(beginning)).await.events;
    let times: Vec<i64> = events.iter().map(|event| event.commit_time.unwrap().seconds).collect();
    assert!(times.is_sorted() && times.len() > 4, "{times:?}");
});
