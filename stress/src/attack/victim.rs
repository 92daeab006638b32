//! The victim: a shop that goes on as every day while somebody attacks. It counts what succeeds, in each phase of a row. Does not
//! know what the attack is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headwater::clock;
use headwater_client::pb;
use headwater_client::pb::watch_conversions_response::Content;
use testkit::client::Client;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tonic::Request;
use tonic::transport::Endpoint;

use super::scene::{Scene, sale_item};
use crate::feed;
use crate::figures::Latencies;
use crate::shop::Shop;

/// The number of callers, each with its own connection.
const CALLERS: usize = 4;

/// How often each caller calls. The rate is fixed, so that the server has the same work in each phase.
const CALL_INTERVAL: Duration = Duration::from_millis(10);

/// How often somebody connects anew, and how often the health is asked.
const SELDOM_INTERVAL: Duration = Duration::from_millis(100);

/// How long the reader of the feed may need for the last events.
const FEED_PATIENCE: Duration = Duration::from_secs(10);

/// Reads at once in the warm-up. They make the server open all the database connections that it will ever open.
const WARM_UP_READS: usize = 32;

/// Batches of 1,000 sales in the warm-up. Reading them all fills the page caches of the connections that read.
const WARM_UP_BATCHES: u64 = 4;

/// Busy moments in the warm-up, the calls of each, and the connections that they come over. An attack makes the victim's calls come in
/// heaps, and a server that has never seen a heap keeps the memory that it first needs for one.
const WARM_UP_HEAPS: usize = 12;
const WARM_UP_HEAP_CALLS: usize = 128;
const WARM_UP_CONNECTIONS: usize = 96;

/// The parts of a row's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    WarmUp,
    Quiet,
    Attack,
    After,
}

/// What happened to calls that began in one phase.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) calls: Outcomes,
    /// Calls on connections that were opened for the call.
    pub(super) newcomers: Outcomes,
    /// Health checks on a connection that stays open.
    pub(super) health: Outcomes,
    /// Of successful calls.
    pub(super) latencies: Latencies,
    /// The first failures, with how often they were seen.
    pub(super) failures: BTreeMap<String, u64>,
}

/// Successes and failures.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outcomes {
    pub(super) good: u64,
    pub(super) bad: u64,
}

impl Outcomes {
    fn count(&mut self, is_good: bool) {
        *(if is_good { &mut self.good } else { &mut self.bad }) += 1;
    }

    /// The share of successes, in percent. 0 without calls, because nothing is shown then.
    pub(super) fn percent(self) -> f64 {
        100.0 * self.good as f64 / (self.good + self.bad).max(1) as f64
    }
}

/// Who calls.
#[derive(Clone, Copy)]
enum Caller {
    Usual,
    Newcomer,
    Health,
}

impl Caller {
    /// The beginning of its failures.
    fn name(self) -> &'static str {
        match self {
            Self::Usual => "",
            Self::Newcomer => "newcomer: ",
            Self::Health => "health: ",
        }
    }
}

struct Shared {
    shop: Shop,
    endpoint: Endpoint,
    /// How long a call may take.
    patience: Duration,
    phase: AtomicUsize,
    records: [Mutex<Record>; 4],
    is_over: AtomicBool,
    numbers: AtomicU64,
    /// Sales that were acknowledged, and events of sales that were read.
    acknowledged: AtomicU64,
    read: AtomicU64,
}

/// The running callers.
pub(super) struct Victim {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    reader: JoinSet<()>,
}

impl Victim {
    /// Warms the server up and starts to call. A call may take as long as `patience`.
    pub(super) async fn start(scene: &Scene, patience: Duration) -> anyhow::Result<Self> {
        let new_record = || {
            let none = Outcomes::default();
            let latencies = Latencies::new();
            Mutex::new(Record { calls: none, newcomers: none, health: none, latencies, failures: BTreeMap::new() })
        };
        let shared = Arc::new(Shared {
            shop: scene.shop.clone(),
            endpoint: scene.endpoint(),
            patience,
            phase: AtomicUsize::new(Phase::WarmUp as usize),
            records: std::array::from_fn(|_| new_record()),
            is_over: AtomicBool::new(false),
            numbers: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            read: AtomicU64::new(0),
        });
        let mut client = scene.client(&scene.shop.key).await?;
        warm_up(&mut client, &scene.shop).await?;
        let newcomers = (0..WARM_UP_CONNECTIONS).map(|_| scene.client(&scene.shop.key));
        call_in_heaps(&futures::future::try_join_all(newcomers).await?, &scene.shop).await?;
        let mut victim = Self { shared: Arc::clone(&shared), tasks: JoinSet::new(), reader: JoinSet::new() };
        let start = feed::latest();
        let request = pb::WatchConversionsRequest { start: Some(start), ..pb::WatchConversionsRequest::default() };
        let stream = client.tracking.watch_conversions(request).await?.into_inner();
        victim.reader.spawn(Arc::clone(&shared).read(client, stream));
        for place in 0..CALLERS {
            let client = scene.client(&scene.shop.key).await?;
            victim.tasks.spawn(Arc::clone(&shared).trade(client, place));
        }
        victim.tasks.spawn(Arc::clone(&shared).arrive());
        victim.tasks.spawn(Arc::clone(&shared).ask_health(scene.client("").await?));
        Ok(victim)
    }

    /// Begins a phase. Calls in progress belong to the phase in which they began.
    pub(super) fn begin(&self, phase: Phase) {
        self.shared.phase.store(phase as usize, Ordering::SeqCst);
    }

    /// Ends the callers. Returns the records of the phases, and how many events of sales the reader of the feed did not get.
    pub(super) async fn stop(mut self) -> ([Record; 4], u64) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        while self.tasks.join_next().await.is_some() {}
        let acknowledged = self.shared.acknowledged.load(Ordering::SeqCst);
        let given_up_at = clock::monotonic_now() + FEED_PATIENCE;
        while self.shared.read.load(Ordering::SeqCst) < acknowledged && clock::monotonic_now() < given_up_at {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.reader.shutdown().await;
        let missed = acknowledged.saturating_sub(self.shared.read.load(Ordering::SeqCst));
        let records = std::array::from_fn(|phase| lock(&self.shared.records[phase]).clone());
        (records, missed)
    }
}

/// Uses all parts of the server that use memory, so that nothing of that is blamed on the attack.
async fn warm_up(client: &mut Client, shop: &Shop) -> anyhow::Result<()> {
    for batch in 0..WARM_UP_BATCHES {
        let numbers = batch * 1_000..(batch + 1) * 1_000;
        let items = numbers.map(|number| sale_item(shop.sale("warm-up", number))).collect();
        client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await?;
    }
    let reads = (0..WARM_UP_READS).map(|_| {
        let mut client = client.clone();
        async move {
            let mut page_token = String::new();
            for _ in 0..WARM_UP_BATCHES {
                let request = pb::ListConversionsRequest {
                    page_size: 1_000,
                    page_token,
                    ..pb::ListConversionsRequest::default()
                };
                page_token = client.tracking.list_conversions(request).await?.into_inner().next_page_token;
            }
            Ok::<_, tonic::Status>(())
        }
    });
    futures::future::try_join_all(reads).await?;
    client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await?;
    Ok(())
}

/// Makes the server need as much memory as busy moments need.
async fn call_in_heaps(clients: &[Client], shop: &Shop) -> anyhow::Result<()> {
    for heap in 0..WARM_UP_HEAPS {
        let calls = clients.iter().cycle().take(WARM_UP_HEAP_CALLS).enumerate().map(|(place, client)| {
            let (mut client, number) = (client.clone(), (heap * WARM_UP_HEAP_CALLS + place) as u64);
            async move {
                if place % 4 == 0 {
                    let request = pb::ListConversionsRequest { page_size: 50, ..pb::ListConversionsRequest::default() };
                    return client.tracking.list_conversions(request).await.map(|_| ());
                }
                client.tracking.record_sale(shop.sale("heap", number)).await.map(|_| ())
            }
        });
        futures::future::try_join_all(calls).await?;
    }
    Ok(())
}

impl Shared {
    /// Calls at a fixed rate until it is over. A call does not wait for the one before, because a stall would then be counted as
    /// the few calls that it held up, and not as all those that came meanwhile. `call` makes one call.
    async fn at_intervals<Answer>(self: Arc<Self>, interval: Duration, caller: Caller, mut call: impl FnMut() -> Answer)
    where
        Answer: Future<Output = Result<(), String>> + Send + 'static,
    {
        let mut due = tokio::time::interval(interval);
        due.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut calls = JoinSet::new();
        while !self.is_over.load(Ordering::SeqCst) {
            due.tick().await;
            while calls.try_join_next().is_some() {}
            let phase = self.phase.load(Ordering::SeqCst);
            let (shared, answer) = (Arc::clone(&self), tokio::time::timeout(self.patience, call()));
            calls.spawn(async move {
                let begun_at = clock::monotonic_now();
                let answer = answer.await.unwrap_or_else(|_| Err(format!("{}no answer in time", caller.name())));
                shared.note(phase, caller, &answer, begun_at.elapsed());
            });
        }
        calls.join_all().await;
    }

    fn note(&self, phase: usize, caller: Caller, answer: &Result<(), String>, latency: Duration) {
        let mut record = lock(&self.records[phase]);
        match caller {
            Caller::Usual => record.calls.count(answer.is_ok()),
            Caller::Newcomer => record.newcomers.count(answer.is_ok()),
            Caller::Health => record.health.count(answer.is_ok()),
        }
        match answer {
            Ok(()) if matches!(caller, Caller::Usual) => record.latencies.record(latency),
            Ok(()) => {}
            Err(failure) => *record.failures.entry(failure.clone()).or_default() += 1,
        }
    }

    /// Records sales, and reads.
    async fn trade(self: Arc<Self>, client: Client, place: usize) {
        let (mut turn, shared) = (place, Arc::clone(&self));
        let call = || {
            turn += 1;
            let (mut client, shared, turn) = (client.clone(), Arc::clone(&shared), turn);
            async move { shared.trade_once(&mut client, turn).await.map_err(|status| failure(Caller::Usual, &status)) }
        };
        self.at_intervals(CALL_INTERVAL, Caller::Usual, call).await;
    }

    async fn trade_once(&self, client: &mut Client, turn: usize) -> Result<(), tonic::Status> {
        match turn % 4 {
            0 => {
                let request = pb::ListConversionsRequest { page_size: 50, ..pb::ListConversionsRequest::default() };
                client.tracking.list_conversions(self.timed(request)).await.map(|_| ())
            }
            1 => client.accounts.get_account(self.timed(pb::GetAccountRequest {})).await.map(|_| ()),
            _ => {
                let number = self.numbers.fetch_add(1, Ordering::SeqCst);
                client.tracking.record_sale(self.timed(self.shop.sale("day", number))).await?;
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        }
    }

    fn timed<Message>(&self, message: Message) -> Request<Message> {
        let mut request = Request::new(message);
        request.set_timeout(self.patience);
        request
    }

    /// Opens a connection for each call.
    async fn arrive(self: Arc<Self>) {
        let shared = Arc::clone(&self);
        let call = || {
            let shared = Arc::clone(&shared);
            async move {
                let channel = shared.endpoint.connect().await.map_err(|error| format!("newcomer: {error}"))?;
                let mut client = Client::on(&channel, &shared.shop.key).map_err(|error| error.to_string())?;
                let answer = client.accounts.get_account(shared.timed(pb::GetAccountRequest {})).await;
                answer.map(|_| ()).map_err(|status| failure(Caller::Newcomer, &status))
            }
        };
        self.at_intervals(SELDOM_INTERVAL, Caller::Newcomer, call).await;
    }

    async fn ask_health(self: Arc<Self>, client: Client) {
        /// `HealthCheckResponse.SERVING`.
        const SERVING: i32 = 1;
        let call = || {
            let client = client.clone();
            async move {
                // On the wire the request is the empty message, and the answer one number in field 1.
                let answer: Result<i32, _> = client.call("grpc.health.v1.Health/Check", ()).await;
                match answer.map_err(|status| failure(Caller::Health, &status))? {
                    SERVING => Ok(()),
                    status => Err(format!("health: status {status}")),
                }
            }
        };
        self.at_intervals(SELDOM_INTERVAL, Caller::Health, call).await;
    }

    /// Reads the events of sales. A stream that ends is resumed from its cursor.
    async fn read(self: Arc<Self>, mut client: Client, mut stream: tonic::Streaming<pb::WatchConversionsResponse>) {
        let mut cursor = String::new();
        loop {
            match stream.message().await {
                Ok(Some(message)) => {
                    cursor = message.cursor;
                    if let Some(Content::Batch(batch)) = message.content {
                        let sales = batch.events.iter().filter(|event| event.kind() == pb::EventKind::SaleRecorded);
                        self.read.fetch_add(sales.count() as u64, Ordering::SeqCst);
                    }
                    continue;
                }
                Ok(None) => {}
                Err(status) => {
                    let phase = self.phase.load(Ordering::SeqCst);
                    let told = format!("feed: {:?} {}", status.code(), status.message());
                    *lock(&self.records[phase]).failures.entry(told).or_default() += 1;
                }
            }
            loop {
                let start = if cursor.is_empty() { feed::latest() } else { feed::after(cursor.clone()) };
                let request =
                    pb::WatchConversionsRequest { start: Some(start), ..pb::WatchConversionsRequest::default() };
                if let Ok(opened) = client.tracking.watch_conversions(request).await {
                    stream = opened.into_inner();
                    break;
                }
                tokio::time::sleep(SELDOM_INTERVAL).await;
            }
        }
    }
}

/// A failure in few words, so that equal ones are counted together.
fn failure(caller: Caller, status: &tonic::Status) -> String {
    let message: String = status.message().chars().take(80).collect();
    format!("{}{:?} {message}", caller.name(), status.code())
}

fn lock(record: &Mutex<Record>) -> std::sync::MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
