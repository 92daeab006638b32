//! Two servers as processes on one database. One of them stands still in the middle of its steps until its leases are over, or their clocks
//! jump: no payout is paid twice, and none is stuck.

use std::time::Duration;

use headwater::failpoint::Point;
use serde_json::json;
use testkit::process::signal;

use super::bench::Kind;
use super::process::{Fleet, LEASE_SECONDS};
use crate::support::database::TestDatabase;

const HOUR_SECONDS: i32 = 3_600;
const DAY_SECONDS: i32 = 24 * HOUR_SECONDS;

fn payout_count() -> usize {
    std::env::var("HEADWATER_PAYOUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// How long a server stands still. Its lease is over anyway, because time passes by the file.
fn standstill() -> Duration {
    Duration::from_secs(if std::env::var_os("HEADWATER_PAYOUTS").is_some() { 30 } else { 1 })
}

/// Stops a server in the middle of its steps, lets another one go on after its leases, and lets the first go on then.
async fn stand_still(database: TestDatabase, kind: Kind, is_in_call: bool) {
    let mut fleet = Fleet::found(database, kind, payout_count()).await;
    // The pause is before the call, and the delay is in it.
    let pauses = format!("{}=return(pause)", Point::BeforePayoutCall.name());
    let first = fleet.start("one", if is_in_call { "" } else { &pauses }).await.unwrap();
    let run = fleet.create_run(&first).await;
    if is_in_call {
        fleet.fault(&json!({"kind": "delay_after", "milliseconds": 1_500}), 1_000_000).await;
    }
    assert!(fleet.approve(&first.url(), &run).await);
    tokio::time::sleep(Duration::from_millis(250)).await;
    signal(first.pid().unwrap(), "STOP").await.unwrap();
    let second = fleet.start("two", "").await.unwrap();
    fleet.pass(LEASE_SECONDS).await;
    tokio::time::sleep(standstill()).await;
    // The second server has begun steps that the first one had begun before.
    fleet.remove_faults().await;
    fleet.rest().await;
    signal(first.pid().unwrap(), "CONT").await.unwrap();
    fleet.rest().await;
    fleet.finish(&second, &run).await;
    fleet.check_paid_once(&second, "a standstill").await;
    first.terminate().await.unwrap();
    second.terminate().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_in_a_call_pays_nothing_twice() {
    for kind in Kind::ALL {
        let Some(database) = TestDatabase::postgres().await else { return };
        stand_still(database, kind, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_before_its_call_makes_none_afterwards() {
    for kind in Kind::ALL {
        let Some(database) = TestDatabase::postgres().await else { return };
        stand_still(database, kind, false).await;
    }
}

/// A clock that jumps while payouts are under way.
async fn jump(kind: Kind, seconds: i32, is_started_again: bool) {
    let Some(database) = TestDatabase::postgres().await else { return };
    let mut fleet = Fleet::found(database, kind, payout_count()).await;
    let mut first = fleet.start("one", "").await.unwrap();
    let second = fleet.start("two", "").await.unwrap();
    let run = fleet.create_run(&first).await;
    // Some steps have an unknown effect when the clocks jump.
    fleet.fault(&json!({"kind": "apply_then_drop"}), 500_000).await;
    assert!(fleet.approve(&first.url(), &run).await);
    fleet.rest().await;
    fleet.remove_faults().await;
    fleet.jump(seconds);
    fleet.rest().await;
    second.terminate().await.unwrap();
    if is_started_again {
        // A person says by that that the clock is right.
        first.terminate().await.unwrap();
        first = fleet.start("one", "").await.unwrap();
    } else if seconds > DAY_SECONDS {
        // Nobody believes such a clock, and nothing happens until it is right again.
        let before = fleet.request_count().await;
        fleet.pass(LEASE_SECONDS).await;
        fleet.rest().await;
        assert_eq!(fleet.request_count().await, before);
        fleet.jump(-seconds);
    }
    fleet.finish(&first, &run).await;
    fleet.check_paid_once(&first, &format!("a jump by {seconds} s")).await;
    first.terminate().await.unwrap();
}

// Forty days are longer than a provider remembers a key.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_pay_nothing_twice_and_leave_nothing_behind() {
    jump(Kind::PayPal, 40 * DAY_SECONDS, true).await;
    jump(Kind::Wise, 40 * DAY_SECONDS, false).await;
    jump(Kind::Stripe, -HOUR_SECONDS, false).await;
}
