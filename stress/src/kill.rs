//! `stress kill`: clients record sales while the server is killed, or the database is stopped immediately, many times. At the end
//! every acknowledged sale must be there once, and every other sale at most once. The feed and the books must agree.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use headwater::clock;
use testkit::client::{self, Client};
use testkit::postgres::StopMode;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::audit::{self, Findings};
use crate::follower::{Followed, Follower, Habits};
use crate::journal::Journal;
use crate::rig::{DatabaseKind, Rig};
use crate::seller::{Market, Seller};
use crate::shop::{Shop, ShopSize};

/// The time within which the system must serve again.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// Time between two faults.
const LIFE_MILLISECONDS: std::ops::Range<u64> = 50..500;

/// One in this many kills is followed by another while the server starts.
const KILLED_AGAIN_ONE_IN: usize = 5;

/// The time of that second kill, after the start.
const START_MILLISECONDS: std::ops::Range<u64> = 1..80;

/// One in this many sellers sends batches.
const BATCHES_ONE_IN: usize = 4;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which database.
    #[arg(long, value_enum, default_value_t = DatabaseKind::Sqlite)]
    pub(crate) database: DatabaseKind,
    /// The least number of acknowledged sales.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) sales: usize,
    /// The number of concurrent clients.
    #[arg(long, default_value_t = 8)]
    pub(crate) clients: usize,
    /// How often the server is killed. Default 50 on SQLite, 10 on PostgreSQL.
    #[arg(long)]
    pub(crate) kills: Option<usize>,
    /// How often PostgreSQL is stopped immediately, without a clean shutdown. Default 20.
    #[arg(long)]
    pub(crate) stops: Option<usize>,
    /// The server's binary; the one beside this program when not set.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// The seed of everything random.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Ignore how long it took to serve again, for a machine that is busy with other work.
    #[arg(long)]
    pub(crate) any_speed: bool,
    /// The time limit of the run.
    #[arg(long, default_value_t = 10)]
    pub(crate) minutes_max: u64,
}

/// The next fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    Stop,
}

/// The results of the faults.
#[derive(Default)]
struct Faults {
    kills: usize,
    kills_in_start: usize,
    stops: usize,
    /// The recovery times. A recovery begins with a kill, or when a stopped database answers again. It ends with the first answer
    /// to a call that was sent after the fault.
    recoveries: Vec<Duration>,
    /// The time from the fault to that answer.
    outages: Vec<Duration>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("stress kill, {:?}, seed {seed}", options.database);
    let limit = Duration::from_secs(options.minutes_max * 60);
    tokio::time::timeout(limit, break_and_check(&options, seed)).await.context("it took too long")?
}

async fn break_and_check(options: &Options, seed: u64) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rig = Rig::build(options.database, options.server.as_deref(), &[]).await?;
    let size = ShopSize { affiliates: 5, leads: 200, rules: 0 };
    let shop = Shop::open(&client::connect(&rig.url()).await?, &rig.operator_key()?, "kill", size).await?;

    let market = Market::open();
    let sellers = set_off(options, &rig.url(), &shop, &market, &mut random).await?;
    let (event_count, counted) = watch::channel(None);
    let follower = Follower {
        urls: vec![rig.url()],
        key: shop.key.clone(),
        habits: Habits::default(),
        random: random.fork(),
        event_count: counted,
        crashes: Arc::new(AtomicUsize::new(0)),
    };
    let follower = tokio::spawn(follower.follow());

    let begun_at = clock::monotonic_now();
    let faults = inflict(options, &mut rig, &market, &mut random).await?;
    while market.acknowledged.load(Ordering::SeqCst) < options.sales {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    market.is_over.store(true, Ordering::SeqCst);
    let mut journal = Journal::default();
    for seller in sellers {
        journal.absorb(seller.await?);
    }
    let took = begun_at.elapsed();
    let mut client = Client::connect(&rig.url(), &shop.key).await?;
    let (mut findings, feed) = audit::audit(&mut client, &shop, &journal).await?;
    event_count.send_replace(Some(feed.len()));
    let followed = follower.await?;
    findings.compare_feed("the follower", &followed.events, &feed);
    followed.surprises.iter().for_each(|surprise| findings.fault(surprise.clone()));
    if journal.failures.is_empty() {
        findings.fault("no client noticed anything: nothing was tested".to_owned());
    }
    report(options, &findings, &faults, &journal, &followed, took)
}

async fn set_off(
    options: &Options,
    url: &str,
    shop: &Shop,
    market: &Arc<Market>,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Vec<JoinHandle<Journal>>> {
    let mut sellers = Vec::new();
    for number in 0..options.clients {
        let seller = Seller {
            name: format!("sale-{number}"),
            client: Client::connect(url, &shop.key).await?,
            shop: shop.clone(),
            batch_sales_max: if number % BATCHES_ONE_IN == BATCHES_ONE_IN - 1 { 20 } else { 1 },
            random: random.fork(),
        };
        sellers.push(tokio::spawn(seller.sell(Arc::clone(market))));
    }
    Ok(sellers)
}

/// Causes the faults in random order, and waits after each until calls succeed again.
async fn inflict(
    options: &Options,
    rig: &mut Rig,
    market: &Market,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Faults> {
    let (kills, stops) = match options.database {
        DatabaseKind::Sqlite => (options.kills.unwrap_or(50), 0),
        DatabaseKind::Postgres => (options.kills.unwrap_or(10), options.stops.unwrap_or(20)),
    };
    let mut plan = [vec![Fault::Kill; kills], vec![Fault::Stop; stops]].concat();
    random.shuffle(&mut plan);
    let mut faults = Faults::default();
    market.served_after(clock::monotonic_now()).await;
    for fault in plan {
        tokio::time::sleep(Duration::from_millis(random.u64(LIFE_MILLISECONDS))).await;
        let broken_at = clock::monotonic_now();
        match fault {
            Fault::Kill => {
                rig.kill_server().await?;
                faults.kills += 1;
                if random.usize(0..KILLED_AGAIN_ONE_IN) == 0 {
                    rig.start_and_kill_server(Duration::from_millis(random.u64(START_MILLISECONDS))).await?;
                    faults.kills_in_start += 1;
                }
                rig.start_server().await?;
            }
            Fault::Stop => {
                rig.stop_database(StopMode::Immediate)?;
                rig.start_database()?;
                faults.stops += 1;
            }
        }
        // After a stop of the database, the time that PostgreSQL itself needs to recover does not count. After a kill, all the
        // time counts.
        let mended_at = if fault == Fault::Stop { clock::monotonic_now() } else { broken_at };
        served_again(market, broken_at).await?;
        faults.recoveries.push(mended_at.elapsed());
        faults.outages.push(broken_at.elapsed());
    }
    Ok(faults)
}

async fn served_again(market: &Market, broken_at: Instant) -> anyhow::Result<()> {
    // The limit is far longer than the promised time, because the actual time must be measured too.
    let patience = RECOVERY_MAX * 6;
    tokio::time::timeout(patience, market.served_after(broken_at)).await.context("it never served again")
}

fn report(
    options: &Options,
    findings: &Findings,
    faults: &Faults,
    journal: &Journal,
    followed: &Followed,
    took: Duration,
) -> anyhow::Result<()> {
    let (median, slowest) = median_and_most(&faults.recoveries);
    let (_, longest_outage) = median_and_most(&faults.outages);
    println!("failed calls: {}; the follower connected {} times", journal.failures_text(), followed.connections);
    findings.faults.iter().for_each(|fault| println!("  - {fault}"));
    println!(
        "acknowledged {}, unknown {} (of them there: {}), kills {} (and {} while starting), stops of the database {}, \
         {} s, lost {}, doubled {}, gaps {} in {} events, ledger {}, serving again after {} ms in the median, {} ms at most \
         (longest outage, with the database's own recovery: {} ms)",
        findings.acknowledged,
        findings.unknown,
        findings.unknown_kept,
        faults.kills,
        faults.kills_in_start,
        faults.stops,
        took.as_secs(),
        findings.lost,
        findings.doubled,
        findings.gaps,
        findings.events,
        findings.ledger_text(),
        median.as_millis(),
        slowest.as_millis(),
        longest_outage.as_millis(),
    );
    if !findings.is_clean() {
        bail!("a promise was broken");
    }
    if slowest > RECOVERY_MAX && !options.any_speed {
        bail!("it took longer than {} s to serve again", RECOVERY_MAX.as_secs());
    }
    Ok(())
}

fn median_and_most(times: &[Duration]) -> (Duration, Duration) {
    let mut sorted = times.to_vec();
    sorted.sort();
    (sorted.get(sorted.len() / 2).copied().unwrap_or_default(), sorted.last().copied().unwrap_or_default())
}
