//! Every fault of the fakes at every call of a payment: the worker ends with one payment, and the books say the same.

use std::time::Duration;

use serde_json::{Value, json};

use super::bench::{AMOUNT_MINOR, Bench, DELAY, Kind};
use super::worker::{End, Worker};

/// The calls of a payment, as method and path.
fn calls(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::PayPal => {
            &[("POST", "/v1/oauth2/token"), ("POST", "/v1/payments/payouts"), ("GET", "/v1/payments/payouts/*")]
        }
        Kind::Stripe => &[("GET", "/v1/accounts/*"), ("POST", "/v1/transfers")],
        Kind::Wise => &[
            ("POST", "/v3/profiles/*/quotes"),
            ("POST", "/v1/transfers"),
            ("POST", "/v3/profiles/*/payments"),
            ("GET", "/v1/transfers/*"),
        ],
    }
}

fn faults(bench: &Bench) -> Vec<Value> {
    let drain = |kind: &str| json!({"kind": kind, "account": bench.owner_account(), "currency": bench.currency(), "amount_minor": 0});
    let milliseconds = u64::try_from(DELAY.as_millis()).unwrap();
    vec![
        json!({"kind": "drop_before_apply"}),
        json!({"kind": "apply_then_drop"}),
        json!({"kind": "error_before", "status": 500}),
        json!({"kind": "error_before", "status": 503}),
        json!({"kind": "error_after", "status": 500}),
        json!({"kind": "rate_limit", "retry_after_seconds": 7}),
        json!({"kind": "delay_before", "milliseconds": milliseconds}),
        json!({"kind": "delay_after", "milliseconds": milliseconds}),
        json!({"kind": "malformed_json"}),
        json!({"kind": "truncate", "bytes": 10}),
        json!({"kind": "expire_tokens"}),
        json!({"kind": "webhooks_first"}),
        drain("drain_before"),
        drain("drain_after"),
    ]
}

/// Runs a payout to its end while one fault befalls one call.
async fn run(kind: Kind, call: usize, fault: usize) {
    let mut bench = Bench::funded(kind).await;
    let (method, path) = calls(kind)[call];
    let fault = faults(&bench).swap_remove(fault);
    let case = format!("{kind:?}: {fault} at {method} {path}");
    bench.fault(method, path, fault.clone()).await;
    let mut worker = Worker::with_owner(bench.attempt(1));
    let mut waits = is_delay(&fault);
    for _ in 0..4 {
        worker.step(&bench, false).await;
        let (amount, count) = bench.received().await;
        assert!((amount, count) == (0, 0) || (amount, count) == (AMOUNT_MINOR, 1), "{case}: {amount} in {count}");
        // A request that waits is carried out although nobody waits for its answer. Minutes of the fake pass in no time, so the
        // wait comes before them.
        if waits && bench.fault_hits().await > 0 {
            tokio::time::sleep(DELAY + Duration::from_millis(200)).await;
            waits = false;
        }
        bench.pass(30).await;
    }
    assert_eq!(bench.fault_hits().await, 1, "{case}: the fault did not happen");
    bench.set_balance(100_000).await;
    worker.run(&mut bench, 12).await;
    assert_eq!(worker.end, Some(End::Paid), "{case}: {worker:?}");
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1), "{case}");
    // The last attempt once more, as after a crash of the worker.
    let again = bench.tried(&worker.attempt);
    bench.provider.submit(&again, bench.now()).await;
    bench.pass(400).await;
    assert_eq!(bench.received().await, (AMOUNT_MINOR, 1), "{case}: paid again");
}

fn is_delay(fault: &Value) -> bool {
    fault["kind"].as_str().unwrap().starts_with("delay")
}

/// Runs each fault at each call. Faults that only wait run all at once, the others for one call at a time.
async fn run_all(kind: Kind) {
    let faults = faults(&Bench::start(kind).await);
    let is_slow: Vec<bool> = faults.iter().map(is_delay).collect();
    let of = |slow: bool| (0..is_slow.len()).filter(|fault| is_slow[*fault] == slow).collect::<Vec<_>>();
    let calls = 0..calls(kind).len();
    let slow = calls.clone().flat_map(|call| of(true).into_iter().map(move |fault| run(kind, call, fault)));
    futures::future::join_all(slow.collect::<Vec<_>>()).await;
    for call in calls {
        futures::future::join_all(of(false).into_iter().map(|fault| run(kind, call, fault))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paypal_pays_once_whatever_fails() {
    run_all(Kind::PayPal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_pays_once_whatever_fails() {
    run_all(Kind::Stripe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wise_pays_once_whatever_fails() {
    run_all(Kind::Wise).await;
}
