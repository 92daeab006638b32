//! A database that was restored from a backup. Its feed reuses the sequences of the events that were lost, so a reader that has
//! seen those events must get an error, however many others follow.

use headwater::pb;
use testkit::client::Client;
use tonic::{Code, Status};

use crate::support::database::TestDatabase;
use crate::support::feed::{from_beginning, from_cursor};
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

async fn record(client: &mut Client, name: &str, count: usize) {
    for number in 0..count {
        let sale = pb::RecordSaleRequest {
            event_id: format!("{name}-{number}"),
            coupon_code: "ANN".to_owned(),
            amount: Some(pb::Money { amount_minor: 100, currency_code: "USD".to_owned() }),
            ..pb::RecordSaleRequest::default()
        };
        client.tracking.record_sale(sale).await.unwrap();
    }
}

async fn read(client: &mut Client, start: pb::FeedStart) -> Result<pb::ReadEventsResponse, Status> {
    let request = pb::ReadEventsRequest { start: Some(start), page_size: 1_000, ..pb::ReadEventsRequest::default() };
    client.feed.read_events(request).await.map(tonic::Response::into_inner)
}

/// The cursor of the first message after `opened`, and both cursors in `opened`.
async fn cursors_of_a_stream(client: &mut Client, start: pb::FeedStart) -> Vec<String> {
    let request = pb::WatchEventsRequest { start: Some(start), ..pb::WatchEventsRequest::default() };
    let mut stream = client.feed.watch_events(request).await.unwrap().into_inner();
    let opened = stream.message().await.unwrap().unwrap();
    let second = stream.message().await.unwrap().unwrap();
    let Some(pb::watch_events_response::Content::Opened(content)) = opened.content else { panic!("{opened:?}") };
    vec![opened.cursor, content.head_cursor, second.cursor]
}

/// How each of the three calls refuses the cursor.
async fn refusals(client: &mut Client, cursor: &str) -> Vec<(Code, String)> {
    let start = || Some(from_cursor(cursor.to_owned()));
    let events = pb::WatchEventsRequest { start: start(), ..pb::WatchEventsRequest::default() };
    let conversions = pb::WatchConversionsRequest { start: start(), ..pb::WatchConversionsRequest::default() };
    let refused = [
        client.feed.watch_events(events).await.map(drop),
        client.tracking.watch_conversions(conversions).await.map(drop),
        read(client, from_cursor(cursor.to_owned())).await.map(drop),
    ];
    let said = |refused: Result<(), Status>| {
        refused.map_or_else(|status| (status.code(), reason(&status)), |()| (Code::Ok, String::new()))
    };
    refused.into_iter().map(said).collect()
}

async fn client_of(server: &TestServer, client: &Client) -> Client {
    Client::connect(&server.address, &client.key).await.unwrap()
}

db_test!(a_reader_of_events_that_a_restore_undid_gets_an_error_and_never_skips, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    record(&mut client, "kept", 3).await;
    let kept = read(&mut client, from_beginning()).await.unwrap();
    server.server.stop().await;
    let backup = database.copy().await;

    let server = TestServer::start(&database).await;
    let mut client = client_of(&server, &client).await;
    // The last events are recorded in one commit, so that a cursor may be in the middle of it.
    record(&mut client, "lost", 2).await;
    let items = (0..3).map(|number| pb::BatchItem {
        item: Some(pb::batch_item::Item::Sale(pb::RecordSaleRequest {
            event_id: format!("lost-in-batch-{number}"),
            coupon_code: "ANN".to_owned(),
            amount: Some(pb::Money { amount_minor: 100, currency_code: "USD".to_owned() }),
            ..pb::RecordSaleRequest::default()
        })),
    });
    let batch = pb::BatchRecordEventsRequest { items: items.collect() };
    client.tracking.batch_record_events(batch).await.unwrap();
    let lost = read(&mut client, from_cursor(kept.next_cursor.clone())).await.unwrap();
    assert_eq!(lost.events.len(), 5);
    let mut old: Vec<String> = lost.events.iter().map(|event| event.cursor.clone()).collect();
    old.extend([lost.next_cursor.clone(), lost.head_cursor]);
    old.extend(cursors_of_a_stream(&mut client, from_cursor(lost.next_cursor)).await);
    // A reader whose filter leaves all of them out has passed them too.
    let nothing = pb::EventFilter { kinds: vec![pb::EventKind::CouponRemoved.into()], ..Default::default() };
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), filter: Some(nothing), ..Default::default() };
    let filtered = client.feed.read_events(request).await.unwrap().into_inner();
    assert!(filtered.events.is_empty());
    old.push(filtered.next_cursor);
    server.server.stop().await;

    let server = TestServer::start(&backup).await;
    let mut client = client_of(&server, &client).await;
    for cursor in &old {
        let expected = (Code::FailedPrecondition, "CURSOR_AHEAD_OF_HEAD".to_owned());
        assert_eq!(refusals(&mut client, cursor).await, vec![expected; 3]);
    }
    record(&mut client, "new", 10).await;
    for cursor in &old {
        let expected = (Code::FailedPrecondition, "CURSOR_OF_ANOTHER_HISTORY".to_owned());
        assert_eq!(refusals(&mut client, cursor).await, vec![expected; 3]);
    }
    // A reader that was not beyond the backup goes on without a gap.
    for cursor in [&kept.next_cursor, &kept.events[4].cursor, &kept.head_cursor, &kept.earliest_cursor] {
        let page = read(&mut client, from_cursor(cursor.clone())).await.unwrap();
        let new = page.events.iter().filter(|event| event.cause_id.starts_with("new-")).count();
        assert_eq!(new, 10);
        let sequences: Vec<i64> = page.events.iter().map(|event| event.sequence).collect();
        assert!(sequences.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{sequences:?}");
    }
});

db_test!(the_place_of_a_pruned_event_is_remembered, |database: TestDatabase| async move {
    let flags = ["--event-retention-days", "30", "--upkeep-interval-seconds", "1"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut client = Shop::open(&server, "shop").await.client;
    server.server.stop().await;
    let backup = database.copy().await;
    let mut old: Vec<String> = Vec::new();
    for database in [&database, &backup] {
        let server = TestServer::start_with(database, &flags).await;
        let mut client = client_of(&server, &client).await;
        // Sales would be approved meanwhile, and approvals are new events.
        for _ in 0..5 {
            let request = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Read.into(), ..Default::default() };
            client.accounts.create_api_key(request).await.unwrap();
        }
        let head = read(&mut client, from_beginning()).await.unwrap().head_cursor;
        server.clock.advance_days(31);
        // A read during the removal may fail, because the events that it wants are just being removed.
        while !read(&mut client, from_beginning()).await.is_ok_and(|page| page.events.is_empty()) {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        // All events are pruned, and a reader that had them all still goes on.
        let page = read(&mut client, from_cursor(head.clone())).await.unwrap();
        assert_eq!((&page.next_cursor, &page.earliest_cursor, &page.head_cursor), (&head, &head, &head));
        for cursor in &old {
            assert_eq!(refusals(&mut client, cursor).await[2].1, "CURSOR_OF_ANOTHER_HISTORY");
        }
        old.push(head);
        server.server.stop().await;
    }
    client = Client::connect(&TestServer::start(&backup).await.address, &client.key).await.unwrap();
    assert!(read(&mut client, from_cursor(old[1].clone())).await.is_ok());
});
