//! `stress race`: two servers on one PostgreSQL each get three copies of every sale at the same moment. Now and then one of the
//! servers is paused, sometimes for longer than PostgreSQL's limit for an idle transaction. Each sale must become one conversion,
//! and every caller must get the same answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use headwater::clock;
use testkit::client::{self, Client};
use testkit::process::{self, Serving};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::audit::{self, Findings};
use crate::follower::{Follower, Habits};
use crate::journal::{Answer, Failure, Journal, Order};
use crate::rig::{DatabaseKind, Rig};
use crate::seller;
use crate::shop::{Shop, ShopSize};

/// How many copies of each sale go to each server.
const COPIES: usize = 3;

/// The number of concurrent sales.
const SALES_AT_ONCE: usize = 16;

/// One in this many sales belongs to the last account, and all others belong to the first. Some rows are therefore contended and
/// some are not.
const ELSEWHERE_ONE_IN: usize = 4;

/// One in this many pauses is longer than PostgreSQL's limit for an idle transaction.
const LONG_ONE_IN: usize = 5;
const SHORT_MILLISECONDS: std::ops::Range<u64> = 50..1_000;
const LONG_MILLISECONDS: std::ops::Range<u64> = 5_500..8_000;

/// Time between two pauses.
const BETWEEN_MILLISECONDS: std::ops::Range<u64> = 50..400;

/// Attempts before a call counts as never answered.
const TRIES_MAX: usize = 100;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The least number of sales.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) sales: usize,
    /// The number of pauses.
    #[arg(long, default_value_t = 20)]
    pub(crate) pauses: usize,
    /// The number of accounts.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) accounts: u8,
    /// The server's binary; the one beside this program when not set.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// The seed of everything random.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// The time limit of the run.
    #[arg(long, default_value_t = 10)]
    pub(crate) minutes_max: u64,
}

/// One merchant, with a client of each server.
struct Account {
    shop: Shop,
    /// One for each server.
    clients: Vec<Client>,
    journal: Mutex<Journal>,
    /// Sales with more than one answer that claims to be the first.
    first_twice: AtomicUsize,
}

/// State shared by the racing callers.
struct Race {
    accounts: Vec<Account>,
    next: AtomicUsize,
    sales: usize,
    /// Set when the pauses are over and there are enough sales. Then no new sale begins.
    is_over: AtomicBool,
    seed: u64,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("stress race, seed {seed}");
    let limit = Duration::from_secs(options.minutes_max * 60);
    tokio::time::timeout(limit, race_and_check(&options, seed)).await.context("it took too long")?
}

async fn race_and_check(options: &Options, seed: u64) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    let rig = Rig::build(DatabaseKind::Postgres, options.server.as_deref(), &[]).await?;
    let second = rig.second_server().await?;
    let urls = vec![rig.url(), second.url()];
    let race = Arc::new(Race {
        accounts: open_accounts(&rig, options, &urls).await?,
        next: AtomicUsize::new(0),
        sales: options.sales,
        is_over: AtomicBool::new(false),
        seed,
    });
    let (followers, event_counts) = follow(&race, &urls, &mut random);
    let begun_at = clock::monotonic_now();
    let callers: Vec<_> = (0..SALES_AT_ONCE).map(|_| tokio::spawn(sell(Arc::clone(&race)))).collect();
    let long_pauses = pause(options, &rig, &second, &mut random).await?;
    race.is_over.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await??;
    }
    let took = begun_at.elapsed();

    let mut total = Findings::none();
    for ((account, follower), event_count) in race.accounts.iter().zip(followers).zip(event_counts) {
        let journal = account.journal.lock().await;
        let mut findings = check(account, &journal).await?;
        event_count.send_replace(Some(findings.events));
        let followed = follower.await?;
        let feed = audit::feed(&mut account.clients[0].clone()).await?;
        let feed: Vec<_> = feed.iter().map(audit::Seen::from).collect();
        findings.compare_feed("the follower", &followed.events, &feed);
        followed.surprises.iter().for_each(|surprise| findings.fault(surprise.clone()));
        total.add(findings);
    }
    report(&total, &race, options.pauses, long_pauses, took).await
}

async fn open_accounts(rig: &Rig, options: &Options, urls: &[String]) -> anyhow::Result<Vec<Account>> {
    let size = ShopSize { affiliates: 5, leads: 100, rules: 0 };
    let channel = client::connect(&rig.url()).await?;
    let mut accounts = Vec::new();
    for shop in Shop::open_many(&channel, &rig.operator_key()?, "race", options.accounts.into(), size).await? {
        let mut clients = Vec::new();
        for url in urls {
            clients.push(Client::connect(url, &shop.key).await?);
        }
        accounts.push(Account { shop, clients, journal: Mutex::default(), first_twice: AtomicUsize::new(0) });
    }
    Ok(accounts)
}

/// One reader for each account that alternates between the servers and crashes repeatedly.
fn follow(
    race: &Race,
    urls: &[String],
    random: &mut fastrand::Rng,
) -> (Vec<JoinHandle<crate::follower::Followed>>, Vec<watch::Sender<Option<usize>>>) {
    race.accounts
        .iter()
        .map(|account| {
            let (event_count, counted) = watch::channel(None);
            let follower = Follower {
                urls: urls.to_vec(),
                key: account.shop.key.clone(),
                habits: Habits { messages_to_crash_max: Some(200), ..Habits::default() },
                random: random.fork(),
                event_count: counted,
                crashes: Arc::default(),
            };
            (tokio::spawn(follower.follow()), event_count)
        })
        .unzip()
}

/// Sends one sale after the other until there are enough and the pauses are over.
async fn sell(race: Arc<Race>) -> anyhow::Result<()> {
    loop {
        let number = race.next.fetch_add(1, Ordering::SeqCst);
        if number >= race.sales && race.is_over.load(Ordering::SeqCst) {
            return Ok(());
        }
        // The content of a sale depends only on the seed and its number.
        let mut random = fastrand::Rng::with_seed(race.seed.wrapping_add(number as u64));
        let elsewhere = random.usize(0..ELSEWHERE_ONE_IN) == 0;
        let place = if elsewhere { random.usize(0..race.accounts.len()) } else { 0 };
        let account = race.accounts.get(place).context("there is no account")?;
        let order = seller::order(&account.shop, format!("sale-{number:06}"), &mut random);
        account.journal.lock().await.sent(&order);
        let copies = account.clients.iter().flat_map(|client| std::iter::repeat_n(client, COPIES));
        let outcomes = futures::future::join_all(copies.map(|client| send(client.clone(), order.clone()))).await;
        let firsts = outcomes.iter().filter(|outcome| outcome.answer.as_ref().is_some_and(|answer| !answer.replayed));
        if firsts.count() > 1 {
            account.first_twice.fetch_add(1, Ordering::SeqCst);
        }
        let mut journal = account.journal.lock().await;
        for outcome in outcomes {
            outcome.failures.iter().for_each(|failure| journal.failed(&order.event_id, failure));
            match outcome.answer {
                Some(answer) => journal.answered(&order.event_id, answer),
                None => journal.surprises.push(format!("{} was not answered {TRIES_MAX} times", order.event_id)),
            }
        }
    }
}

/// The result of one copy of a sale.
struct Outcome {
    answer: Option<Answer>,
    failures: Vec<Failure>,
}

/// Sends one copy until it is answered.
async fn send(mut client: Client, order: Order) -> Outcome {
    let mut failures = Vec::new();
    for _ in 0..TRIES_MAX {
        match seller::record(&mut client, std::slice::from_ref(&order)).await.pop() {
            Some(Ok(answer)) => return Outcome { answer: Some(answer), failures },
            Some(Err(failure)) => failures.push(failure),
            None => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Outcome { answer: None, failures }
}

/// Pauses one of the servers at a time, at random. Returns the number of long pauses.
async fn pause(options: &Options, rig: &Rig, second: &Serving, random: &mut fastrand::Rng) -> anyhow::Result<usize> {
    let pids = [rig.server_pid()?, second.pid()?];
    let mut long_pauses = 0;
    for number in 0..options.pauses {
        tokio::time::sleep(Duration::from_millis(random.u64(BETWEEN_MILLISECONDS))).await;
        let pid = pids[random.usize(0..pids.len())];
        let is_long = number % LONG_ONE_IN == LONG_ONE_IN - 1;
        long_pauses += usize::from(is_long);
        let range = if is_long { LONG_MILLISECONDS } else { SHORT_MILLISECONDS };
        process::signal(pid, "STOP").await?;
        tokio::time::sleep(Duration::from_millis(random.u64(range))).await;
        process::signal(pid, "CONT").await?;
    }
    Ok(long_pauses)
}

/// Reads the final state from both servers, which must be equal.
async fn check(account: &Account, journal: &Journal) -> anyhow::Result<Findings> {
    let (mut findings, mut feeds) = (Findings::default(), Vec::new());
    for client in &account.clients {
        let (found, feed) = audit::audit(&mut client.clone(), &account.shop, journal).await?;
        findings = found;
        feeds.push(feed);
        if !findings.is_clean() {
            return Ok(findings);
        }
    }
    if let [first, second] = &feeds[..] {
        findings.compare_feed("the second server", second, first);
    }
    let first_twice = account.first_twice.load(Ordering::SeqCst);
    if first_twice > 0 {
        findings.fault(format!("of {first_twice} sales more than one answer said to be the first"));
    }
    Ok(findings)
}

async fn report(
    total: &Findings,
    race: &Race,
    pauses: usize,
    long_pauses: usize,
    took: Duration,
) -> anyhow::Result<()> {
    let mut failures = Journal::default();
    for account in &race.accounts {
        for (code, count) in &account.journal.lock().await.failures {
            *failures.failures.entry(code.clone()).or_default() += count;
        }
    }
    println!("failed calls: {}", failures.failures_text());
    total.faults.iter().for_each(|fault| println!("  - {fault}"));
    println!(
        "sales {} in {} accounts, each sent {} times to 2 servers, pauses {pauses} (longer than 5 s: {long_pauses}), {} s, \
         not kept {}, doubled {}, other faults {}, gaps {} in {} events, ledger {}",
        total.acknowledged,
        race.accounts.len(),
        2 * COPIES,
        took.as_secs(),
        total.lost,
        total.doubled,
        total.fault_count(),
        total.gaps,
        total.events,
        total.ledger_text(),
    );
    if !total.is_clean() {
        bail!("a promise was broken");
    }
    Ok(())
}
