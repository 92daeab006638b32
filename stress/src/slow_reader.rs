//! `stress slow-reader`: sales are written at a fixed rate, and some followers read while others do not. It measures how much
//! server memory the followers that do not read take, and how much they delay the others. Then some followers crash and others
//! are slow. No follower may miss an event or get one twice.

mod stalled;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use headwater::clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::audit::{self, Findings, Seen};
use crate::figures::{self, Latencies, number};
use crate::follower::{Followed, Follower, Habits};
use crate::journal::Journal;
use crate::rig::{DatabaseKind, Rig};
use crate::seller::{self, Market, Seller};
use crate::shop::{Shop, ShopSize};
use stalled::{Awoken, Stalled};
use testkit::client::{self, Client};
use testkit::process::Serving;

/// The server's time limit for a reader that does not read. It is shorter than the default, so that a run reaches it.
const STALL_SECONDS: u64 = 5;

/// The backlog before the first follower connects, so that a follower that does not read stalls at once.
const SALES_BEFORE: usize = 3_000;

/// The number of normal followers.
const READERS: usize = 5;

/// The number of concurrent clients.
const CLIENTS: usize = 8;

/// The most memory for a reader that does not read. It holds two messages and a page, none above about 1 MiB.
const STALLED_MEBIBYTES_MAX: f64 = 3.0;

/// The allocator's normal variation.
const NOISE_MEBIBYTES_MAX: f64 = 64.0;

/// How much slower other followers may become, as a factor and in milliseconds. Beyond that they count as disturbed. The limits
/// are wide, because the machine is noisy.
const SLOWER_MAX: f64 = 3.0;
const SLOWER_MILLISECONDS_MAX: f64 = 100.0;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The database. On PostgreSQL there are two servers.
    #[arg(long, value_enum, default_value_t = DatabaseKind::Sqlite)]
    pub(crate) database: DatabaseKind,
    /// The number of followers that do not read.
    #[arg(long, default_value_t = 100)]
    pub(crate) stalled: usize,
    /// How long sales are written without followers that do not read, and how long with them.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// The most sales written in a second; fewer if the machine cannot keep up.
    #[arg(long, default_value_t = 200)]
    pub(crate) rate: u64,
    /// The number of follower crashes.
    #[arg(long, default_value_t = 100)]
    pub(crate) crashes: usize,
    /// The server's binary; the one beside this program when not set.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// The seed of everything random.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Ignore how long things took, for a machine that is busy with other work.
    #[arg(long)]
    pub(crate) any_speed: bool,
    /// The time limit of the run.
    #[arg(long, default_value_t = 10)]
    pub(crate) minutes_max: u64,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("stress slow-reader, {:?}, seed {seed}", options.database);
    let limit = Duration::from_secs(options.minutes_max * 60);
    tokio::time::timeout(limit, stall_and_check(&options, seed)).await.context("it took too long")?
}

/// The results of one period for the normal clients and followers.
struct Stretch {
    /// Latencies of sales, from the call to its answer.
    sales: Latencies,
    /// Delays of events, from their commit to their readers.
    delays: Latencies,
    /// The server's peak memory.
    mebibytes: f64,
}

/// The server or servers, and the shop.
struct Scene {
    rig: Rig,
    /// Only on PostgreSQL.
    second: Option<Serving>,
    shop: Shop,
    urls: Vec<String>,
    random: fastrand::Rng,
    journal: Journal,
    /// Numbers the periods, so that each has its own event_ids.
    stretches: usize,
}

async fn stall_and_check(options: &Options, seed: u64) -> anyhow::Result<()> {
    let mut scene = Scene::open(options, seed).await?;
    let without = scene.stretch(options).await?;
    let stalled = Stalled::open(&scene.rig.options.listen_address, &scene.shop.key, options.stalled).await?;
    let with = scene.stretch(options).await?;
    // The wait covers followers that were opened late.
    tokio::time::sleep(Duration::from_secs(STALL_SECONDS)).await;
    let (crashes, readers, event_counts) = scene.crash_and_crawl(options).await?;

    let mut client = Client::connect(&scene.rig.url(), &scene.shop.key).await?;
    let (mut findings, feed) = audit::audit(&mut client, &scene.shop, &scene.journal).await?;
    let awoken = stalled.wake(&scene.rig.url(), &scene.shop.key, feed.len()).await?;
    awoken.faults.iter().for_each(|fault| findings.fault(fault.clone()));
    compare(&mut findings, "one that had taken nothing", &awoken.held, &feed);
    // The senders are kept until the readers are done, because a reader stops when its sender is dropped.
    for event_count in &event_counts {
        event_count.send_replace(Some(feed.len()));
    }
    for (name, reader) in readers {
        compare(&mut findings, name, &[reader.await?], &feed);
    }
    if let Some(second) = &scene.second {
        let mut client = Client::connect(&second.url(), &scene.shop.key).await?;
        let other: Vec<Seen> = audit::feed(&mut client).await?.iter().map(Seen::from).collect();
        findings.compare_feed("the second server", &other, &feed);
    }
    report(options, &findings, &without, &with, &awoken, crashes)
}

fn compare(findings: &mut Findings, name: &str, readers: &[Followed], feed: &[Seen]) {
    for reader in readers {
        findings.compare_feed(name, &reader.events, feed);
        reader.surprises.iter().for_each(|surprise| findings.fault(surprise.clone()));
    }
}

impl Scene {
    async fn open(options: &Options, seed: u64) -> anyhow::Result<Self> {
        let stall = STALL_SECONDS.to_string();
        let flags = ["--feed-stall-seconds", &stall, "--feed-streams-per-key-max", "1000"];
        let rig = Rig::build(options.database, options.server.as_deref(), &flags).await?;
        let second = match options.database {
            DatabaseKind::Sqlite => None,
            DatabaseKind::Postgres => Some(rig.second_server().await?),
        };
        let urls = std::iter::once(rig.url()).chain(second.as_ref().map(Serving::url)).collect();
        let size = ShopSize { affiliates: 5, leads: 200, rules: 0 };
        let shop = Shop::open(&client::connect(&rig.url()).await?, &rig.operator_key()?, "slow", size).await?;
        let random = fastrand::Rng::with_seed(seed);
        let mut scene = Self { rig, second, shop, urls, random, journal: Journal::default(), stretches: 0 };
        scene.sell(SALES_BEFORE, 100).await?;
        Ok(scene)
    }

    /// Records sales as fast as possible.
    async fn sell(&mut self, sales: usize, batch_sales_max: usize) -> anyhow::Result<()> {
        let market = Market::open();
        let sellers = self.set_off(&market, batch_sales_max).await?;
        while market.acknowledged.load(Ordering::SeqCst) < sales {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.close(&market, sellers).await
    }

    async fn set_off(
        &mut self,
        market: &Arc<Market>,
        batch_sales_max: usize,
    ) -> anyhow::Result<Vec<JoinHandle<Journal>>> {
        self.stretches += 1;
        let mut sellers = Vec::new();
        for number in 0..CLIENTS {
            let seller = Seller {
                name: format!("fast-{}-{number}", self.stretches),
                client: Client::connect(&self.urls[number % self.urls.len()], &self.shop.key).await?,
                shop: self.shop.clone(),
                batch_sales_max,
                random: self.random.fork(),
            };
            sellers.push(tokio::spawn(seller.sell(Arc::clone(market))));
        }
        Ok(sellers)
    }

    async fn close(&mut self, market: &Market, sellers: Vec<JoinHandle<Journal>>) -> anyhow::Result<()> {
        market.is_over.store(true, Ordering::SeqCst);
        for seller in sellers {
            self.journal.absorb(seller.await?);
        }
        Ok(())
    }

    fn follower(&mut self, habits: Habits) -> (Follower, watch::Sender<Option<usize>>) {
        let (event_count, counted) = watch::channel(None);
        let follower = Follower {
            urls: self.urls.clone(),
            key: self.shop.key.clone(),
            habits,
            random: self.random.fork(),
            event_count: counted,
            crashes: Arc::default(),
        };
        (follower, event_count)
    }

    /// Records sales at a fixed rate while some followers read, and measures both.
    async fn stretch(&mut self, options: &Options) -> anyhow::Result<Stretch> {
        let readers: Vec<_> = (0..READERS).map(|_| self.follower(Habits::default())).collect();
        let (readers, event_counts): (Vec<_>, Vec<_>) =
            readers.into_iter().map(|(reader, count)| (tokio::spawn(reader.follow()), count)).unzip();
        self.stretches += 1;
        let mut sellers = Vec::new();
        for number in 0..CLIENTS {
            let client = Client::connect(&self.urls[number % self.urls.len()], &self.shop.key).await?;
            let name = format!("even-{}-{number}", self.stretches);
            let (shop, random) = (self.shop.clone(), self.random.fork());
            let interval = Duration::from_secs(1) * u32::try_from(CLIENTS)? / u32::try_from(options.rate.max(1))?;
            let time = Duration::from_secs(options.seconds);
            sellers.push(tokio::spawn(sell_evenly(client, shop, name, random, interval, time)));
        }
        let mebibytes = self.watch_memory(&sellers).await?;
        let mut sales = Latencies::new();
        for seller in sellers {
            let (journal, latencies) = seller.await??;
            self.journal.absorb(journal);
            sales.add(&latencies);
        }
        let mut client = Client::connect(&self.rig.url(), &self.shop.key).await?;
        let event_count = audit::feed(&mut client).await?.len();
        event_counts.iter().for_each(|sender| {
            sender.send_replace(Some(event_count));
        });
        let mut delays = Latencies::new();
        for reader in readers {
            for micros in reader.await?.delays_micros {
                delays.record_micros(u64::try_from(micros).unwrap_or_default());
            }
        }
        Ok(Stretch { sales, delays, mebibytes })
    }

    /// The server's peak memory until the sellers are done.
    async fn watch_memory<T>(&self, sellers: &[JoinHandle<T>]) -> anyhow::Result<f64> {
        let pid = self.rig.server_pid()?;
        let mut most = 0.0_f64;
        while sellers.iter().any(|seller| !seller.is_finished()) {
            most = most.max(figures::resident_mebibytes(pid));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(most)
    }

    /// Records sales until a follower has crashed often enough. At the same time other followers take a millisecond for each
    /// event. Returns the number of crashes and the followers, which go on until they get the final number of events.
    async fn crash_and_crawl(
        &mut self,
        options: &Options,
    ) -> anyhow::Result<(usize, Vec<(&'static str, JoinHandle<Followed>)>, Vec<watch::Sender<Option<usize>>>)> {
        let slow = Habits { event_pause: Duration::from_millis(1), batch_events_max: 10, ..Habits::default() };
        let crashing = Habits { messages_to_crash_max: Some(6), batch_events_max: 200, ..Habits::default() };
        let crashes = Arc::new(AtomicUsize::new(0));
        let (mut followers, mut event_counts) = (Vec::new(), Vec::new());
        for (name, habits) in [
            ("a slow reader", &slow),
            ("a slow reader", &slow),
            ("one that crashes", &crashing),
            ("a reader", &Habits::default()),
        ] {
            let (mut follower, event_count) = self.follower(habits.clone());
            follower.crashes =
                if habits.messages_to_crash_max.is_some() { Arc::clone(&crashes) } else { Arc::default() };
            followers.push((name, tokio::spawn(follower.follow())));
            event_counts.push(event_count);
        }
        let market = Market::open();
        let sellers = self.set_off(&market, 1).await?;
        while crashes.load(Ordering::SeqCst) < options.crashes {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.close(&market, sellers).await?;
        Ok((crashes.load(Ordering::SeqCst), followers, event_counts))
    }
}

/// Records one sale after the other, each at its scheduled time.
async fn sell_evenly(
    mut client: Client,
    shop: Shop,
    name: String,
    mut random: fastrand::Rng,
    interval: Duration,
    time: Duration,
) -> anyhow::Result<(Journal, Latencies)> {
    let (mut journal, mut latencies) = (Journal::default(), Latencies::new());
    let begun_at = clock::monotonic_now();
    let mut due = tokio::time::interval(interval);
    // If the machine cannot keep up, fewer sales are sent. Otherwise the figures would show only the backlog.
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    while begun_at.elapsed() < time {
        due.tick().await;
        let order = seller::order(&shop, format!("{name}-{number:06}"), &mut random);
        number += 1;
        journal.sent(&order);
        let sent_at = clock::monotonic_now();
        match seller::record(&mut client, std::slice::from_ref(&order)).await.pop() {
            Some(Ok(answer)) => journal.answered(&order.event_id, answer),
            Some(Err(failure)) => bail!("{} failed: {}", order.event_id, failure.message),
            None => bail!("{} was not answered", order.event_id),
        }
        latencies.record(sent_at.elapsed());
    }
    Ok((journal, latencies))
}

fn report(
    options: &Options,
    findings: &Findings,
    without: &Stretch,
    with: &Stretch,
    awoken: &Awoken,
    crashes: usize,
) -> anyhow::Result<()> {
    findings.faults.iter().for_each(|fault| println!("  - {fault}"));
    let before_and_after = |value: fn(&Stretch) -> f64| format!("{} / {}", number(value(without)), number(value(with)));
    println!(
        "without / with {} followers that take nothing, {} sales/s, {READERS} readers:",
        options.stalled, options.rate
    );
    println!(
        "  sale p50 {} ms, p99 {} ms",
        before_and_after(|it| it.sales.p50()),
        before_and_after(|it| it.sales.p99())
    );
    println!(
        "  commit to reader p50 {} ms, p99 {} ms ({} / {} events)",
        before_and_after(|it| it.delays.p50()),
        before_and_after(|it| it.delays.p99()),
        without.delays.count(),
        with.delays.count(),
    );
    println!("  the server's memory at most {} MiB", before_and_after(|it| it.mebibytes));
    let growth = with.mebibytes - without.mebibytes;
    println!(
        "took nothing {} (told SLOW_CONSUMER {}, connection gone {}), memory for each of them {} KiB, crashes {crashes}, \
         missed, repeated or out of order {} in {} events, other faults {}, ledger {}",
        awoken.held.len(),
        awoken.told,
        awoken.cut,
        number(growth.max(0.0) * 1024.0 / (options.stalled.max(1) as f64)),
        findings.gaps,
        findings.events,
        findings.fault_count(),
        findings.ledger_text(),
    );
    let is_slower = |value: fn(&Stretch) -> f64| value(with) > SLOWER_MAX * value(without) + SLOWER_MILLISECONDS_MAX;
    if !findings.is_clean() {
        bail!("a promise was broken");
    }
    if growth > STALLED_MEBIBYTES_MAX * (options.stalled as f64) + NOISE_MEBIBYTES_MAX {
        bail!("those that took nothing cost too much memory");
    }
    if !options.any_speed && (is_slower(|it| it.sales.p99()) || is_slower(|it| it.delays.p99())) {
        bail!("those that took nothing disturbed others");
    }
    Ok(())
}
