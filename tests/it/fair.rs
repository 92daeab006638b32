//! What accounts share: the write queue, the connections that read, the look-up of keys, and heavy calls. One account that takes
//! all that it can get leaves the others theirs.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use headwater::auth::Authenticator;
use headwater::auth::client::Client as Where;
use headwater::auth::key;
use headwater::clock::ManualClock;
use headwater::domain::account::KeyKind;
use headwater::domain::id::AccountId;
use headwater::domain::time::Time;
use headwater::error::Error;
use headwater::pb;
use pb::batch_result::Answer as Recorded;
use secrecy::ExposeSecret;
use testkit::client::Client;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::Shop;
use crate::support::store;

fn sale(event_id: String) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id,
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 100, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

fn batch(name: &str, count: usize) -> pb::BatchRecordEventsRequest {
    let item = |number| pb::batch_item::Item::Sale(sale(format!("{name}-{number}")));
    pb::BatchRecordEventsRequest {
        items: (0..count).map(|number| pb::BatchItem { item: Some(item(number)) }).collect(),
    }
}

/// The ids of the recorded sales, in the order of the answer, and how many are replayed.
fn recorded(answer: pb::BatchRecordEventsResponse) -> (Vec<String>, usize) {
    let mut replayed = 0;
    let ids = answer.results.into_iter().map(|result| match result.answer.unwrap() {
        Recorded::Sale(sale) => {
            replayed += usize::from(sale.replayed);
            sale.conversion_id
        }
        other => panic!("{other:?}"),
    });
    (ids.collect(), replayed)
}

async fn account_of(client: &Client) -> AccountId {
    let account = client.clone().accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner();
    account.account.unwrap().id.parse().unwrap()
}

db_test!(long_calls_are_committed_in_parts_and_answered_whole, |database: TestDatabase| async move {
    const EVENTS: usize = 300;
    let flags = ["--batch-commands-max", "100", "--request-timeout-seconds", "600"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut shops = Vec::new();
    for name in ["first", "second", "third"] {
        shops.push(Shop::open(&server, name).await.client);
    }
    let calls = shops.iter().flat_map(|shop| (0..2).map(move |call| (shop.clone(), format!("call-{call}"))));
    let calls = calls.map(|(mut client, name)| {
        tokio::spawn(async move {
            let answer = client.tracking.batch_record_events(batch(&name, EVENTS)).await.unwrap().into_inner();
            let (ids, replayed) = recorded(answer);
            assert_eq!((ids.len(), replayed), (EVENTS, 0));
            // The answers are in the order of the events, whatever the transactions.
            let mut last = client.tracking.batch_record_events(batch(&name, EVENTS)).await.unwrap().into_inner();
            last.results.truncate(EVENTS);
            assert_eq!(recorded(last), (ids.clone(), EVENTS));
            let single =
                client.tracking.record_sale(sale(format!("{name}-{}", EVENTS - 1))).await.unwrap().into_inner();
            assert_eq!((&single.conversion_id, single.replayed), (&ids[EVENTS - 1], true));
        })
    });
    // Calls are divided while an account with few commands is at work.
    let mut quiet = Shop::open(&server, "quiet").await.client;
    let begun = server.server.app().transaction_count();
    let quiet = tokio::spawn(async move {
        for number in 0..20 {
            quiet.tracking.record_sale(sale(format!("quiet-{number}"))).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let calls: Vec<_> = calls.collect();
    for call in calls {
        call.await.unwrap();
    }
    quiet.abort();
    let transactions = server.server.app().transaction_count() - begun;
    // On PostgreSQL an account may have a lane of its own, and then its calls are not divided.
    assert!(transactions >= 45 || database.kind == DatabaseKind::Postgres, "12 calls took {transactions} transactions");
    for mut shop in shops {
        let report = shop.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
        assert!(report.ok, "{:?}", report.differences);
        assert_eq!(report.entry_count, 2 * EVENTS as i64);
    }
});

db_test!(an_account_that_reads_much_leaves_connections_to_others, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let store = server.server.app().store();
    let (hog, victim) = (Shop::open(&server, "hog").await.client, Shop::open(&server, "victim").await.client);
    let hog_id = account_of(&hog).await;
    // As many slow reads as the account may have.
    let turns: Vec<_> = std::iter::from_fn(|| store.read_turn(hog_id).now_or_never()).collect();
    assert_eq!(turns.len(), 5, "of 8 connections");
    account_of(&victim).await;
    // A further read of the account waits until its deadline, and then goes on once there is a place.
    let mut request = Request::new(pb::GetAccountRequest {});
    request.metadata_mut().insert("grpc-timeout", "200m".parse().unwrap());
    let status = hog.clone().accounts.get_account(request).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    account_of(&victim).await;
    let waiting = tokio::spawn(async move { account_of(&hog).await });
    drop(turns);
    waiting.await.unwrap();
});

db_test!(keys_are_looked_up_though_every_other_connection_is_in_use, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--read-connections-max", "2"]).await;
    let shop = Shop::open(&server, "shop").await.client;
    let mut request = pb::CreateApiKeyRequest::default();
    request.set_kind(pb::ApiKeyKind::Tracking);
    let made = shop.clone().accounts.create_api_key(request).await.unwrap().into_inner();
    let store = server.server.app().store();
    let snapshots = [store.snapshot().await.unwrap(), store.snapshot().await.unwrap()];
    // Nobody has used this key yet.
    let mut client = Client::connect(&server.address, &made.api_key_text).await.unwrap();
    client.tracking.record_sale(sale("sale".to_owned())).await.unwrap();
    drop(snapshots);
});

db_test!(only_so_many_keys_are_looked_up_at_once, |database: TestDatabase| async move {
    let store = Arc::new(store::open(&database).await);
    let clock = Arc::new(ManualClock::new(Time::from_micros(START_MICROS)));
    let authenticator = Authenticator::new(store, clock, Arc::default());
    // Each call is only begun. On SQLite, some end at once.
    let guesses: Vec<_> = (0..5_000).map(|_| key::generate(KeyKind::Tracking).0).collect();
    let mut lookups = Vec::new();
    let refused = guesses.iter().position(|guess| {
        let mut lookup = Box::pin(authenticator.resolve(guess.expose_secret(), Where::default()));
        match lookup.as_mut().now_or_never() {
            None => lookups.push(lookup),
            Some(Err(Error::KeyInvalid)) => {}
            Some(Err(Error::Overloaded { .. })) => return true,
            Some(other) => panic!("{other:?}"),
        }
        false
    });
    let refused = refused.unwrap();
    assert_eq!(lookups.len(), 256);
    for outcome in futures::future::join_all(lookups).await {
        assert!(matches!(outcome, Err(Error::KeyInvalid)), "{outcome:?}");
    }
    let again = authenticator.resolve(guesses[refused].expose_secret(), Where::default()).await;
    assert!(matches!(again, Err(Error::KeyInvalid)), "{again:?}");
});

db_test!(heavy_calls_run_one_at_a_time_for_an_account_and_two_in_all, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let app = server.server.app();
    let mut shop = Shop::open(&server, "shop").await.client;
    let account = account_of(&shop).await;
    let running = app.begin_heavy(account).unwrap();
    let status = shop.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "OVERLOADED"));
    let delay = status.get_error_details().retry_info().unwrap().retry_delay.unwrap();
    assert!(delay > Duration::ZERO);
    assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), &delay.as_millis().to_string());
    let mut other = Shop::open(&server, "other").await.client;
    other.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap();
    let second = app.begin_heavy(account_of(&other).await).unwrap();
    let mut third = Shop::open(&server, "third").await.client;
    third.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap_err();
    drop((running, second));
    third.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap();
    shop.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap();
});
