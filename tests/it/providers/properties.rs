//! Any sequence of faults, crashes, waits and lacks of money, and then recovery: exactly one payment, and never two on the way.

use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};

use super::bench::{AMOUNT_MINOR, Bench, Kind};
use super::worker::{End, Worker};

#[derive(Debug, Clone)]
enum Step {
    /// The next request is befallen by this.
    Fault(Value),
    /// The owner has this much.
    Balance(i64),
    /// The worker's next step. A crash loses its answer.
    Work { crashes: bool },
    /// Seconds pass.
    Pass(i64),
}

fn fault() -> impl Strategy<Value = Value> {
    let status = || prop::sample::select(vec![500, 502, 503, 504]);
    prop_oneof![
        Just(json!({"kind": "drop_before_apply"})),
        Just(json!({"kind": "apply_then_drop"})),
        status().prop_map(|status| json!({"kind": "error_before", "status": status})),
        status().prop_map(|status| json!({"kind": "error_after", "status": status})),
        Just(json!({"kind": "rate_limit", "retry_after_seconds": 7})),
        Just(json!({"kind": "malformed_json"})),
        Just(json!({"kind": "truncate", "bytes": 10})),
        Just(json!({"kind": "expire_tokens"})),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => fault().prop_map(Step::Fault),
        1 => prop::sample::select(vec![0, AMOUNT_MINOR, 100_000]).prop_map(Step::Balance),
        5 => prop::bool::weighted(0.3).prop_map(|crashes| Step::Work { crashes }),
        2 => prop::sample::select(vec![1, 40, 301, 2_400, 90_000]).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..14)
}

async fn check(kind: Kind, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut bench = Bench::funded(kind).await;
    let mut worker = Worker::with_owner(bench.attempt(1));
    for step in steps {
        match step {
            Step::Fault(fault) => bench.next_fault(fault.clone()).await,
            Step::Balance(amount_minor) => bench.set_balance(*amount_minor).await,
            Step::Work { crashes } => worker.step(&bench, *crashes).await,
            Step::Pass(seconds) => bench.pass(*seconds).await,
        }
        let received = bench.received().await;
        prop_assert!(received == (0, 0) || received == (AMOUNT_MINOR, 1), "{received:?} after {step:?}: {worker:?}");
        // A result that says that the affiliate has the money is true at once.
        prop_assert!(worker.end != Some(End::Paid) || received.1 == 1, "{worker:?}");
    }
    bench.remove_faults().await;
    bench.set_balance(100_000).await;
    worker.run(&mut bench, 20).await;
    prop_assert_eq!(&worker.end, &Some(End::Paid), "{:?}", worker);
    bench.pass(1_000).await;
    prop_assert_eq!(bench.received().await, (AMOUNT_MINOR, 1), "{:?}", worker);
    Ok(())
}

fn config() -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    Config { cases: asked.unwrap_or(60), max_shrink_iters: 300, ..Config::default() }
}

fn check_here(kind: Kind, steps: &[Step]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(check(kind, steps))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn paypal_pays_once_after_any_faults(steps in steps()) {
        check_here(Kind::PayPal, &steps)?;
    }

    #[test]
    fn stripe_pays_once_after_any_faults(steps in steps()) {
        check_here(Kind::Stripe, &steps)?;
    }

    #[test]
    fn wise_pays_once_after_any_faults(steps in steps()) {
        check_here(Kind::Wise, &steps)?;
    }
}
