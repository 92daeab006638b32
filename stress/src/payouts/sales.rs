//! Sales of another account at a fixed rate, and how long each took by the phase in which it was sent. Does not know what the phases do.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headwater::clock;
use testkit::client::Client;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::figures::Latencies;
use crate::shop::{REPEAT_DELAY, Shop};

/// The number of callers that share the rate.
const CALLERS: u32 = 4;

/// What goes on meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Quiet,
    Preview,
    Creation,
    Approval,
    Sending,
    /// The server is killed and starts again.
    Outage,
    /// The last payouts wait for the leases of the killed server.
    Lease,
}

impl Phase {
    /// Those that are reported.
    pub(super) const MEASURED: [Self; 5] = [Self::Quiet, Self::Preview, Self::Creation, Self::Approval, Self::Sending];

    const ALL: [Self; 7] =
        [Self::Quiet, Self::Preview, Self::Creation, Self::Approval, Self::Sending, Self::Outage, Self::Lease];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Preview => "preview",
            Self::Creation => "creation",
            Self::Approval => "approval",
            Self::Sending => "sending",
            Self::Outage => "outage",
            Self::Lease => "lease",
        }
    }
}

/// What the callers share.
struct Shared {
    is_over: AtomicBool,
    phase: AtomicUsize,
    number: AtomicU64,
    failures: AtomicU64,
    latencies: Vec<Mutex<Latencies>>,
}

/// See the head of the file.
pub(super) struct Sales {
    shared: Arc<Shared>,
    callers: JoinSet<()>,
}

impl Sales {
    /// Begins to record so many sales per second.
    pub(super) async fn begin(url: &str, shop: &Shop, rate: u32) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            is_over: AtomicBool::new(false),
            phase: AtomicUsize::new(0),
            number: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            latencies: Phase::ALL.iter().map(|_| Mutex::new(Latencies::new())).collect(),
        });
        let interval = Duration::from_secs(1) * CALLERS / rate.max(1);
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let client = Client::connect(url, &shop.key).await?;
            callers.spawn(sell(client, shop.clone(), Arc::clone(&shared), interval));
        }
        Ok(Self { shared, callers })
    }

    /// Says what goes on from now on.
    pub(super) fn enter(&self, phase: Phase) {
        self.shared.phase.store(phase as usize, Ordering::SeqCst);
    }

    /// Stops the callers. Returns how many calls failed and were repeated.
    pub(super) async fn end(&mut self) -> u64 {
        self.shared.is_over.store(true, Ordering::SeqCst);
        while self.callers.join_next().await.is_some() {}
        self.shared.failures.load(Ordering::SeqCst)
    }

    /// How many sales were sent in a phase, and their p50 and p99 in milliseconds.
    pub(super) fn figures(&self, phase: Phase) -> (u64, f64, f64) {
        let latencies = self.shared.latencies[phase as usize].lock().unwrap_or_else(PoisonError::into_inner);
        (latencies.count(), latencies.p50(), latencies.p99())
    }

    pub(super) fn p99(&self, phase: Phase) -> f64 {
        self.figures(phase).2
    }
}

async fn sell(mut client: Client, shop: Shop, shared: Arc<Shared>, interval: Duration) {
    let mut interval = tokio::time::interval(interval);
    // A late call does not make the next ones follow each other.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !shared.is_over.load(Ordering::SeqCst) {
        interval.tick().await;
        let sale = shop.sale("beside", shared.number.fetch_add(1, Ordering::SeqCst));
        let phase = shared.phase.load(Ordering::SeqCst);
        let begun = clock::monotonic_now();
        loop {
            match client.tracking.record_sale(sale.clone()).await {
                Ok(_) => break,
                Err(_) if shared.is_over.load(Ordering::SeqCst) => return,
                Err(_) => {
                    shared.failures.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(REPEAT_DELAY).await;
                }
            }
        }
        shared.latencies[phase].lock().unwrap_or_else(PoisonError::into_inner).record(begun.elapsed());
    }
}
