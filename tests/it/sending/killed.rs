//! The server as a process that ends at each failpoint around a payout, with each fault of each fake: no payout is paid twice, none is
//! stuck, and the ledger says what the provider's books say.
//!
//! `HEADWATER_PAYOUTS=500 cargo test --profile fuzz --test it sending::killed` is the long form.

use std::time::Duration;

use headwater::failpoint::Point;
use serde_json::Value;
use testkit::process::Serving;

use super::bench::Kind;
use super::faults::faults;
use super::process::{Fleet, LEASE_SECONDS, Run, aborts_at};
use crate::support::database::TestDatabase;

/// Before and after the commits of the beginning and the record of a step, and before and after the call between them.
const POINTS: [Point; 4] = [Point::BeforeCommit, Point::AfterCommit, Point::BeforePayoutCall, Point::AfterPayoutCall];

/// The share of requests that a fault befalls.
const FAULTY_PPM: u32 = 333_333;

/// How often time passes in the life of a server that does not reach its failpoint.
const PASSES_PER_LIFE: usize = 6;

/// How many payouts each pair of a failpoint and a fault has, and how often their server ends.
struct Size {
    payouts: usize,
    lives: usize,
    is_long: bool,
}

fn size() -> Size {
    let long = std::env::var("HEADWATER_PAYOUTS").ok().and_then(|text| text.parse().ok());
    Size { payouts: long.unwrap_or(4), lives: if long.is_some() { 8 } else { 2 }, is_long: long.is_some() }
}

/// Runs a server until it ends at its failpoint. Lets time pass meanwhile, so that it has something to do. True if it ended there after
/// its start.
async fn live(fleet: &mut Fleet, run: &Run, failpoints: &str, pause: Duration) -> bool {
    let server = match fleet.start("one", failpoints).await {
        Ok(server) => server,
        Err(said) if said.contains("signal: 6") => return false,
        Err(said) => panic!("{failpoints}: {said}"),
    };
    let url = server.url();
    let ended = server.ended();
    tokio::pin!(ended);
    tokio::select! {
        biased;
        _ = &mut ended => return true,
        _ = fleet.approve(&url, run) => {}
    }
    for _ in 0..PASSES_PER_LIFE {
        if tokio::time::timeout(pause, &mut ended).await.is_ok() {
            return true;
        }
        fleet.pass(LEASE_SECONDS).await;
    }
    // Dropped, it is killed.
    false
}

/// Sends the payouts of one run while a fault befalls a third of all requests and the server ends again and again.
async fn check(
    fleet: &mut Fleet,
    server: Serving,
    pair: (usize, Point),
    fault: Option<&Value>,
    size: &Size,
) -> Serving {
    let (place, point) = pair;
    let run = fleet.create_run(&server).await;
    server.kill().await.unwrap();
    if let Some(fault) = fault {
        fleet.fault(fault, FAULTY_PPM).await;
    }
    let pause = Duration::from_millis(if size.is_long { 1_500 } else { 200 });
    let (mut crashes, mut life) = (0, 0);
    // On a busy machine a server may not get as far as the failpoint in the usual time.
    while life < size.lives || (crashes == 0 && life < size.lives * 5) {
        let pause = if life < size.lives { pause } else { pause * 10 };
        // Beginnings and records take turns, so the numbers of passes reach both.
        let passes = if life == 0 { place % 3 } else { (place * 5 + life * 7) % (2 + size.payouts / 4) };
        crashes += usize::from(live(fleet, &run, &aborts_at(point, passes), pause).await);
        life += 1;
    }
    let what = format!("{} with {fault:?}", point.name());
    assert!(crashes > 0, "{:?}: no server ended at {what}", fleet.kind);
    fleet.remove_faults().await;
    let server = fleet.start("one", "").await.unwrap();
    assert!(fleet.approve(&server.url(), &run).await, "{what}");
    fleet.finish(&server, &run).await;
    fleet.check_paid_once(&server, &what).await;
    server
}

/// Each failpoint with each fault. In the short form each failpoint has one of the faults, another one for each provider.
async fn check_all(kind: Kind, database: TestDatabase) {
    let size = size();
    let mut fleet = Fleet::found(database, kind, size.payouts).await;
    let mut server = fleet.start("one", "").await.unwrap();
    let faults = faults();
    let faults: Vec<_> = faults.iter().map(Some).chain([None]).collect();
    for (row, point) in POINTS.into_iter().enumerate() {
        for (column, fault) in faults.iter().enumerate() {
            let chosen = (row * 2 + kind.number()) % faults.len();
            if size.is_long || column == chosen {
                server = check(&mut fleet, server, (row + column, point), *fault, &size).await;
            }
        }
    }
    server.terminate().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn paypal_pays_each_payout_once_wherever_the_server_ends() {
    check_all(Kind::PayPal, TestDatabase::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_pays_each_payout_once_wherever_the_server_ends() {
    check_all(Kind::Stripe, TestDatabase::sqlite().await).await;
}

// PostgreSQL, so that both databases have it.
#[tokio::test(flavor = "multi_thread")]
async fn wise_pays_each_payout_once_wherever_the_server_ends() {
    if let Some(database) = TestDatabase::postgres().await {
        check_all(Kind::Wise, database).await;
    }
}
