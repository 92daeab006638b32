//! The workers of a running server can be woken, report their status, and stop with the server. `src/app/worker/driver.rs` has
//! the tests of the driver.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater::app::worker::{
    WorkerStatus, approve_due, create_payouts, forget_requests, note_key_uses, prune_events, reconcile_payouts,
    reseal_secrets, run_schedules, send_mail, send_payouts,
};
use headwater::clock::Clock;
use headwater::pb;

use crate::support::binary;
use crate::support::database::TestDatabase;
use crate::support::feed::cash;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

const NAMES: [&str; 10] = [
    approve_due::NAME,
    create_payouts::NAME,
    forget_requests::NAME,
    note_key_uses::NAME,
    prune_events::NAME,
    reconcile_payouts::NAME,
    reseal_secrets::NAME,
    run_schedules::NAME,
    send_mail::NAME,
    send_payouts::NAME,
];

fn status(server: &TestServer, name: &str) -> WorkerStatus {
    server.server.app().worker_statuses().into_iter().find(|status| status.name == name).unwrap()
}

/// Waits until a worker has finished this many runs.
async fn runs_of(server: &TestServer, name: &str, runs: u64) -> WorkerStatus {
    let ended = async {
        while status(server, name).runs < runs {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        status(server, name)
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap()
}

db_test!(a_worker_that_is_woken_does_what_is_due_and_says_so, |database: TestDatabase| async move {
    // Their next scheduled runs are a day away.
    let server = TestServer::start_with(&database, &["--event-retention-days", "30"]).await;
    for name in NAMES {
        let first = runs_of(&server, name, 1).await;
        assert_eq!((first.runs, first.failures_in_a_row, first.last_result.unwrap().failure), (1, 0, None), "{name}");
    }
    let mut shop = Shop::open(&server, "shop").await;
    let request = pb::RecordSaleRequest {
        event_id: "sale".to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    };
    shop.client.tracking.record_sale(request).await.unwrap();
    server.clock.advance_days(31);
    for name in NAMES {
        assert!(server.server.app().wake_worker(name), "{name}");
    }
    let approved = runs_of(&server, approve_due::NAME, 2).await;
    assert_eq!(approved.last_result.unwrap().counts.to_string(), "rewards approved: 1");
    assert_eq!((approved.last_begun_at, approved.last_ended_at), (Some(server.clock.now()), Some(server.clock.now())));
    let pruned = runs_of(&server, prune_events::NAME, 2).await;
    assert!(!pruned.last_result.unwrap().counts.is_empty(), "events of a month ago are still there");
    let balance = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let balance = shop.client.rewards.get_balance(balance).await.unwrap().into_inner().balances.remove(0);
    assert_eq!((cash(balance.pending.as_ref()).amount_minor, cash(balance.owed.as_ref()).amount_minor), (0, 200));
    assert!(!server.server.app().wake_worker("no worker"));
});

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_of_the_start_and_the_end_of_each_worker() {
    let folder = tempfile::Builder::new().prefix("headwater-workers-").tempdir().unwrap();
    let server = binary::serve(folder.path(), &["--event-retention-days", "30"]).await;
    let (status, log) = server.terminate().await.unwrap();
    assert!(status.success(), "{log}");
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
        if let (Some(worker), Some(message)) = (line["fields"]["worker"].as_str(), line["fields"]["message"].as_str()) {
            told.entry(worker.to_owned()).or_default().push(message.to_owned());
        }
    }
    let expected =
        NAMES.map(|name| (name.to_owned(), vec!["a worker started".to_owned(), "a worker stopped".to_owned()]));
    assert_eq!(told, BTreeMap::from(expected));
}
