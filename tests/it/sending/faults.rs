//! Every fault of every fake, with servers that end at any step: no payout is paid twice, none is stuck, and the books agree.
//!
//! `HEADWATER_PAYOUTS=500 cargo test --test it sending::faults` is the long form.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use headwater::domain::money::Currency;
use headwater::domain::time::Time;
use headwater::outbound::provider::{
    Attempt, Cancellation, Fee, Funds, Listing, LookUp, NotRead, Provider, SeenPayment, Submission,
};
use serde_json::{Value, json};

use super::bench::{Bench, Kind};
use crate::support::database::TestDatabase;
use crate::support::fakes::send_due;

/// How many payouts each case sends.
fn payout_count() -> usize {
    std::env::var("HEADWATER_PAYOUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// The faults, each of which befalls a third of all requests.
pub(super) fn faults() -> Vec<Value> {
    vec![
        json!({"kind": "drop_before_apply"}),
        json!({"kind": "apply_then_drop"}),
        json!({"kind": "error_before", "status": 500}),
        json!({"kind": "error_after", "status": 503}),
        json!({"kind": "rate_limit", "retry_after_seconds": 7}),
        json!({"kind": "malformed_json"}),
        json!({"kind": "truncate", "bytes": 10}),
        json!({"kind": "expire_tokens"}),
    ]
}

/// A place in a step at which the server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    Never,
    /// The step has begun, and the provider is not called.
    BeforeCall,
    /// The provider was called, and the result is not recorded.
    AfterCall,
}

/// A provider during whose calls the server ends: every third call is the last that is heard of its step.
struct Crashing {
    provider: Arc<dyn Provider>,
    crash: Crash,
    calls: AtomicUsize,
    is_over: Arc<std::sync::atomic::AtomicBool>,
}

impl Crashing {
    fn ends_now(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        self.crash != Crash::Never && !self.is_over.load(Ordering::SeqCst) && call % 3 == 1
    }

    /// Calls unless the server ends before, and gives the answer unless it ends after. A step whose server has ended is panicked out of,
    /// so that it records nothing.
    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        let ends = self.ends_now();
        assert!(!(ends && self.crash == Crash::BeforeCall), "the server ends before the call");
        let answer = call.await;
        assert!(!ends, "the server ends after the call");
        answer
    }
}

impl Provider for Crashing {
    fn submit<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, Submission> {
        self.call(self.provider.submit(attempt, now)).boxed()
    }

    fn look_up<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, LookUp> {
        self.call(self.provider.look_up(attempt, now)).boxed()
    }

    fn cancel<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, Cancellation> {
        self.call(self.provider.cancel(attempt, now)).boxed()
    }

    fn funds(&self, currency: Currency, now: Time) -> BoxFuture<'_, Funds> {
        self.provider.funds(currency, now)
    }

    fn list<'a>(
        &'a self,
        start_at: Time,
        end_at: Time,
        page: Option<&'a str>,
        now: Time,
    ) -> BoxFuture<'a, Result<Listing, NotRead>> {
        self.provider.list(start_at, end_at, page, now)
    }

    fn read<'a>(&'a self, provider_id: &'a str, now: Time) -> BoxFuture<'a, Result<Option<SeenPayment>, NotRead>> {
        self.provider.read(provider_id, now)
    }

    fn fee<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, Fee> {
        self.provider.fee(attempt, now)
    }
}

/// Sends payouts while a fault befalls a third of all requests and every third step ends in a crash; then all works again.
async fn check(database: &TestDatabase, kind: Kind, fault: Option<&Value>, crash: Crash) {
    let is_over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let wrapped = |provider| -> Arc<dyn Provider> {
        Arc::new(Crashing { provider, crash, calls: AtomicUsize::new(0), is_over: Arc::clone(&is_over) })
    };
    let mut bench = Bench::start_with(database, kind, payout_count(), wrapped).await;
    bench.set_balance(100_000_000).await;
    bench.create_run().await;
    if let Some(fault) = fault {
        let part = format!("{kind:?}").to_lowercase();
        bench.fault(json!({"provider": part, "times": 0, "parts_per_million": 333_333, "fault": fault})).await;
    }
    bench.work().await;
    for _ in 0..6 {
        bench.pass(700).await;
    }
    bench.remove_faults().await;
    is_over.store(true, Ordering::SeqCst);
    bench.finish().await;
    bench.check_paid_once().await;
    bench.stop().await;
}

/// Each fault with each crash. In the short form each fault has one of the crashes, and each crash comes with several faults.
async fn check_all(kind: Kind) {
    let crashes = [Crash::Never, Crash::BeforeCall, Crash::AfterCall];
    let is_long = std::env::var_os("HEADWATER_PAYOUTS").is_some();
    for (place, fault) in faults().iter().map(Some).chain([None]).enumerate() {
        for (number, crash) in crashes.into_iter().enumerate() {
            if is_long || number == place % crashes.len() {
                let database = TestDatabase::sqlite().await;
                check(&database, kind, fault, crash).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paypal_pays_each_payout_once_whatever_fails() {
    check_all(Kind::PayPal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_pays_each_payout_once_whatever_fails() {
    check_all(Kind::Stripe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wise_pays_each_payout_once_whatever_fails() {
    check_all(Kind::Wise).await;
}

// On PostgreSQL through two servers.
db_test!(g14_two_servers_at_once_pay_each_payout_once, |database: TestDatabase| async move {
    let mut bench = Bench::start(&database, Kind::PayPal, 64).await;
    bench.set_balance(100_000_000).await;
    bench.create_run().await;
    let other = if database.kind == crate::support::database::DatabaseKind::Postgres {
        Some(bench.second_server().await)
    } else {
        None
    };
    for _ in 0..4 {
        match &other {
            Some(other) => _ = tokio::join!(bench.work(), send_due(other)),
            None => bench.work().await,
        }
        bench.post("clock", json!({"advance_seconds": 60})).await;
        for server in std::iter::once(&bench.server).chain(&other) {
            server.clock.pass(std::time::Duration::from_secs(60));
        }
    }
    bench.finish().await;
    bench.check_paid_once().await;
    // Nothing was even asked for twice.
    assert_eq!(bench.submission_count().await, 64);
});
