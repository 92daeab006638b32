//! `stress side-by-side --server OLD --server NEW`: two builds of the server in turns, each on its own database, and the ratio of
//! their rates, latencies and processor time round by round, and of the bytes of a sale. Knows no plain service and no other
//! product.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::ensure;
use headwater::clock;
use tempfile::TempDir;

use super::floors::{BATCH_8, CLICK_256, SALE_1, SALE_256, SALE_256_ONE_ACCOUNT};
use super::ours::Ours;
use super::sales::Target;
use super::table::{BYTES, Figures, IN_ALL, LOG_BYTES, P50, P99, RATE};
use super::{DatabaseKind, Plan, Section};
use crate::comparison::{Comparison, HEADINGS};
use crate::figures::{self, Table};
use crate::load::{Measured, Until};
use crate::shop::ShopSize;
use crate::turns::{part, together, turns};
use testkit::postgres::Postgres;

/// The figures of both servers.
const FIGURES: [(Section, &str, Load); 5] = [
    (Section::Sales, SALE_256, Load::Sales(256)),
    (Section::Sales, SALE_1, Load::Sales(1)),
    (Section::Sales, SALE_256_ONE_ACCOUNT, Load::SalesOfOneAccount(256)),
    (Section::Batch, BATCH_8, Load::Batches(8)),
    (Section::Clicks, CLICK_256, Load::Clicks(256)),
];

/// The figures that are compared besides the rate, each in a table of its own. For each of them less is better.
const COSTS: [(&str, &str); 5] = [
    (P50, "p50 ms, medians"),
    (P99, "p99 ms, medians"),
    (IN_ALL, "processor time in all, us"),
    (BYTES, "bytes on disk"),
    (LOG_BYTES, "bytes of PostgreSQL's log"),
];

/// The kind of load and its number of callers.
#[derive(Debug, Clone, Copy)]
enum Load {
    Sales(usize),
    SalesOfOneAccount(usize),
    Batches(usize),
    Clicks(usize),
}

impl Load {
    async fn run(self, target: &Target, until: Until) -> anyhow::Result<Measured> {
        match self {
            Self::Sales(callers) => target.sales(callers, until).await,
            Self::SalesOfOneAccount(callers) => target.with_one_account().sales(callers, until).await,
            Self::Batches(callers) => target.batches(callers, until).await,
            Self::Clicks(callers) => target.clicks(callers, until).await,
        }
    }
}

/// Measures both servers on each requested database, and fails if the new one is slower than the floor allows.
pub(super) async fn run(plan: Plan, servers: [PathBuf; 2]) -> anyhow::Result<()> {
    let only = &plan.options.only;
    ensure!(
        only.iter()
            .all(|section| { *section == Section::Bytes || FIGURES.iter().any(|(measured, ..)| measured == section) }),
        "two servers are compared by sales, batch, clicks and bytes; leave the others out of --only"
    );
    println!("{}\n", figures::head(plan.seed, &plan.folder)?);
    for (name, server) in Side::NAMES.iter().zip(&servers) {
        println!("{name}: {}", server.display());
    }
    let mut missed = Vec::new();
    for database in DatabaseKind::chosen(plan.options.database) {
        println!("\n{}, {} rounds", database.title(), plan.options.rounds);
        let mut versus =
            Versus::open(plan.clone(), database, servers.each_ref().map(|server| Some(server.as_path()))).await?;
        versus.run().await?;
        missed.extend(versus.missed().into_iter().map(|name| format!("{name} on {}", database.title())));
        versus.close().await?;
    }
    ensure!(missed.is_empty(), "below {} of the old server: {}", plan.options.floor, missed.join("; "));
    Ok(())
}

/// One of the two servers.
struct Side {
    ours: Ours,
    figures: Figures,
}

impl Side {
    /// The names of the two, also of their folders and databases.
    const NAMES: [&str; 2] = ["old", "new"];
}

/// Both servers, on one kind of database.
struct Versus {
    plan: Plan,
    sides: [Side; 2],
    /// Dropped after the servers.
    postgres: Option<Postgres>,
    /// Dropped last.
    _folder: TempDir,
}

impl Versus {
    /// Starts both with the same merchants. Tests pass no binaries.
    async fn open(plan: Plan, database: DatabaseKind, servers: [Option<&Path>; 2]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("headwater-stress-").tempdir_in(&plan.folder)?;
        let postgres = match database {
            DatabaseKind::Postgres => Some(Postgres::start_new()?),
            DatabaseKind::Sqlite => None,
        };
        let open = async |place: usize| {
            let rules = if place == 1 { plan.options.rules } else { 0 };
            let (name, shops) = (Side::NAMES[place], (plan.accounts, ShopSize { rules, ..plan.size }));
            let ours = Ours::open_as(name, postgres.as_ref(), servers[place], folder.path(), shops, plan.seed).await?;
            anyhow::Ok(Side { ours, figures: Figures::default() })
        };
        let sides = [open(0).await?, open(1).await?];
        Ok(Self { plan, sides, postgres, _folder: folder })
    }

    /// Runs all rounds and prints the results.
    async fn run(&mut self) -> anyhow::Result<()> {
        // Warms up: a new server fills its caches and makes PostgreSQL analyse its tables for the first time.
        for side in &self.sides {
            Load::Sales(256).run(&side.ours.target, part(self.plan.until)).await?;
        }
        for round in 1..=self.plan.options.rounds {
            let begun = clock::monotonic_now();
            for (section, name, load) in FIGURES {
                if self.plan.wants(section) {
                    self.measure(name, load, round).await?;
                }
            }
            println!("round {round} took {:.0} s", begun.elapsed().as_secs_f64());
        }
        if self.plan.wants(Section::Bytes) {
            self.bytes().await?;
        }
        for (name, side) in Side::NAMES.iter().zip(&self.sides) {
            println!("\n{name}:\n{}", side.figures.report());
        }
        println!("{}", self.table());
        for (figure, title) in COSTS {
            if let Some(table) = self.table_of_costs(figure, title) {
                println!("{table}");
            }
        }
        self.check_books().await
    }

    /// Measures each side in parts that take turns, so that changes in the machine's speed affect both alike.
    async fn measure(&mut self, name: &'static str, load: Load, round: u32) -> anyhow::Result<()> {
        let until = part(self.plan.until);
        let mut parts = [Vec::new(), Vec::new()];
        for place in turns(2, round) {
            parts[place].push(load.run(&self.sides[place].ours.target, until).await?);
        }
        for (side, parts) in self.sides.iter_mut().zip(parts) {
            if let Some(measured) = parts.into_iter().reduce(together) {
                side.figures.add_measured(name, &measured);
            }
        }
        Ok(())
    }

    /// The growth of each database by a sale. Measured once and last, because a checkpoint changes the speed of the sales after it.
    async fn bytes(&mut self) -> anyhow::Result<()> {
        for side in &mut self.sides {
            let before = side.ours.measure_size(self.postgres.as_ref()).await?;
            let until = Until::Calls(self.plan.options.bytes_sales);
            let sales = side.ours.target.sales(256, until).await?.units;
            let growth = side.ours.measure_size(self.postgres.as_ref()).await?.growth_since(before, sales);
            side.figures.add_growth(SALE_256, growth);
        }
        Ok(())
    }

    /// This figure of every load for which it was measured.
    fn comparisons(&self, figure: &'static str) -> Vec<Comparison> {
        let [old, new] = &self.sides;
        let of = |name| Comparison::of(name, old.figures.values((name, figure)), new.figures.values((name, figure)));
        FIGURES.iter().filter_map(|(_, name, _)| of(name)).collect()
    }

    /// The loads whose ratio of rates misses the floor.
    fn missed(&self) -> Vec<String> {
        let floor = self.plan.options.floor;
        let rates = self.comparisons(RATE).into_iter();
        rates.filter(|rate| rate.ratio.median < floor).map(|rate| rate.name).collect()
    }

    fn table(&self) -> Table {
        let floor = self.plan.options.floor;
        let mut table = Table::new(&[&["per second, medians"][..], &HEADINGS[..], &[""][..]].concat());
        for rate in self.comparisons(RATE) {
            let verdict = if rate.ratio.median >= floor { "pass" } else { "MISS" };
            let mut cells = rate.cells();
            cells.push(format!("{verdict} (at least {floor})"));
            table.row(cells);
        }
        table
    }

    /// The table of a figure of which less is better. `None` if it was not measured.
    fn table_of_costs(&self, figure: &'static str, title: &str) -> Option<Table> {
        let comparisons = self.comparisons(figure);
        let mut table = Table::new(&[&[title][..], &HEADINGS[..]].concat());
        comparisons.iter().for_each(|comparison| table.row(comparison.cells()));
        (!comparisons.is_empty()).then_some(table)
    }

    /// Checks on both sides that the acknowledged sales are exactly those in the database.
    async fn check_books(&self) -> anyhow::Result<()> {
        for (name, side) in Side::NAMES.iter().zip(&self.sides) {
            let acknowledged = side.ours.check_books(&[]).await?;
            println!(
                "{name}: {acknowledged} sales acknowledged, as many in the books, ledger verified; {} clicks; {} calls repeated",
                side.ours.target.clicks.load(Ordering::Relaxed),
                side.ours.target.repeated.load(Ordering::Relaxed)
            );
        }
        Ok(())
    }

    /// Stops both servers.
    async fn close(self) -> anyhow::Result<()> {
        for side in self.sides {
            side.ours.close().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::ShopSize;
    use crate::side_by_side::Options;

    /// Runs everything once with a few calls of each, with two servers in this process. The run itself checks that all
    /// acknowledged sales were written.
    async fn compare_briefly(database: DatabaseKind) {
        let options = Options {
            database: Some(database),
            rounds: 2,
            seconds: 1,
            only: Vec::new(),
            server: Vec::new(),
            floor: 0.0,
            folder: None,
            feed_sales: 0,
            bytes_sales: 200,
            rules: 3,
            seed: Some(1),
        };
        let plan = Plan {
            until: Until::Calls(4),
            accounts: 2,
            size: ShopSize { affiliates: 2, leads: 20, rules: 0 },
            ..Plan::of(options)
        };
        let mut versus = Versus::open(plan, database, [None, None]).await.unwrap();
        versus.run().await.unwrap();
        for cost in [P50, P99, IN_ALL] {
            assert_eq!(versus.comparisons(cost).len(), FIGURES.len(), "{cost}");
        }
        let [bytes] = versus.comparisons(BYTES).try_into().unwrap();
        assert!(bytes.ratio.median > 0.5 && bytes.ratio.median < 2.0, "{bytes:?}");
        assert_eq!(versus.comparisons(LOG_BYTES).len(), usize::from(database == DatabaseKind::Postgres));
        let comparisons = versus.comparisons(RATE);
        let measured: Vec<_> = comparisons.iter().map(|comparison| comparison.name.clone()).collect();
        assert_eq!(measured, FIGURES.map(|(_, name, _)| name));
        assert!(comparisons.iter().all(|comparison| comparison.ratios.len() == 2 && comparison.ratio.least > 0.0));
        assert!(versus.missed().is_empty());
        versus.plan.options.floor = f64::INFINITY;
        assert_eq!(versus.missed(), measured);
        for side in &versus.sides {
            assert!(side.ours.target.acknowledged.load(Ordering::Relaxed) > 0);
        }
        versus.close().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_servers_are_compared_on_sqlite() {
        compare_briefly(DatabaseKind::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_servers_are_compared_on_postgresql() {
        // Without PostgreSQL there is nothing to test.
        if Postgres::is_installed("psql") {
            compare_briefly(DatabaseKind::Postgres).await;
        }
    }
}
