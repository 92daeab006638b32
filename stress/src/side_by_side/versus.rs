//! `stress side-by-side --server OLD --server NEW`: two builds of the server in turns, each on its own database, and the ratio of
//! their rates round by round. Knows no plain service and no other product.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::ensure;
use headwater::clock;
use tempfile::TempDir;

use super::floors::{BATCH_8, CLICK_256, SALE_1, SALE_256, SALE_256_ONE_ACCOUNT};
use super::ours::Ours;
use super::sales::Target;
use super::table::{Figures, RATE};
use super::{DatabaseKind, Plan, Section};
use crate::figures::{self, Spread, Table, number};
use crate::load::{Measured, Until};
use testkit::postgres::Postgres;

/// The figures of both servers.
const FIGURES: [(Section, &str, Load); 5] = [
    (Section::Sales, SALE_256, Load::Sales(256)),
    (Section::Sales, SALE_1, Load::Sales(1)),
    (Section::Sales, SALE_256_ONE_ACCOUNT, Load::SalesOfOneAccount(256)),
    (Section::Batch, BATCH_8, Load::Batches(8)),
    (Section::Clicks, CLICK_256, Load::Clicks(256)),
];

/// The order of turns within a measurement: first or second server. The order favours neither server if the machine's speed
/// changes steadily, or at a steadily growing rate.
const TURNS: [usize; 8] = [0, 1, 1, 0, 1, 0, 0, 1];

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
        only.iter().all(|section| FIGURES.iter().any(|(measured, ..)| measured == section)),
        "two servers are compared by sales, batch and clicks; leave the others out of --only"
    );
    println!("{}\n", figures::head(plan.seed, &plan.folder)?);
    for (name, server) in Side::NAMES.iter().zip(&servers) {
        println!("{name}: {}", server.display());
    }
    let databases = match plan.options.database {
        Some(database) => vec![database],
        None => vec![DatabaseKind::Sqlite, DatabaseKind::Postgres],
    };
    let mut missed = Vec::new();
    for database in databases {
        println!("\n{}, {} rounds", title(database), plan.options.rounds);
        let mut versus =
            Versus::open(plan.clone(), database, servers.each_ref().map(|server| Some(server.as_path()))).await?;
        versus.run().await?;
        missed.extend(versus.missed().into_iter().map(|name| format!("{name} on {}", title(database))));
        versus.close().await?;
    }
    ensure!(missed.is_empty(), "below {} of the old server: {}", plan.options.floor, missed.join("; "));
    Ok(())
}

fn title(database: DatabaseKind) -> &'static str {
    match database {
        DatabaseKind::Sqlite => "SQLite",
        DatabaseKind::Postgres => "PostgreSQL",
    }
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
    _postgres: Option<Postgres>,
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
            let (name, shops) = (Side::NAMES[place], (plan.accounts, plan.size));
            let ours = Ours::open_as(name, postgres.as_ref(), servers[place], folder.path(), shops, plan.seed).await?;
            anyhow::Ok(Side { ours, figures: Figures::default() })
        };
        let sides = [open(0).await?, open(1).await?];
        Ok(Self { plan, sides, _postgres: postgres, _folder: folder })
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
        for (name, side) in Side::NAMES.iter().zip(&self.sides) {
            println!("\n{name}:\n{}", side.figures.report());
        }
        println!("{}", self.table());
        self.check_books().await
    }

    /// Measures each side in parts that take turns, so that changes in the machine's speed affect both alike. The side that
    /// begins alternates from round to round.
    async fn measure(&mut self, name: &'static str, load: Load, round: u32) -> anyhow::Result<()> {
        let until = part(self.plan.until);
        let first = usize::from(round.is_multiple_of(2));
        let mut parts = [Vec::new(), Vec::new()];
        for turn in TURNS {
            let place = (first + turn) % 2;
            parts[place].push(load.run(&self.sides[place].ours.target, until).await?);
        }
        for (side, parts) in self.sides.iter_mut().zip(parts) {
            if let Some(measured) = parts.into_iter().reduce(together) {
                side.figures.add_measured(name, &measured);
            }
        }
        Ok(())
    }

    fn comparisons(&self) -> Vec<Comparison> {
        let [old, new] = &self.sides;
        let names = FIGURES.iter().map(|(_, name, _)| *name);
        names.filter_map(|name| Comparison::of(name, &old.figures, &new.figures)).collect()
    }

    /// The figures whose ratio misses the floor.
    fn missed(&self) -> Vec<&'static str> {
        let floor = self.plan.options.floor;
        self.comparisons().iter().filter(|it| !it.is_kept(floor)).map(|it| it.name).collect()
    }

    fn table(&self) -> Table {
        let floor = self.plan.options.floor;
        let mut table = Table::new(&["per second, medians", "old", "new", "new/old by round", "median", "spread", ""]);
        self.comparisons().iter().for_each(|comparison| table.row(comparison.row(floor)));
        table
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

/// A figure of both servers.
struct Comparison {
    name: &'static str,
    old: Spread,
    new: Spread,
    /// The ratio new/old of each round.
    ratios: Vec<f64>,
    ratio: Spread,
}

impl Comparison {
    /// `None` if it was not measured.
    fn of(name: &'static str, old: &Figures, new: &Figures) -> Option<Self> {
        let name_of_rate = (name, RATE);
        let pairs = new.values(name_of_rate).iter().zip(old.values(name_of_rate));
        let ratios: Vec<f64> = pairs.map(|(new, old)| new / old.max(f64::EPSILON)).collect();
        let ratio = Spread::of(&ratios)?;
        Some(Self { name, old: old.spread(name_of_rate)?, new: new.spread(name_of_rate)?, ratios, ratio })
    }

    fn is_kept(&self, floor: f64) -> bool {
        self.ratio.median >= floor
    }

    fn row(&self, floor: f64) -> Vec<String> {
        let by_round: Vec<String> = self.ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
        let verdict = if self.is_kept(floor) { "pass" } else { "MISS" };
        vec![
            self.name.to_owned(),
            number(self.old.median),
            number(self.new.median),
            by_round.join(" "),
            format!("{:.3}", self.ratio.median),
            format!("{:.3} .. {:.3}", self.ratio.least, self.ratio.most),
            format!("{verdict} (at least {floor})"),
        ]
    }
}

/// The limit of one turn, which is a part of the limit of the measurement.
fn part(until: Until) -> Until {
    const PARTS: u32 = TURNS.len() as u32 / 2;
    match until {
        Until::Time(time) => Until::Time(time / PARTS),
        Until::Calls(calls) => Until::Calls(calls.div_ceil(PARTS.into())),
    }
}

/// Merges two runs into one.
fn together(mut one: Measured, other: Measured) -> Measured {
    one.latencies.add(&other.latencies);
    let units = (one.units + other.units).max(1) as f64;
    let weighted = |(a, b): (&f64, &f64)| (a * one.units as f64 + b * other.units as f64) / units;
    Measured {
        calls: one.calls + other.calls,
        units: one.units + other.units,
        seconds: one.seconds + other.seconds,
        processor_micros: one.processor_micros.iter().zip(&other.processor_micros).map(weighted).collect(),
        latencies: one.latencies,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::ShopSize;
    use crate::side_by_side::Options;

    fn rates(rates: &[f64]) -> Figures {
        let mut figures = Figures::default();
        rates.iter().for_each(|rate| figures.add(SALE_256, RATE, *rate));
        figures
    }

    #[test]
    fn the_ratio_is_the_median_of_the_pairs_of_each_round() {
        // The ratio of the medians would be 0.97, because the machine was half as fast in the second round.
        let (old, new) = (rates(&[100.0, 50.0, 100.0]), rates(&[97.0, 49.0, 100.0]));
        let comparison = Comparison::of(SALE_256, &old, &new).unwrap();
        assert_eq!(comparison.ratio, Spread { median: 0.98, least: 0.97, most: 1.0 });
        assert!(comparison.is_kept(0.98));
        assert!(
            comparison.row(0.98).join("|").ends_with("|0.970 0.980 1.000|0.980|0.970 .. 1.000|pass (at least 0.98)")
        );
        assert!(!comparison.is_kept(0.981));
        assert!(comparison.row(0.981).join("|").ends_with("|MISS (at least 0.981)"));
        assert!(Comparison::of(SALE_1, &old, &new).is_none());
    }

    #[test]
    fn two_parts_are_one_run() {
        let part = |units, seconds, micros| Measured {
            calls: units,
            units,
            seconds,
            latencies: figures::Latencies::new(),
            processor_micros: vec![micros],
        };
        let whole = together(part(100, 1.0, 10.0), part(300, 1.0, 20.0));
        assert_eq!((whole.calls, whole.units, whole.per_second()), (400, 400, 200.0));
        assert_eq!(whole.processor_micros, [17.5]);
    }

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
            seed: Some(1),
        };
        let plan = Plan {
            until: Until::Calls(4),
            accounts: 2,
            size: ShopSize { affiliates: 2, leads: 20 },
            ..Plan::of(options)
        };
        let mut versus = Versus::open(plan, database, [None, None]).await.unwrap();
        versus.run().await.unwrap();
        let comparisons = versus.comparisons();
        let measured: Vec<_> = comparisons.iter().map(|comparison| comparison.name).collect();
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
