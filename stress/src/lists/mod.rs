//! `stress lists`: how fast lists by affiliate and by lead answer, long and short ones, on one server or on two builds in turns. Each
//! server fills its own database from the same seed. Does not know how a list is kept.

mod cases;
mod history;
mod pages;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, bail, ensure};
use headwater::clock;
use tempfile::TempDir;
use testkit::client::Client;
use testkit::postgres::Postgres;
use testkit::process;

use crate::comparison::{Comparison, range};
use crate::figures::{self, Spread, Table, number};
use crate::load::{self, Measured, Until};
use crate::shop::{Shop, ShopSize};
use crate::side_by_side::DatabaseKind;
use crate::side_by_side::ours::Ours;
use crate::turns::{part, together, turns};
use cases::Figure;
use history::History;

/// The names of two servers, also of their folders and databases.
const NAMES: [&str; 2] = ["old", "new"];

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The database; both, one after the other, when not given.
    #[arg(long, value_enum)]
    database: Option<DatabaseKind>,
    /// The number of sales in the history. One affiliate has most of them, one customer has a tenth but at most 10,000, and
    /// affiliates and customers with 1 to 20 sales are among the others.
    #[arg(long, default_value_t = 100_000)]
    sales: usize,
    /// Rounds; each measures every list on each server in turns. The figures are medians.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// The number of calls for each figure in a round.
    #[arg(long, default_value_t = 400)]
    calls: u64,
    /// The number of callers at the same time.
    #[arg(long, default_value_t = 2)]
    callers: usize,
    /// The greatest ratio of the new server's p50 to the old one's, in the median of the rounds. Not checked when not given.
    #[arg(long)]
    ceiling: Option<f64>,
    /// The server's binary; the one beside this program when not given. If the flag is given twice, the two builds are compared
    /// with each other. The old build is given first.
    #[arg(long)]
    server: Vec<PathBuf>,
    /// Where the databases are made; the folder for temporary files when not given.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The seed of the history; drawn when not given.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    ensure!(options.server.len() <= 2, "--server may be given twice at most");
    let parent = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("{}", figures::head(seed, &parent)?);
    for (name, server) in NAMES.iter().zip(&options.server) {
        println!("{name}: {}", server.display());
    }
    let history = History::drawn(options.sales, seed);
    let (mut measured, mut slower) = (0, Vec::new());
    for database in DatabaseKind::chosen(options.database) {
        println!("\n{}, {} sales, {} callers", database.title(), number(options.sales as f64), options.callers);
        let mut bench = Bench::open(&options, database, &parent, &history, seed).await?;
        bench.run(&options).await?;
        measured += bench.lists.len();
        slower.extend(bench.slower(&options).into_iter().map(|title| format!("{title} on {}", database.title())));
        bench.close().await?;
    }
    println!("figures {measured}, rounds {}, above the ceiling {}", options.rounds, slower.len());
    ensure!(slower.is_empty(), "slower than the old server: {}", slower.join("; "));
    Ok(())
}

/// A server with the history.
struct Side {
    ours: Ours,
    shop: Shop,
    figures: Vec<Figure>,
}

/// The latencies of one figure: for each server, the p50 and the p99 of each round in milliseconds.
#[derive(Default)]
struct Latencies {
    p50: [Vec<f64>; 2],
    p99: [Vec<f64>; 2],
}

/// All servers on one kind of database.
struct Bench {
    sides: Vec<Side>,
    /// For each figure, in the order of each side's figures.
    lists: Vec<Latencies>,
    /// Dropped after the servers.
    _postgres: Option<Postgres>,
    /// Dropped last.
    _folder: TempDir,
}

impl Bench {
    async fn open(
        options: &Options,
        database: DatabaseKind,
        parent: &Path,
        history: &History,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("headwater-stress-").tempdir_in(parent)?;
        let postgres = match database {
            DatabaseKind::Postgres => Some(Postgres::start_new_in(parent)?),
            DatabaseKind::Sqlite => None,
        };
        let mut sides = Vec::new();
        for (place, name) in NAMES.into_iter().enumerate().take(options.server.len().max(1)) {
            let binary = process::beside_us("headwater", options.server.get(place).map(PathBuf::as_path))?;
            let size = ShopSize { affiliates: history.affiliates(), leads: 0, rules: 0 };
            let shops = (1, size);
            let ours = Ours::open_as(name, postgres.as_ref(), Some(&binary), folder.path(), shops, seed).await?;
            sides.push(Side::fill(ours, postgres.as_ref(), history).await?);
        }
        if let [old, new] = sides.as_slice() {
            for (old, new) in old.figures.iter().zip(&new.figures) {
                ensure!(old.rows() == new.rows(), "{}: the two servers answer different numbers of rows", old.title);
            }
        }
        let lists = sides.first().map(|side| side.figures.len()).unwrap_or_default();
        let lists = std::iter::repeat_with(Latencies::default).take(lists).collect();
        Ok(Self { sides, lists, _postgres: postgres, _folder: folder })
    }

    /// Runs all rounds and prints the results.
    async fn run(&mut self, options: &Options) -> anyhow::Result<()> {
        let until = part(Until::Calls(options.calls));
        for round in 1..=options.rounds {
            for (place, latencies) in self.lists.iter_mut().enumerate() {
                let mut parts = [Vec::new(), Vec::new()];
                for turn in turns(self.sides.len(), round) {
                    parts[turn].push(self.sides[turn].measure(place, options.callers, until).await?);
                }
                for (side, parts) in parts.into_iter().enumerate() {
                    if let Some(measured) = parts.into_iter().reduce(together) {
                        latencies.p50[side].push(measured.latencies.p50());
                        latencies.p99[side].push(measured.latencies.p99());
                    }
                }
            }
        }
        println!("\n{}", self.table());
        Ok(())
    }

    fn table(&self) -> Table {
        if self.sides.len() == 1 { self.table_of_one() } else { self.table_of_both() }
    }

    fn table_of_one(&self) -> Table {
        let mut table = Table::new(&["median (least .. most)", "p50 ms", "p99 ms"]);
        let text = |values: &[f64]| Spread::of(values).map(|spread| spread.to_string()).unwrap_or_default();
        for (title, latencies) in self.titles().zip(&self.lists) {
            table.row(vec![title.to_owned(), text(&latencies.p50[0]), text(&latencies.p99[0])]);
        }
        table
    }

    fn table_of_both(&self) -> Table {
        let of_each =
            |of: &str| [format!("old {of} ms"), format!("new {of} ms"), "new/old".to_owned(), "spread".to_owned()];
        let headings = [&["medians".to_owned()][..], &of_each("p50"), &of_each("p99")].concat();
        let mut table = Table::new(&headings.iter().map(String::as_str).collect::<Vec<_>>());
        for (title, latencies) in self.titles().zip(&self.lists) {
            let mut cells = vec![title.to_owned()];
            for [old, new] in [&latencies.p50, &latencies.p99] {
                let Some(comparison) = Comparison::of(title, old, new) else { continue };
                let medians = [comparison.old.median, comparison.new.median].map(|median| format!("{median:.3}"));
                cells.extend(medians);
                cells.extend([format!("{:.3}", comparison.ratio.median), range(comparison.ratio)]);
            }
            table.row(cells);
        }
        table
    }

    fn titles(&self) -> impl Iterator<Item = &str> {
        self.sides.iter().take(1).flat_map(|side| &side.figures).map(|figure| figure.title.as_str())
    }

    /// The lists that the new server answers too slowly.
    fn slower(&self, options: &Options) -> Vec<String> {
        let Some(ceiling) = options.ceiling else { return Vec::new() };
        let ratios = self.titles().zip(&self.lists).filter_map(|(title, latencies)| {
            let [old, new] = &latencies.p50;
            Comparison::of(title, old, new)
        });
        ratios.filter(|comparison| comparison.ratio.median > ceiling).map(|comparison| comparison.name).collect()
    }

    async fn close(self) -> anyhow::Result<()> {
        for side in self.sides {
            side.ours.close().await?;
        }
        Ok(())
    }
}

impl Side {
    /// Records the history, and checks that the lists have all of it.
    async fn fill(ours: Ours, postgres: Option<&Postgres>, history: &History) -> anyhow::Result<Self> {
        let begun = clock::monotonic_now();
        let shop = ours.target.shops.first().context("there is no account")?.clone();
        let channel = ours.target.channels.first().context("there is no connection")?;
        let mut client = Client::on(channel, &shop.key)?;
        history.record(client.clone(), &shop).await?;
        ours.settle(postgres).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let checked = cases::check(&mut client, &shop, history).await?;
        println!("recorded the history in {seconds:.0} s; {checked} lists are complete");
        let figures = cases::figures(&mut client, &shop, history).await?;
        Ok(Self { ours, shop, figures })
    }

    /// Asks for the pages of one figure in turn.
    async fn measure(&self, figure: usize, callers: usize, until: Until) -> anyhow::Result<Measured> {
        let Some(Figure { title, list, cases }) = self.figures.get(figure) else {
            bail!("there is no figure {figure}")
        };
        let channels = &self.ours.target.channels;
        let numbers = Arc::new(AtomicU64::new(0));
        load::run(callers, until, &numbers, &[], |place| {
            let client = Client::on(&channels[place % channels.len()], &self.shop.key)?;
            let (shop, cases, list, title) = (self.shop.clone(), Arc::clone(cases), *list, title.clone());
            let caller = Arc::new((shop, cases, title));
            Ok(move |number: u64| {
                let (mut client, caller) = (client.clone(), Arc::clone(&caller));
                async move {
                    let (shop, cases, title) = &*caller;
                    let case = &cases[usize::try_from(number)? % cases.len()];
                    let rows = list.page(&mut client, shop, case.number, &case.ask).await?.ids.len();
                    ensure!(rows == case.rows, "{title}: a page has {rows} rows in place of {}", case.rows);
                    Ok(1)
                }
            })
        })
        .await
    }
}
