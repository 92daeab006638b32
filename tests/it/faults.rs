//! The database, another client or a reader misbehaves: the errors, the delays, and which other calls are affected.

use std::time::Duration;

use headwater::clock;
use headwater::domain::id::AccountId;
use headwater::pb;
use headwater::store::StoreError;
use headwater::store::account_head::lock_heads;
use headwater::store::entity::{account_head, conversion, coupon};
use http::uri::PathAndQuery;
use pb::watch_events_response::Content;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Database, DatabaseConnection, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use testkit::client::Client;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::feed::cash;
use crate::support::feed::{from_beginning, from_latest};
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;
use crate::support::store;

fn sale(event_id: String) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id,
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

/// Changes the database directly, like a person with a database console.
async fn console(database: &TestDatabase) -> DatabaseConnection {
    Database::connect(&database.url).await.unwrap()
}

async fn account_of(client: &Client) -> AccountId {
    let account = client.clone().accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner();
    account.account.unwrap().id.parse().unwrap()
}

/// Holds the account's write lock until the result is dropped. On SQLite that is the lock of the whole file.
async fn hold(console: &DatabaseConnection, account: AccountId) -> DatabaseTransaction {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = console.begin_with_options(options).await.unwrap();
    let head = account_head::Entity::find_by_id(account.uuid()).lock_exclusive().one(&transaction).await.unwrap();
    assert!(head.is_some());
    transaction
}

async fn record_many(client: &mut Client, items: impl IntoIterator<Item = pb::batch_item::Item>) {
    let items: Vec<_> = items.into_iter().map(|item| pb::BatchItem { item: Some(item) }).collect();
    for chunk in items.chunks(1_000) {
        let request = pb::BatchRecordEventsRequest { items: chunk.to_vec() };
        let answer = client.tracking.batch_record_events(request).await.unwrap().into_inner();
        assert!(answer.results.iter().all(|result| !matches!(result.answer, Some(pb::batch_result::Answer::Error(_)))));
    }
}

fn sales(count: usize) -> impl Iterator<Item = pb::batch_item::Item> {
    (0..count).map(|number| pb::batch_item::Item::Sale(sale(format!("sale-{number}"))))
}

/// Leads. Unlike a sale, a lead creates no further event later.
fn leads(count: usize) -> impl Iterator<Item = pb::batch_item::Item> {
    let lead = |number| pb::RecordLeadRequest {
        event_id: format!("lead-{number}"),
        email: format!("lead-{number}@shop.example"),
        coupon_code: "ANN".to_owned(),
        ..pb::RecordLeadRequest::default()
    };
    (0..count).map(move |number| pb::batch_item::Item::Lead(lead(number)))
}

async fn latest(client: &mut Client) -> pb::ReadEventsResponse {
    let start = Some(from_latest());
    let request = pb::ReadEventsRequest { start, ..pb::ReadEventsRequest::default() };
    client.feed.read_events(request).await.unwrap().into_inner()
}

db_test!(a_corrupt_row_of_one_account_fails_no_other_account, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let broken = Shop::open(&server, "broken").await;
    let sound = Shop::open(&server, "sound").await;
    let console = console(&database).await;
    let account = account_of(&broken.client).await;
    coupon::Entity::update_many()
        .col_expr(coupon::Column::State, Expr::val("nonsense"))
        .filter(coupon::Column::AccountId.eq(account.uuid()))
        .exec(&console)
        .await
        .unwrap();
    let mut calls = Vec::new();
    for number in 0..200 {
        let is_sound = number % 2 == 0;
        let mut client = if is_sound { sound.client.clone() } else { broken.client.clone() };
        let call = async move { client.tracking.record_sale(sale(format!("sale-{number}"))).await };
        calls.push((is_sound, tokio::spawn(call)));
    }
    for (is_sound, call) in calls {
        let answer = call.await.unwrap();
        if is_sound {
            answer.unwrap();
        } else {
            let status = answer.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "SERVER_FAULT"));
            assert!(!status.message().contains("coupon"), "the log's text: {}", status.message());
        }
    }
});

db_test!(due_rewards_that_cannot_be_approved_hold_up_no_other_account, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut broken = Shop::open(&server, "broken").await.client;
    let mut sound = Shop::open(&server, "sound").await;
    // More rewards than one upkeep run approves at once, and due before the others.
    record_many(&mut broken, sales(600)).await;
    record_many(&mut sound.client, sales(1)).await;
    let console = console(&database).await;
    let account = account_of(&broken).await;
    conversion::Entity::update_many()
        .col_expr(conversion::Column::Outcome, Expr::val("nonsense"))
        .filter(conversion::Column::AccountId.eq(account.uuid()))
        .exec(&console)
        .await
        .unwrap();
    server.clock.advance_days(31);
    server.server.app().approve_due_rewards().await.unwrap_err();
    let request = pb::GetBalanceRequest { affiliate: Some(sound.affiliate()), ..Default::default() };
    let balance = sound.client.rewards.get_balance(request).await.unwrap().into_inner().balances.remove(0);
    assert_eq!((cash(balance.pending.as_ref()).amount_minor, cash(balance.owed.as_ref()).amount_minor), (0, 200));
});

db_test!(shutdown_keeps_its_deadline_though_the_database_hangs, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--shutdown-seconds", "1"]).await;
    let shop = Shop::open(&server, "shop").await;
    let console = console(&database).await;
    let held = hold(&console, account_of(&shop.client).await).await;
    let mut client = shop.client.clone();
    let call = tokio::spawn(async move { client.tracking.record_sale(sale("sale".to_owned())).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked_at = clock::monotonic_now();
    server.server.stop().await;
    assert!(asked_at.elapsed() < Duration::from_secs(3), "it took {:?}", asked_at.elapsed());
    drop(held);
    call.abort();
});

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_lets_go_of_its_lock_on_postgres() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let account = account_of(&client).await;
    // Another server whose machine freezes in the middle of a batch.
    let frozen = store::open(&database).await;
    let transaction = frozen.begin().await.unwrap();
    lock_heads(&transaction, &[account].into()).await.unwrap();
    client.tracking.record_sale(sale("sale".to_owned())).await.unwrap();
    // When it wakes up, its batch fails with an error that may be retried.
    let error = lock_heads(&transaction, &[account].into()).await.unwrap_err();
    assert_eq!(error, StoreError::Unavailable);
    drop(transaction);
    frozen.begin().await.unwrap().commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_sqlite_file_is_unavailable_without_delay() {
    let database = TestDatabase::sqlite().await;
    let server = TestServer::start_with(&database, &["--request-timeout-seconds", "30"]).await;
    let shop = Shop::open(&server, "shop").await;
    let console = console(&database).await;
    let held = hold(&console, account_of(&shop.client).await).await;
    let mut calls = Vec::new();
    for number in 0..20 {
        let mut client = shop.client.clone();
        calls.push(async move { client.tracking.record_sale(sale(format!("sale-{number}"))).await.unwrap_err() });
    }
    // A batch waits 5 seconds. On a slow machine the calls come in several batches, but not each in its own.
    let statuses: Vec<Status> =
        tokio::time::timeout(Duration::from_secs(28), futures::future::join_all(calls)).await.unwrap();
    for status in statuses {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "UNAVAILABLE"));
    }
    drop(held);
    shop.client.clone().tracking.record_sale(sale("sale-0".to_owned())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_upkeep_blocks_no_other_account_on_postgres() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let flags = ["--event-retention-days", "30", "--upkeep-interval-seconds", "1"];
    let server = TestServer::start_with(&database, &flags).await;
    let stuck = Shop::open(&server, "stuck").await;
    let mut other = Shop::open(&server, "other").await.client;
    let console = console(&database).await;
    let held = hold(&console, account_of(&stuck.client).await).await;
    // The upkeep now tries to remove the events of an account whose lock it cannot get.
    server.clock.advance_days(31);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    other.tracking.record_sale(sale("sale".to_owned())).await.unwrap();
    drop(held);
}

db_test!(old_events_are_removed_as_fast_as_they_came, |database: TestDatabase| async move {
    let first = TestServer::start(&database).await;
    let mut client = Shop::open(&first, "shop").await.client;
    // These are more events than one transaction removes.
    record_many(&mut client, leads(6_000)).await;
    let key = client.key.clone();
    first.server.stop().await;
    let flags = ["--event-retention-days", "30", "--upkeep-interval-seconds", "5"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut client = Client::connect(&server.address, &key).await.unwrap();
    server.clock.advance_days(31);
    let full = latest(&mut client).await.earliest_cursor;
    while latest(&mut client).await.earliest_cursor == full {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // One run removes all of them, in several transactions.
    let begun_at = clock::monotonic_now();
    loop {
        let page = latest(&mut client).await;
        if page.earliest_cursor == page.head_cursor {
            break;
        }
        assert!(begun_at.elapsed() < Duration::from_secs(3));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
});

/// A client with a small window. If it does not read a stream, the stream stalls soon.
async fn narrow(server: &TestServer, key: &str) -> Client {
    let endpoint = Endpoint::from_shared(server.address.clone()).unwrap().initial_stream_window_size(65_535);
    Client::on(&endpoint.connect().await.unwrap(), key).unwrap()
}

fn from_the_beginning() -> pb::WatchEventsRequest {
    pb::WatchEventsRequest { start: Some(from_beginning()), ..pb::WatchEventsRequest::default() }
}

db_test!(a_slow_consumer_still_counts_as_an_open_stream, |database: TestDatabase| async move {
    let flags = ["--feed-streams-per-key-max", "1", "--feed-stall-seconds", "1"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut client = Shop::open(&server, "shop").await.client;
    record_many(&mut client, leads(2_000)).await;
    let mut reader = narrow(&server, &client.key).await;
    let mut stalled = reader.feed.watch_events(from_the_beginning()).await.unwrap().into_inner();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    // The server has ended the stream. The reader's buffers are still in memory, so its slot is not free.
    let status = reader.feed.watch_events(from_the_beginning()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "TOO_MANY_STREAMS"));
    // A reader that wakes up gets the cursor to resume from.
    let mut cursor = String::new();
    let status = loop {
        match stalled.message().await {
            Ok(message) => cursor = message.unwrap().cursor,
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "SLOW_CONSUMER"));
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["last_cursor"], cursor);
    reader.feed.watch_events(from_the_beginning()).await.unwrap();
});

db_test!(a_reader_overtaken_by_retention_gets_cursor_expired, |database: TestDatabase| async move {
    let flags = ["--event-retention-days", "30", "--upkeep-interval-seconds", "1"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut client = Shop::open(&server, "shop").await.client;
    record_many(&mut client, leads(6_000)).await;
    let mut reader = narrow(&server, &client.key).await;
    let mut stream = reader.feed.watch_events(from_the_beginning()).await.unwrap().into_inner();
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.clock.advance_days(31);
    loop {
        let page = latest(&mut client).await;
        if page.earliest_cursor == page.head_cursor {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut seen = 0;
    let status = loop {
        let message = tokio::time::timeout(Duration::from_secs(10), stream.message()).await.unwrap();
        match message.map(|message| message.unwrap().content.unwrap()) {
            Ok(Content::Batch(batch)) => seen += batch.events.len(),
            Ok(Content::CaughtUp(_)) => panic!("caught up after {seen} events of 6,000"),
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), reason(&status).as_str()), (Code::OutOfRange, "CURSOR_EXPIRED"));
    assert!(seen > 0);
});

db_test!(long_polls_count_as_streams, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--feed-streams-per-key-max", "1"]).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let start = Some(from_latest());
    let request = pb::ReadEventsRequest {
        start,
        max_wait: Some(prost_types::Duration { seconds: 30, nanos: 0 }),
        ..pb::ReadEventsRequest::default()
    };
    let mut waiting_client = client.clone();
    let waits = request.clone();
    let waiting = tokio::spawn(async move { waiting_client.feed.read_events(waits).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let status = client.feed.read_events(request).await.unwrap_err();
    assert_eq!(reason(&status), "TOO_MANY_STREAMS");
    // Without a wait it is an ordinary read.
    latest(&mut client).await;
    client.tracking.record_sale(sale("sale".to_owned())).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().into_inner().events.len(), 1);
});

db_test!(an_unfinished_request_times_out_and_frees_its_slot, |database: TestDatabase| async move {
    let flags = ["--calls-max", "1", "--request-timeout-seconds", "1"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let channel = Endpoint::from_shared(server.address.clone()).unwrap().connect().await.unwrap();
    let mut slow = tonic::client::Grpc::new(channel);
    slow.ready().await.unwrap();
    let mut request = Request::new(futures::stream::pending::<pb::RecordSaleRequest>());
    request.metadata_mut().insert("x-api-key", client.key.parse().unwrap());
    let path = PathAndQuery::from_static("/headwater.v1.TrackingService/RecordSale");
    let codec = tonic_prost::ProstCodec::<pb::RecordSaleRequest, pb::RecordSaleResponse>::default();
    let status = slow.client_streaming(request, path, codec);
    let status = tokio::time::timeout(Duration::from_secs(5), status).await.unwrap().unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    client.tracking.record_sale(sale("sale".to_owned())).await.unwrap();
});
