//! `stress soak`: all calls of merchants, mixed, at a fixed moderate rate for minutes. No call may fail, memory must not grow
//! after warming up, and no descriptor may stay open.

mod mix;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use headwater::clock;
use headwater_client::pb;
use tokio::task::JoinSet;

use crate::audit::{self, Findings};
use crate::figures::{self, Latencies, Spread, number};
use crate::rig::{DatabaseKind, Rig};
use crate::shop::{Shop, ShopSize};
use mix::{Tally, Worker};
use testkit::client::{self, Client};

/// The number of concurrent merchants' processes.
const WORKERS: u64 = 8;

/// How much faster the warm-up is. It must fill the server's caches.
const WARM_UP_SPEED: u64 = 5;

/// Concurrent reads before anything is counted. They make the server open most of the database connections that it will ever open.
const BURST_READS: usize = 32;

/// The time limit for the server to notice that its clients have gone.
const SETTLING_MAX: Duration = Duration::from_secs(20);

/// How much memory may grow: a share of it, and the allocator's normal variation.
const GROWTH_PERCENT_MAX: f64 = 5.0;
const GROWTH_MEBIBYTES_MAX: f64 = 4.0;

/// A shorter run is all warm-up: its memory is printed but not judged.
const JUDGED_MINUTES_MIN: f64 = 2.0;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The database.
    #[arg(long, value_enum, default_value_t = DatabaseKind::Sqlite)]
    pub(crate) database: DatabaseKind,
    /// The duration after warming up.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) minutes: f64,
    /// The duration of the warm-up, at a higher rate.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) warm_up_minutes: f64,
    /// The calls per second.
    #[arg(long, default_value_t = 200)]
    pub(crate) rate: u64,
    /// The server's binary; the one beside this program when not set.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// The seed of everything random.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

/// The server's resources when nobody calls.
#[derive(Debug, Clone, Copy)]
struct Idle {
    mebibytes: f64,
    descriptors: usize,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("stress soak, {:?}, seed {seed}", options.database);
    let mut random = fastrand::Rng::with_seed(seed);
    let rig = Rig::build(options.database, options.server.as_deref(), &[]).await?;
    let size = ShopSize { affiliates: 10, leads: 500, rules: 0 };
    let shop = Arc::new(Shop::open(&client::connect(&rig.url()).await?, &rig.operator_key()?, "soak", size).await?);
    let pid = rig.server_pid()?;

    let warm_up_rate = options.rate.saturating_mul(WARM_UP_SPEED);
    let mut tally = load((options.warm_up_minutes, warm_up_rate), &rig, &shop, &mut random).await?;
    burst(&rig.url(), &shop.key).await?;
    let before = settled(pid, None).await?;
    let soaked = load((options.minutes, options.rate), &rig, &shop, &mut random).await?;
    let samples = soaked.mebibytes.clone();
    tally.add(soaked);
    let after = settled(pid, Some(before)).await?;

    check(&rig, &shop, &mut tally).await?;
    report(&options, &tally, &samples, before, after)
}

/// Runs the workers for this many minutes, at this many calls a second.
async fn load(
    (minutes, rate): (f64, u64),
    rig: &Rig,
    shop: &Arc<Shop>,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Tally> {
    let time = Duration::from_secs_f64(minutes * 60.0);
    let interval = Duration::from_secs(1) * u32::try_from(WORKERS)? / u32::try_from(rate.max(1))?;
    let run = random.u32(..);
    let mut workers: JoinSet<Tally> = JoinSet::new();
    for number in 0..WORKERS {
        let client = Client::connect(&rig.url(), &shop.key).await?;
        let name = format!("soak-{run:08x}-{number}");
        workers.spawn(Worker::new(client, rig.url(), Arc::clone(shop), name, random.fork()).work(interval, time));
    }
    let pid = rig.server_pid()?;
    let mut tally = Tally::default();
    while !workers.is_empty() {
        tokio::select! {
            Some(done) = workers.join_next() => tally.add(done?),
            () = tokio::time::sleep(Duration::from_secs(1)) => tally.mebibytes.push(figures::resident_mebibytes(pid)),
        }
    }
    Ok(tally)
}

async fn burst(url: &str, key: &str) -> anyhow::Result<()> {
    let client = Client::connect(url, key).await?;
    let reads = (0..BURST_READS).map(|_| {
        let mut client = client.clone();
        let request = pb::ListConversionsRequest::default();
        async move { client.tracking.list_conversions(request).await.map(|_| ()) }
    });
    futures::future::try_join_all(reads).await?;
    Ok(())
}

/// The server's resources once its clients have gone. Waits until it has no more open files than before, up to a time limit.
async fn settled(pid: u32, before: Option<Idle>) -> anyhow::Result<Idle> {
    let begun_at = clock::monotonic_now();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let descriptors = descriptors(pid)?;
        let is_done = before.is_some_and(|before| descriptors <= before.descriptors);
        // The first time there is nothing to compare with. A few seconds are then enough to notice closed connections.
        let patience = if before.is_some() { SETTLING_MAX } else { SETTLING_MAX / 5 };
        if is_done || begun_at.elapsed() > patience {
            return Ok(Idle { mebibytes: figures::resident_mebibytes(pid), descriptors });
        }
    }
}

/// The server's open descriptors. Those of a SQLite database are left out: its pool opens a connection when all others are busy,
/// so a slow machine has more of them, up to the pool's own limit.
fn descriptors(pid: u32) -> anyhow::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        // A descriptor may be closed between the listing and this look.
        let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
        let is_database = ["sqlite", "sqlite-wal", "sqlite-shm"]
            .iter()
            .any(|kind| target.extension().is_some_and(|found| found == *kind));
        count += usize::from(!is_database);
    }
    Ok(count)
}

/// Checks the books and the feed, and that every answered sale is there.
async fn check(rig: &Rig, shop: &Shop, tally: &mut Tally) -> anyhow::Result<()> {
    let mut client = Client::connect(&rig.url(), &shop.key).await?;
    let report = audit::verify(&mut client).await?;
    tally.errors.extend(report.differences);
    if !report.ok {
        tally.errors.push("the ledger does not verify".to_owned());
    }
    let events = audit::feed(&mut client).await?;
    for (place, event) in (1..).zip(&events) {
        if event.sequence != place {
            tally.errors.push(format!("the feed has {} where {place} should be", event.sequence));
            break;
        }
    }
    let mut findings = Findings::none();
    audit::check_other_readings(&mut client, &events, &mut findings).await?;
    tally.errors.extend(findings.faults);
    let sales = audit::sales(&mut client).await?.len();
    if sales != tally.sales {
        tally.errors.push(format!("{} sales were answered, {sales} are there", tally.sales));
    }
    Ok(())
}

fn report(options: &Options, tally: &Tally, samples: &[f64], before: Idle, after: Idle) -> anyhow::Result<()> {
    for (kind, latencies) in &tally.latencies {
        println!(
            "  {kind:<10} {:>7} calls, p50 {} ms, p99 {} ms",
            latencies.count(),
            number(latencies.p50()),
            number(latencies.p99())
        );
    }
    tally.errors.iter().take(20).for_each(|error| println!("  - {error}"));
    let fifth = samples.len() / 5;
    let median = |samples: &[f64]| Spread::of(samples).map_or(0.0, |spread| spread.median);
    let (early, late) = (
        median(&samples[..fifth.max(1).min(samples.len())]),
        median(&samples[samples.len().saturating_sub(fifth.max(1))..]),
    );
    let growth = late - early;
    let growth_percent = 100.0 * growth / early.max(1.0);
    println!(
        "{} minutes at {} calls/s: calls {}, errors {}, memory under load {} MiB in the first fifth, {} in the last ({} %); \
         idle before {} MiB and {} descriptors, after {} MiB and {} descriptors",
        number(options.minutes),
        options.rate,
        tally.latencies.values().map(Latencies::count).sum::<u64>(),
        tally.errors.len(),
        number(early),
        number(late),
        number(growth_percent),
        number(before.mebibytes),
        before.descriptors,
        number(after.mebibytes),
        after.descriptors,
    );
    if !tally.errors.is_empty() {
        bail!("something failed");
    }
    if options.minutes >= JUDGED_MINUTES_MIN && growth_percent > GROWTH_PERCENT_MAX && growth > GROWTH_MEBIBYTES_MAX {
        bail!("memory grew");
    }
    if after.descriptors > before.descriptors {
        bail!("descriptors stayed open");
    }
    Ok(())
}
