//! `stress restore`: again and again a copy of the database is taken while clients record sales, and put back later. Readers with
//! cursors from before, at and after the head of the copy go on: they must get every event of the restored feed, or an error. None
//! may skip an event without one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail};
use headwater::clock;
use headwater_client::pb;
use testkit::client::{self, Client};
use testkit::process;
use tokio::process::Command;
use tonic_types::StatusExt;

use crate::feed;
use crate::rig::{DatabaseKind, Rig};
use crate::seller::{Market, Seller};
use crate::shop::{Shop, ShopSize};

/// How many readers of each kind go on after a restore.
const READERS: usize = 10;

/// Sales after a restore, before the readers go on. With many the feed grows past the places of all readers.
const FEW: usize = 3;
const MANY: usize = 300;

/// How long clients record sales before and after the copy is begun.
const LOAD_MILLISECONDS: std::ops::Range<u64> = 150..400;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which database.
    #[arg(long, value_enum, default_value_t = DatabaseKind::Sqlite)]
    pub(crate) database: DatabaseKind,
    /// How many times a copy is taken and put back.
    #[arg(long, default_value_t = 20)]
    pub(crate) times: usize,
    /// The number of concurrent clients.
    #[arg(long, default_value_t = 4)]
    pub(crate) clients: usize,
    /// The server's binary; the one beside this program when not set.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// The seed of everything random.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// The time limit of the run.
    #[arg(long, default_value_t = 20)]
    pub(crate) minutes_max: u64,
}

/// How a copy is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hand {
    Command,
    Person,
}

/// The figures of all rounds.
#[derive(Default)]
struct Figures {
    by_command: usize,
    by_hand: usize,
    /// Acknowledged events that the restores took away.
    undone: usize,
    readers_before: usize,
    readers_at_head: usize,
    readers_after: usize,
    skips: usize,
    wrong_checks: usize,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("stress restore, {:?}, seed {seed}", options.database);
    let limit = Duration::from_secs(options.minutes_max * 60);
    tokio::time::timeout(limit, drill(&options, seed)).await.context("it took too long")?
}

async fn drill(options: &Options, seed: u64) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rig = Rig::build(options.database, options.server.as_deref(), &[]).await?;
    let size = ShopSize { affiliates: 3, leads: 50, rules: 0 };
    let shop = Shop::open(&client::connect(&rig.url()).await?, &rig.operator_key()?, "restore", size).await?;
    let mut figures = Figures::default();
    for round in 0..options.times {
        let hand = if round % 2 == 0 { Hand::Command } else { Hand::Person };
        let copy = rig.folder.path().join(format!("copy-{round}"));
        let old = sell_and_copy(options, &rig, &shop, round, &copy, &mut random).await?;
        // Half of the servers are killed, so that a log lies beside the database.
        if round % 4 < 2 {
            rig.kill_server().await?;
        } else {
            rig.terminate_server().await?;
        }
        put_back(&mut rig, hand, round, &copy).await.with_context(|| format!("round {round}, by {hand:?}"))?;
        if !command(&rig, &["check"]).status().await?.success() {
            figures.wrong_checks += 1;
        }
        rig.start_server().await?;
        let mut client = Client::connect(&rig.url(), &shop.key).await?;
        let (kept, _) = feed::read(&mut client, feed::beginning(), None, None).await?;
        sell(&mut client, &shop, round, if round % 3 == 0 { FEW } else { MANY }).await?;
        go_on(&mut client, &old, kept.len(), &mut figures, &mut random).await?;
        figures.undone += old.len().saturating_sub(kept.len());
        match hand {
            Hand::Command => figures.by_command += 1,
            Hand::Person => figures.by_hand += 1,
        }
        std::fs::remove_file(&copy)?;
    }
    report(&figures)
}

/// Records sales with a copy in the middle, and returns the feed at the end.
async fn sell_and_copy(
    options: &Options,
    rig: &Rig,
    shop: &Shop,
    round: usize,
    copy: &Path,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Vec<pb::Event>> {
    let market = Market::open();
    let mut sellers = Vec::new();
    for number in 0..options.clients {
        let seller = Seller {
            name: format!("round-{round}-{number}"),
            client: Client::connect(&rig.url(), &shop.key).await?,
            shop: shop.clone(),
            batch_sales_max: if number == 0 { 20 } else { 1 },
            random: random.fork(),
        };
        sellers.push(tokio::spawn(seller.sell(Arc::clone(&market))));
    }
    market.served_after(clock::monotonic_now()).await;
    tokio::time::sleep(Duration::from_millis(random.u64(LOAD_MILLISECONDS))).await;
    back_up(rig, copy).await?;
    // At least one more sale follows, which the copy does not have.
    market.served_after(clock::monotonic_now()).await;
    tokio::time::sleep(Duration::from_millis(random.u64(LOAD_MILLISECONDS))).await;
    market.is_over.store(true, Ordering::SeqCst);
    for seller in sellers {
        seller.await?;
    }
    let mut client = Client::connect(&rig.url(), &shop.key).await?;
    Ok(feed::read(&mut client, feed::beginning(), None, None).await?.0)
}

async fn back_up(rig: &Rig, copy: &Path) -> anyhow::Result<()> {
    if let Some(postgres) = &rig.postgres {
        let database = database_name(rig)?;
        let mut dump = postgres.client_program("pg_dump");
        succeed(dump.args(["--format=custom", "--file"]).arg(copy).arg(database)).await?;
    }
    succeed(command(rig, &["backup", "--to"]).arg(copy)).await
}

/// Puts the copy in the place of the database. On PostgreSQL that is a new database, which the server gets.
async fn put_back(rig: &mut Rig, hand: Hand, round: usize, copy: &Path) -> anyhow::Result<()> {
    if rig.postgres.is_some() {
        return put_back_dump(rig, hand, round, copy).await;
    }
    let main = rig.data_dir().join("headwater.sqlite");
    if hand == Hand::Command {
        return succeed(command(rig, &["restore", "--from"]).arg(copy)).await;
    }
    // As docs/backup.md says.
    let aside = rig.folder.path().join(format!("before-restore-{round}"));
    std::fs::create_dir(&aside)?;
    for name in ["headwater.sqlite", "headwater.sqlite-wal", "headwater.sqlite-shm"] {
        let path = rig.data_dir().join(name);
        if path.exists() {
            std::fs::rename(path, aside.join(name))?;
        }
    }
    std::fs::copy(copy, main)?;
    Ok(())
}

async fn put_back_dump(rig: &mut Rig, hand: Hand, round: usize, copy: &Path) -> anyhow::Result<()> {
    let name = format!("restored_{round}");
    let postgres = rig.postgres.as_ref().context("there is no PostgreSQL")?;
    rig.options.database = Some(postgres.create_database(&name).await?);
    if hand == Hand::Person {
        let mut restore = postgres.client_program("pg_restore");
        return succeed(restore.args(["--no-owner", "--dbname", &name]).arg(copy)).await;
    }
    // The command checks the dump and says how it is restored.
    let output = command(rig, &["restore", "--from"]).arg(copy).output().await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().map(str::trim).find(|line| line.starts_with("pg_restore")).context(said.clone())?;
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", postgres.binaries.display());
    succeed(Command::new("sh").args(["-c", line]).env("PATH", path)).await
}

fn database_name(rig: &Rig) -> anyhow::Result<String> {
    let url = rig.options.database.as_ref().context("there is no database URL")?;
    Ok(url.rsplit('/').next().unwrap_or_default().to_owned())
}

/// A command of the server's binary with the server's database.
fn command(rig: &Rig, arguments: &[&str]) -> Command {
    let mut command = process::command::<&str>(&rig.options.binary, &[]);
    command.arg("--data-dir").arg(rig.data_dir());
    if let Some(database) = &rig.options.database {
        command.args(["--database", database]);
    }
    // The caller may add the value of the last one.
    command.args(arguments).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

async fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stderr(std::process::Stdio::piped()).output().await?;
    if !output.status.success() {
        bail!("{:?}: {}", command.as_std(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Records sales that the feed before the restore did not have.
async fn sell(client: &mut Client, shop: &Shop, round: usize, count: usize) -> anyhow::Result<()> {
    let sale = |number: usize| shop.sale(&format!("restored-{round}"), number as u64);
    let item = |number| pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale(number))) };
    let request = pb::BatchRecordEventsRequest { items: (0..count).map(item).collect() };
    client.tracking.batch_record_events(request).await?;
    Ok(())
}

/// Readers of the feed of before go on at their cursors.
async fn go_on(
    client: &mut Client,
    old: &[pb::Event],
    kept: usize,
    figures: &mut Figures,
    random: &mut fastrand::Rng,
) -> anyhow::Result<()> {
    let (restored, _) = feed::read(client, feed::beginning(), None, None).await?;
    if kept == 0 || kept >= old.len() || !restored.iter().zip(&old[..kept]).all(|(new, old)| new.id == old.id) {
        bail!("the copy is not the beginning of the feed: {kept} of {} events", old.len());
    }
    let mut places = vec![kept - 1, kept, old.len() - 1];
    places.extend((0..READERS).map(|_| random.usize(0..kept)));
    places.extend((0..READERS).map(|_| random.usize(kept..old.len())));
    for place in places {
        let went_on = feed::read(client, feed::after(old[place].cursor.clone()), None, None).await;
        match place {
            place if place + 1 < kept => figures.readers_before += 1,
            place if place + 1 == kept => figures.readers_at_head += 1,
            _ => figures.readers_after += 1,
        }
        let is_right = match went_on {
            Ok((events, _)) => {
                let expected = restored.get(place + 1..).unwrap_or_default();
                place < kept && events.iter().map(|event| &event.id).eq(expected.iter().map(|event| &event.id))
            }
            Err(error) => place >= kept && is_typed(&error),
        };
        if !is_right {
            println!(
                "  - the reader after event {} of {kept} kept and {} old ones was not right",
                place + 1,
                old.len()
            );
            figures.skips += 1;
        }
    }
    Ok(())
}

/// Whether the error tells the reader that its events were undone.
fn is_typed(error: &anyhow::Error) -> bool {
    let Some(status) = error.downcast_ref::<tonic::Status>() else { return false };
    let details = status.get_error_details();
    let reason = details.error_info().map_or("", |info| info.reason.as_str());
    reason == "CURSOR_AHEAD_OF_HEAD" || reason == "CURSOR_OF_ANOTHER_HISTORY"
}

fn report(figures: &Figures) -> anyhow::Result<()> {
    println!(
        "put back by command {}, by hand {}, events undone {}, readers before the head {}, at the head {}, after the head {}, \
         silent skips {}, failed checks of the database {}",
        figures.by_command,
        figures.by_hand,
        figures.undone,
        figures.readers_before,
        figures.readers_at_head,
        figures.readers_after,
        figures.skips,
        figures.wrong_checks,
    );
    if figures.skips + figures.wrong_checks > 0 {
        bail!("a promise was broken");
    }
    Ok(())
}
