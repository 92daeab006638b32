//! `stress statistics`: how fast QueryStats answers with very many sales. Does not know how the server keeps figures.

mod home;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, bail, ensure};
use futures::{TryStreamExt, stream};
use headwater::clock::{self, Clock, SystemClock};
use headwater::domain::calendar::Day;
use headwater_client::pb;
use pb::StatisticGroup as Group;
use testkit::client::Client;
use testkit::process;
use tonic::Code;

use crate::figures::{self, Table, number};
use crate::load::{self, Until};
use crate::shop::{self, Shop, ShopSize};
use crate::side_by_side::DatabaseKind;
use crate::side_by_side::ours::Ours;
use home::{Filled, Home};

/// The number of sales of one call, and of calls at the same time.
const SALES_PER_CALL: u64 = 1_000;
const CALLS_AT_ONCE: usize = 4;

/// The days over which the sales are spread, in order. The last one is yesterday.
const DAYS: u64 = 365;
const DAY_SECONDS: i64 = 86_400;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The database; both, one after the other, when not given.
    #[arg(long, value_enum)]
    database: Option<DatabaseKind>,
    /// The number of sales, spread over a year.
    #[arg(long, default_value_t = 5_000_000)]
    sales: u64,
    /// The number of affiliates, among whom the sales are drawn.
    #[arg(long, default_value_t = 1_000)]
    affiliates: usize,
    /// The number of calls for each figure.
    #[arg(long, default_value_t = 200)]
    calls: u64,
    /// The greatest p50 of any query in milliseconds. Not checked when not given.
    #[arg(long)]
    ceiling: Option<f64>,
    /// The server's binary; the one beside this program when not given.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where the databases are made; the folder for temporary files when not given.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Keeps the databases in this folder. A run that finds them there measures them and records no sales. The same `--sales` and
    /// `--affiliates` must be given.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// The seed of the sales; drawn when not given.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let parent = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("{}", figures::head(seed, &parent)?);
    let mut slow = Vec::new();
    for database in DatabaseKind::chosen(options.database) {
        let (sales, affiliates) = (number(options.sales as f64), options.affiliates);
        println!("\n{}, {sales} sales, {affiliates} affiliates", database.title());
        for (title, p50) in measure(&options, database, &parent, seed).await? {
            if options.ceiling.is_some_and(|ceiling| p50 > ceiling) {
                slow.push(format!("{title} in {p50:.1} ms on {}", database.title()));
            }
        }
    }
    println!("sales {}, queries above the ceiling {}", options.sales, slow.len());
    ensure!(slow.is_empty(), "queries take too long: {}", slow.join("; "));
    Ok(())
}

/// A query: how many days back it begins, what it divides by, and whether it is about one affiliate.
struct Ask {
    title: &'static str,
    days: u64,
    group_by: &'static [Group],
    is_of_affiliate: bool,
}

const ASKS: [Ask; 6] = [
    Ask { title: "sums of a year", days: DAYS, group_by: &[], is_of_affiliate: false },
    Ask { title: "a year by day", days: DAYS, group_by: &[Group::Day], is_of_affiliate: false },
    Ask { title: "a year of an affiliate by day", days: DAYS, group_by: &[Group::Day], is_of_affiliate: true },
    Ask { title: "a day by affiliate", days: 1, group_by: &[Group::Affiliate], is_of_affiliate: false },
    Ask { title: "30 days by affiliate", days: 30, group_by: &[Group::Affiliate], is_of_affiliate: false },
    Ask { title: "90 days by affiliate", days: 90, group_by: &[Group::Affiliate], is_of_affiliate: false },
];

/// Fills a database and measures each query. Returns the p50 of each in milliseconds.
async fn measure(
    options: &Options,
    database: DatabaseKind,
    parent: &Path,
    seed: u64,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let home = Home::open(options.keep.as_deref(), parent, database)?;
    let filled = home.filled()?;
    let postgres = match database {
        DatabaseKind::Postgres => Some(home.start_postgres(parent)?),
        DatabaseKind::Sqlite => None,
    };
    let postgres = postgres.as_ref();
    let binary = process::beside_us("headwater", options.server.as_deref())?;
    let (ours, filled) = match filled {
        Some(filled) => {
            let size = (filled.sales, filled.shop.affiliate_ids.len());
            ensure!(size == (options.sales, options.affiliates), "the kept database has {size:?} sales and affiliates");
            let shops = vec![filled.shop.clone()];
            (Ours::reopen(postgres, &binary, &home.folder, shops, seed).await?, filled)
        }
        None => {
            let shops = (1, ShopSize { affiliates: options.affiliates, leads: 0, rules: 0 });
            let ours = Ours::open(postgres, Some(&binary), &home.folder, shops, seed).await?;
            let filled = fill(options, &ours, seed).await?;
            ours.settle(postgres).await?;
            home.keep(&filled)?;
            (ours, filled)
        }
    };
    let client = client(&ours, &filled.shop)?;
    let (mut table, mut medians) = (Table::new(&["", "p50 ms", "p99 ms", "rows"]), Vec::new());
    for ask in &ASKS {
        let numbers = Arc::new(AtomicU64::new(0));
        let ids = filled.shop.affiliate_ids.iter();
        let requests: Arc<Vec<pb::QueryStatsRequest>> =
            Arc::new(ids.map(|id| request(ask, id, filled.first_second)).collect());
        let measured = load::run(1, Until::Calls(options.calls), &numbers, &[], |_| {
            let (client, requests) = (client.clone(), Arc::clone(&requests));
            Ok(move |number: u64| ask_once(client.clone(), requests[number as usize % requests.len()].clone()))
        })
        .await?;
        let (p50, p99) = (measured.latencies.p50(), measured.latencies.p99());
        let rows = measured.units as f64 / measured.calls.max(1) as f64;
        table.row(vec![ask.title.to_owned(), format!("{p50:.2}"), format!("{p99:.2}"), format!("{rows:.1}")]);
        medians.push((ask.title, p50));
    }
    println!("\n{table}");
    ours.close().await?;
    Ok(medians)
}

/// The first second of the first day.
fn first_second() -> anyhow::Result<i64> {
    let today = i64::from(SystemClock.now().day());
    Ok((today - i64::try_from(DAYS)?) * DAY_SECONDS)
}

fn client(ours: &Ours, shop: &Shop) -> anyhow::Result<Client> {
    Client::on(ours.target.channels.first().context("there is no connection")?, &shop.key)
}

/// Records all sales of the only account, those of a day together.
async fn fill(options: &Options, ours: &Ours, seed: u64) -> anyhow::Result<Filled> {
    let shop = ours.target.shops.first().context("there is no account")?;
    let (client, first_second) = (client(ours, shop)?, first_second()?);
    let begun = clock::monotonic_now();
    let sale = |number: u64| {
        let drawn = shop::drawn(seed, number);
        let day = i64::try_from(number * DAYS / options.sales)?;
        let seconds = first_second + day * DAY_SECONDS + i64::try_from(drawn % DAY_SECONDS.unsigned_abs())?;
        let affiliate = usize::try_from(drawn >> 32)? % options.affiliates.max(1);
        let sale = pb::RecordSaleRequest {
            event_id: format!("sale-{number:010}"),
            coupon_code: shop.coupon_code(affiliate),
            amount: Some(pb::Money { amount_minor: shop::SALE_AMOUNT_MINOR, currency_code: "USD".to_owned() }),
            occur_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            ..pb::RecordSaleRequest::default()
        };
        anyhow::Ok(pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale)) })
    };
    let calls = (0..options.sales.div_ceil(SALES_PER_CALL)).map(|call| {
        let numbers = call * SALES_PER_CALL..options.sales.min((call + 1) * SALES_PER_CALL);
        anyhow::Ok(record(
            client.clone(),
            pb::BatchRecordEventsRequest { items: numbers.map(sale).collect::<Result<_, _>>()? },
        ))
    });
    stream::iter(calls).try_for_each_concurrent(CALLS_AT_ONCE, |call| call).await?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("recorded them in {seconds:.0} s, {:.0} a second", options.sales as f64 / seconds);
    Ok(Filled { shop: shop.clone(), sales: options.sales, first_second })
}

async fn record(mut client: Client, request: pb::BatchRecordEventsRequest) -> anyhow::Result<()> {
    use pb::batch_result::Answer;
    'calls: loop {
        let answer = match client.tracking.batch_record_events(request.clone()).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == Code::Unavailable => {
                tokio::time::sleep(shop::REPEAT_DELAY).await;
                continue;
            }
            Err(status) => return Err(status.into()),
        };
        for result in answer.results {
            match result.answer {
                Some(Answer::Sale(sale)) => {
                    ensure!(sale.rewards.len() == 1, "a sale has {} rewards", sale.rewards.len());
                }
                Some(Answer::Error(error)) if error.code == Code::Unavailable as i32 => {
                    tokio::time::sleep(shop::REPEAT_DELAY).await;
                    continue 'calls;
                }
                other => bail!("a sale was not recorded: {other:?}"),
            }
        }
        return Ok(());
    }
}

fn request(ask: &Ask, affiliate_id: &str, first_second: i64) -> pb::QueryStatsRequest {
    let day = |number: u64| {
        let day = first_second / DAY_SECONDS + i64::try_from(number).unwrap_or_default();
        Day(i32::try_from(day).unwrap_or_default()).to_string()
    };
    let selector = pb::affiliate_selector::Selector::Id(affiliate_id.to_owned());
    pb::QueryStatsRequest {
        page_size: 1_000,
        first_day: day(DAYS - ask.days),
        last_day: day(DAYS - 1),
        group_by: ask.group_by.iter().map(|group| (*group).into()).collect(),
        affiliate: ask.is_of_affiliate.then_some(pb::AffiliateSelector { selector: Some(selector) }),
        ..pb::QueryStatsRequest::default()
    }
}

/// Makes one call. Returns the number of its rows.
async fn ask_once(mut client: Client, request: pb::QueryStatsRequest) -> anyhow::Result<u64> {
    let rows = client.rewards.query_stats(request).await?.into_inner().rows;
    ensure!(rows.iter().any(|row| row.sale_count > 0), "a query found no sales");
    Ok(rows.len() as u64)
}
