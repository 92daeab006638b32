//! `stress power`: the server runs under strace while clients record sales, one call at a time and then many. The trace shows
//! whether each acknowledgement left after the sync of its commit. On SQLite it also shows what the disk would have held if the
//! power had failed at that moment. The server is started again on that state, and every acknowledged sale must be there.

mod disk;
mod order;
mod postgres_log;
mod sqlite_log;
mod trace;
mod traced;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::audit::{self, Findings};
use crate::journal::{Entry, Journal};
use crate::rig::{DatabaseKind, Rig};
use crate::seller::{Market, Seller};
use crate::shop::{Shop, ShopSize};
use disk::Disk;
use order::{Log, Order, Pattern};
use postgres_log::PostgresLog;
use sqlite_log::SqliteLog;
use testkit::client::{self, Client};
use testkit::process::{ServerOptions, Serving};
use trace::Trace;
use traced::{Attached, Traced};

/// The prefix of every event_id.
const EVENT_PREFIX: &str = "power-";

/// The number of concurrent clients in the second half.
const CLIENTS: usize = 16;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The database. On PostgreSQL no power failure is simulated; its processes are traced with the server's.
    #[arg(long, value_enum, default_value_t = DatabaseKind::Sqlite)]
    pub(crate) database: DatabaseKind,
    /// The least number of traced acknowledgements.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) sales: usize,
    /// The number of simulated power failures.
    #[arg(long, default_value_t = 200)]
    pub(crate) points: usize,
    /// The server's binary; the one beside this program when not set.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// The seed of everything random.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// The time limit of the run.
    #[arg(long, default_value_t = 15)]
    pub(crate) minutes_max: u64,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("stress power, {:?}, seed {seed}", options.database);
    let limit = Duration::from_secs(options.minutes_max * 60);
    tokio::time::timeout(limit, trace_and_check(&options, seed)).await.context("it took too long")?
}

/// The result of the run.
#[derive(Default)]
struct Outcome {
    acknowledgements: usize,
    commits: usize,
    syncs: usize,
    early: usize,
    points: usize,
    torn: usize,
    /// Changes lost in the power failures.
    lost_changes: usize,
    lost_acknowledgements: usize,
    faults: Vec<String>,
}

async fn trace_and_check(options: &Options, seed: u64) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rig = Rig::build(options.database, options.server.as_deref(), &[]).await?;
    let size = ShopSize { affiliates: 5, leads: 100, rules: 0 };
    let shop = Shop::open(&client::connect(&rig.url()).await?, &rig.operator_key()?, "power", size).await?;
    let path = rig.folder.path().join("trace");
    let (journal, mut disk) = match options.database {
        DatabaseKind::Sqlite => {
            // A clean stop completes the trace.
            rig.terminate_server().await?;
            let disk = Disk::with_all_of(&rig.data_dir())?;
            let traced = Traced::start(&rig.options, &path).await?;
            let journal = sell_in_turn(options, &traced.url, &shop, &mut random).await?;
            traced.stop().await?;
            (journal, Some(disk))
        }
        DatabaseKind::Postgres => {
            let postgres = rig.postgres.as_ref().context("there is no PostgreSQL")?;
            let attached = Attached::to(&[rig.server_pid()?, postgres.pid()?], &path).await?;
            let journal = sell_in_turn(options, &rig.url(), &shop, &mut random).await?;
            attached.detach().await?;
            (journal, None)
        }
    };
    if !journal.failures.is_empty() {
        bail!("calls failed though nothing was broken: {}", journal.failures_text());
    }
    let outcome = replay(options, &rig, &shop, &journal, &path, disk.as_mut(), &mut random).await?;
    report(&outcome, &journal)
}

/// Sells with one call at a time, and then with many.
async fn sell_in_turn(
    options: &Options,
    url: &str,
    shop: &Shop,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Journal> {
    let mut journal = Journal::default();
    for (clients, sales) in [(1, options.sales / 2), (CLIENTS, options.sales - options.sales / 2)] {
        sell(url, shop, clients, sales, &mut journal, random).await?;
    }
    Ok(journal)
}

/// Runs this many clients until this many more sales are acknowledged.
async fn sell(
    url: &str,
    shop: &Shop,
    clients: usize,
    sales: usize,
    journal: &mut Journal,
    random: &mut fastrand::Rng,
) -> anyhow::Result<()> {
    let market = Market::open();
    let mut sellers = Vec::new();
    for number in 0..clients {
        let seller = Seller {
            // All event_ids have the same length, so that none is part of another.
            name: format!("{EVENT_PREFIX}{clients:02}-{number:02}"),
            client: Client::connect(url, &shop.key).await?,
            shop: shop.clone(),
            batch_sales_max: 1,
            random: random.fork(),
        };
        sellers.push(tokio::spawn(seller.sell(Arc::clone(&market))));
    }
    while market.acknowledged.load(Ordering::SeqCst) < sales {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    market.is_over.store(true, Ordering::SeqCst);
    for seller in sellers {
        journal.absorb(seller.await?);
    }
    Ok(())
}

/// Replays the trace, and simulates a power failure at some of the acknowledgements.
async fn replay(
    options: &Options,
    rig: &Rig,
    shop: &Shop,
    journal: &Journal,
    path: &Path,
    mut disk: Option<&mut Disk>,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Outcome> {
    let by_conversion = |(order, answer): (&crate::journal::Order, &crate::journal::Answer)| {
        (answer.conversion_id.clone(), order.event_id.clone())
    };
    let acknowledged: HashMap<String, String> = journal.acknowledged().map(by_conversion).collect();
    let total = acknowledged.len();
    let mut places: Vec<usize> = (1..=total).collect();
    random.shuffle(&mut places);
    let points: BTreeSet<usize> = places.into_iter().take(options.points).collect();
    let socket = match options.database {
        // The server has no other sockets.
        DatabaseKind::Sqlite => String::new(),
        // The name of a socket is FROM->TO. This matches the part up to the arrow.
        DatabaseKind::Postgres => format!("[{}-", rig.options.listen_address),
    };
    let mut order = Order::of(acknowledged, log(options.database, journal), socket);
    let mut outcome = Outcome::default();
    let mut trace = Trace::open(path)?;
    let mut left = BTreeSet::new();
    while let Some(step) = trace.step()? {
        let before = left.len();
        left.extend(order.apply(&step));
        let Some(disk) = disk.as_mut() else { continue };
        disk.apply(&step)?;
        // One step may send several acknowledgements.
        if left.len() > before && points.range(before + 1..=left.len()).next().is_some() {
            let is_torn = outcome.points % 2 == 1;
            let folder = tempfile::Builder::new().prefix("headwater-power-").tempdir()?;
            outcome.lost_changes += disk.leave(folder.path(), is_torn.then_some(&mut *random))?;
            let findings = look_again(&rig.options, folder.path(), shop, &as_of(journal, &left)).await;
            let point = format!("power failure after {} acknowledgements", left.len());
            take_in(&mut outcome, findings, &point);
            outcome.torn += usize::from(is_torn);
        }
    }
    outcome.acknowledgements = order.acknowledgements();
    (outcome.commits, outcome.syncs) = order.log.counts();
    outcome.early = order.early.len();
    if outcome.acknowledgements != total {
        outcome.faults.push(format!("{total} sales were acknowledged, {} are in the trace", outcome.acknowledgements));
    }
    Ok(outcome)
}

fn log(database: DatabaseKind, journal: &Journal) -> Box<dyn Log> {
    // All event_ids have the same length.
    let length = journal.entries.keys().next().map_or(0, String::len);
    let pattern = Pattern { prefix: EVENT_PREFIX.as_bytes().to_vec(), length };
    match database {
        DatabaseKind::Sqlite => Box::new(SqliteLog::new(pattern)),
        DatabaseKind::Postgres => Box::new(PostgresLog::new(pattern)),
    }
}

/// The journal as the clients knew it once these acknowledgements had left. Any other sale may have happened or not.
fn as_of(journal: &Journal, left: &BTreeSet<String>) -> Journal {
    let known = |(event_id, entry): (&String, &Entry)| {
        let answer = entry.answer.clone().filter(|_| left.contains(event_id));
        (event_id.clone(), Entry { order: entry.order.clone(), answer })
    };
    Journal { entries: journal.entries.iter().map(known).collect(), ..Journal::default() }
}

/// Starts a server on the remaining files and compares it with the clients' knowledge.
async fn look_again(options: &ServerOptions, folder: &Path, shop: &Shop, known: &Journal) -> anyhow::Result<Findings> {
    let options = ServerOptions { data_dir: Some(folder.to_owned()), ..options.clone() };
    let server = Serving::start(&options).await?;
    let mut client = Client::connect(&server.url(), &shop.key).await?;
    let (findings, _) = audit::audit(&mut client, shop, known).await?;
    server.kill().await?;
    Ok(findings)
}

fn take_in(outcome: &mut Outcome, findings: anyhow::Result<Findings>, point: &str) {
    outcome.points += 1;
    match findings {
        Ok(findings) => {
            outcome.lost_acknowledgements += findings.lost;
            outcome.faults.extend(findings.faults.into_iter().map(|fault| format!("{point}: {fault}")));
        }
        Err(error) => outcome.faults.push(format!("{point}: {error:#}")),
    }
}

fn report(outcome: &Outcome, journal: &Journal) -> anyhow::Result<()> {
    outcome.faults.iter().take(20).for_each(|fault| println!("  - {fault}"));
    println!(
        "acknowledgements {} of {} sales in {} commits with {} syncs of the log, not preceded by the sync of their commit {}; \
         power failures {} (with torn writes: {}), unsynced writes they took {}, acknowledged sales lost {}, other faults {}",
        outcome.acknowledgements,
        journal.entries.len(),
        outcome.commits,
        outcome.syncs,
        outcome.early,
        outcome.points,
        outcome.torn,
        outcome.lost_changes,
        outcome.lost_acknowledgements,
        outcome.faults.len(),
    );
    if outcome.early + outcome.lost_acknowledgements + outcome.faults.len() > 0 {
        bail!("a promise was broken");
    }
    Ok(())
}
