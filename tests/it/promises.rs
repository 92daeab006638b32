//! Promises on which callers and readers may rely. The bugs of `tests/planted` showed that no other test covered them.

use std::path::Path;
use std::time::Duration;

use headwater::app::SubmitError;
use headwater::clock;
use headwater::domain::rule::{Envelope, UpdateAccount};
use headwater::pb;
use pb::watch_events_response::Content;
use sea_orm::{ConnectOptions, Database, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use testkit::client::Client;
use testkit::process::{ServerOptions, Serving};
use testkit::say;

use crate::support::binary::options;
use crate::support::database::TestDatabase;
use crate::support::feed::{cash, conversion_of, from_beginning, from_latest};
use crate::support::server::{TestServer, register};
use crate::support::shop::Shop;
use crate::support::store;

fn sale(event_id: &str, coupon_code: &str) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: coupon_code.to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

/// How many syncs of a file's data strace recorded. SQLite's log needs no others.
async fn syncs_in(trace: &Path, process_id: u32) -> usize {
    let end = format!("{process_id} +++ exited");
    loop {
        // strace finishes writing the file a moment after the process has ended.
        let text = std::fs::read_to_string(trace).unwrap_or_default();
        if text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(&end)) {
            return text.lines().filter(|line| line.contains("fdatasync(")).count();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn every_acknowledgement_costs_a_sync() {
    const SALES: usize = 100;
    let has_strace = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join("strace").is_file());
    if !has_strace {
        say("that SQLite syncs is not tested: there is no strace in PATH");
        return;
    }
    let folder = tempfile::Builder::new().prefix("headwater-sync-").tempdir().unwrap();
    let trace = folder.path().join("trace");
    let strace = ["strace", "-D", "-f", "-q", "-e", "trace=fsync,fdatasync", "-o", trace.to_str().unwrap()];
    let strace = strace.map(str::to_owned).to_vec();
    let server = Serving::start(&ServerOptions { runner: strace, ..options(folder.path(), &[]) }).await.unwrap();
    let process_id = server.pid().unwrap();
    let key = std::fs::read_to_string(folder.path().join("headwater-data/operator.key")).unwrap();
    let mut client = Shop::furnish(register(&server.url(), key.trim(), "shop").await).await.client;
    // One after the other, so that no two share a commit.
    for number in 0..SALES {
        client.tracking.record_sale(sale(&format!("sale-{number}"), "ANN")).await.unwrap();
    }
    server.terminate().await.unwrap();
    let syncs = tokio::time::timeout(Duration::from_secs(60), syncs_in(&trace, process_id)).await.unwrap();
    assert!(syncs >= SALES, "{SALES} sales were acknowledged after {syncs} calls of fdatasync");
}

#[tokio::test]
async fn begin_on_sqlite_takes_the_write_lock() {
    let database = TestDatabase::sqlite().await;
    let store = store::open(&database).await;
    // A second program with no busy timeout.
    let mut options = ConnectOptions::new(&database.url);
    options.map_sqlx_sqlite_opts(|sqlite| sqlite.busy_timeout(Duration::ZERO));
    let console = Database::connect(options).await.unwrap();
    let transaction = store.begin().await.unwrap();
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    // Otherwise another writer could change a row between the read and the write, and the write would fail on every retry.
    assert!(console.begin_with_options(immediate).await.is_err());
    transaction.commit().await.unwrap();
    console.begin_with_options(immediate).await.unwrap();
}

/// A server's cache of programs, links and codes must not outlive a change by another server.
#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_change_on_one_server_is_seen_by_another_on_postgres() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let first = TestServer::start(&database).await;
    let second = TestServer::start(&database).await;
    let shop = Shop::open(&first, "shop").await;
    let mut owner = shop.client.clone();
    let mut seller = Client::connect(&second.address, &owner.key).await.unwrap();
    let mut earned = Vec::new();
    for number in 1..=5 {
        let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(number * 100_000)) };
        let program = pb::Program {
            id: shop.program_id.clone(),
            terms: Some(pb::Terms { commission: Some(commission), ..pb::Terms::default() }),
            ..pb::Program::default()
        };
        let request = pb::UpdateProgramRequest {
            program: Some(program),
            update_mask: Some(prost_types::FieldMask { paths: vec!["terms".to_owned()] }),
            ..pb::UpdateProgramRequest::default()
        };
        owner.affiliates.update_program(request).await.unwrap();
        // Terms take effect at the time of the change, and each server has its own clock.
        first.clock.advance_days(1);
        second.clock.advance_days(1);
        let answer = seller.tracking.record_sale(sale(&format!("sale-{number}"), "ANN")).await.unwrap().into_inner();
        earned.push(cash(answer.rewards[0].value.as_ref()).amount_minor);
    }
    assert_eq!(earned, [100, 200, 300, 400, 500]);
    let coupons = owner.affiliates.list_coupons(pb::ListCouponsRequest::default()).await.unwrap().into_inner().coupons;
    let request = pb::RemoveCouponRequest { coupon_id: coupons[0].id.clone(), ..pb::RemoveCouponRequest::default() };
    owner.affiliates.remove_coupon(request).await.unwrap();
    let answer = seller.tracking.record_sale(sale("too-late", "ANN")).await.unwrap().into_inner();
    assert_eq!(answer.outcome(), pb::ConversionOutcome::NotReferred);
}

db_test!(a_command_past_its_deadline_is_not_carried_out, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let account = client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
    let update = UpdateAccount { display_name: Some("too late".to_owned()), ..UpdateAccount::default() };
    let envelope =
        Envelope { account_id: account.id.parse().unwrap(), fingerprint: None, actor: None, command: update.into() };
    let answer = server.server.app().submit(envelope, Some(clock::monotonic_now())).await;
    assert!(matches!(answer, Err(SubmitError::DeadlineExceeded)), "{answer:?}");
    let after = client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
    assert_eq!(after, account);
});

db_test!(a_program_filter_shows_no_event_of_another_program, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(100_000)) };
    let request = pb::CreateProgramRequest {
        display_name: "other".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms { commission: Some(commission), ..pb::Terms::default() }),
        ..pb::CreateProgramRequest::default()
    };
    let other = client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap();
    let request = pb::EnrollAffiliateRequest {
        affiliate: Some(shop.affiliate()),
        program_id: other.id.clone(),
        coupon_code: "OTHER".to_owned(),
        ..pb::EnrollAffiliateRequest::default()
    };
    client.affiliates.enroll_affiliate(request).await.unwrap();
    for (event_id, code) in [("sale-1", "ANN"), ("sale-2", "OTHER"), ("sale-3", "ANN")] {
        client.tracking.record_sale(sale(event_id, code)).await.unwrap();
    }
    for (program_id, expected) in [(&shop.program_id, vec!["sale-1", "sale-3"]), (&other.id, vec!["sale-2"])] {
        let filter = pb::EventFilter {
            kinds: vec![pb::EventKind::SaleRecorded.into()],
            program_ids: vec![program_id.clone()],
            ..pb::EventFilter::default()
        };
        let request = pb::ReadEventsRequest {
            start: Some(from_beginning()),
            filter: Some(filter),
            ..pb::ReadEventsRequest::default()
        };
        let page = client.feed.read_events(request).await.unwrap().into_inner();
        let seen: Vec<_> = page.events.iter().map(|event| conversion_of(event).unwrap().event_id.clone()).collect();
        assert_eq!(seen, expected);
    }
});

/// A reader may also be woken by polling where other servers may write. Here the poll interval is longer than the test.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_wakes_the_servers_own_readers_on_postgres() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let server = TestServer::start_with(&database, &["--feed-poll-milliseconds", "60000"]).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let request = pb::WatchEventsRequest {
        start: Some(from_latest()),
        heartbeat_delay: Some(prost_types::Duration { seconds: 30, nanos: 0 }),
        ..pb::WatchEventsRequest::default()
    };
    let mut stream = client.feed.watch_events(request).await.unwrap().into_inner();
    while !matches!(stream.message().await.unwrap().unwrap().content, Some(Content::CaughtUp(_))) {}
    client.tracking.record_sale(sale("sale", "ANN")).await.unwrap();
    // Only the writer wakes this reader before its heartbeat, half a minute later.
    let message = stream.message().await.unwrap().unwrap().content;
    assert!(matches!(message, Some(Content::Batch(_))), "{message:?}");
}
