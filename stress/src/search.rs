//! `stress search`: how fast affiliates are found by a part of a name, and listed, among very many. Does not know how the server finds
//! them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use headwater::clock;
use headwater_client::pb;
use testkit::client::Client;
use testkit::postgres::Postgres;
use testkit::process;
use tonic::Code;

use crate::figures::{self, Table, number};
use crate::load::{self, Until};
use crate::shop::{self, ShopSize};
use crate::side_by_side::DatabaseKind;
use crate::side_by_side::ours::Ours;

/// How many affiliates are created at the same time.
const AT_ONCE: usize = 256;

/// The most entries of a page.
const PAGE_SIZE_MAX: i32 = 1_000;

/// The syllables that names are made of.
const SYLLABLES: [&str; 48] = [
    "an", "ber", "chi", "dan", "el", "fi", "gra", "ha", "is", "jo", "ka", "lin", "ma", "no", "ol", "pe", "qui", "ro",
    "sa", "ti", "ur", "vi", "wil", "xa", "yo", "zoe", "ard", "bea", "cor", "de", "ev", "fran", "gus", "hel", "ina",
    "jun", "kim", "lo", "mei", "ned", "os", "pau", "ric", "stef", "tho", "ul", "ven", "wa",
];

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The database; both, one after the other, when not given.
    #[arg(long, value_enum)]
    database: Option<DatabaseKind>,
    /// The number of affiliates.
    #[arg(long, default_value_t = 1_000_000)]
    affiliates: u64,
    /// The number of calls for each figure.
    #[arg(long, default_value_t = 1_000)]
    calls: u64,
    /// The number of callers at the same time.
    #[arg(long, default_value_t = 1)]
    callers: usize,
    /// The greatest p50 of a search of three letters in milliseconds. Not checked when not given. When it is given, a page in the middle of
    /// a list may take twice as long as the first one.
    #[arg(long)]
    ceiling: Option<f64>,
    /// The server's binary; the one beside this program when not given.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where the databases are made; the folder for temporary files when not given.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The seed of the names; drawn when not given.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let parent = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("{}", figures::head(seed, &parent)?);
    let mut slow = Vec::new();
    for database in DatabaseKind::chosen(options.database) {
        println!(
            "\n{}, {} affiliates, {} callers",
            database.title(),
            number(options.affiliates as f64),
            options.callers
        );
        let p50s = measure(&options, database, &parent, seed).await?;
        let too_slow = options.ceiling.into_iter().flat_map(|ceiling| faults(&p50s, ceiling));
        slow.extend(too_slow.map(|fault| format!("{fault} on {}", database.title())));
    }
    println!("affiliates {}, too slow {}", options.affiliates, slow.len());
    ensure!(slow.is_empty(), "too slow: {}", slow.join("; "));
    Ok(())
}

/// How much longer a page in the middle of a list may take than the first one.
const MIDDLE_FACTOR_MAX: f64 = 2.0;

/// What takes too long, with the p50 of each figure in milliseconds.
fn faults(p50s: &[(Ask, f64)], ceiling: f64) -> Vec<String> {
    let p50 = |wanted: Ask| p50s.iter().find(|(ask, _)| *ask == wanted).map_or(0.0, |(_, p50)| *p50);
    let mut faults = Vec::new();
    let search = p50(Ask::Part(3));
    if search > ceiling {
        faults.push(format!("a search of three letters of {search:.1} ms"));
    }
    for list in [List::All, List::OfProgram] {
        let (first, middle) = (p50(Ask::First(list)), p50(Ask::Middle(list)));
        if middle > MIDDLE_FACTOR_MAX * first {
            faults.push(format!(
                "a page in the middle of {middle:.2} ms beside {first:.2} ms of the first one ({list:?})"
            ));
        }
    }
    faults
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// A part of a last name, of this many letters.
    Part(usize),
    /// The end of all email addresses.
    Everybody,
    /// Letters that no name has.
    Nobody,
    /// The first page of a list, or the one in its middle.
    First(List),
    Middle(List),
    /// All affiliates in a state that none is in.
    NoState,
}

/// A list of affiliates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    All,
    /// Those of the program that all are enrolled in.
    OfProgram,
}

/// Where the pages of the lists are.
struct Places {
    program_id: String,
    middle: String,
    middle_of_program: String,
}

impl Places {
    fn request(&self, list: List) -> pb::ListAffiliatesRequest {
        let program_id = if list == List::OfProgram { self.program_id.clone() } else { String::new() };
        pb::ListAffiliatesRequest { program_id, ..pb::ListAffiliatesRequest::default() }
    }
}

const ASKS: [(Ask, &str); 11] = [
    (Ask::Part(3), "search of 3 letters"),
    (Ask::Part(2), "search of 2 letters"),
    (Ask::Part(4), "search of 4 letters"),
    (Ask::Part(6), "search of 6 letters"),
    (Ask::Everybody, "search that finds everybody"),
    (Ask::Nobody, "search that finds nobody"),
    (Ask::First(List::All), "first page of the list"),
    (Ask::Middle(List::All), "page in the middle of the list"),
    (Ask::First(List::OfProgram), "first page of a program's list"),
    (Ask::Middle(List::OfProgram), "page in the middle of a program's list"),
    (Ask::NoState, "list of a state without affiliates"),
];

/// Fills a database and measures each figure. Returns the p50 of each in milliseconds.
async fn measure(
    options: &Options,
    database: DatabaseKind,
    parent: &Path,
    seed: u64,
) -> anyhow::Result<Vec<(Ask, f64)>> {
    let folder = tempfile::Builder::new().prefix("headwater-stress-").tempdir_in(parent)?;
    let postgres = match database {
        DatabaseKind::Postgres => Some(Postgres::start_new_in(parent)?),
        DatabaseKind::Sqlite => None,
    };
    let binary = process::beside_us("headwater", options.server.as_deref())?;
    let shops = (1, ShopSize { affiliates: 0, leads: 0, rules: 0 });
    let ours = Ours::open(postgres.as_ref(), Some(&binary), folder.path(), shops, seed).await?;
    let shop = ours.target.shops.first().context("there is no account")?;
    let channels = &ours.target.channels;
    let before = ours.measure_size(postgres.as_ref()).await?;
    let begun = clock::monotonic_now();
    let clients: Vec<Client> =
        channels.iter().map(|channel| Client::on(channel, &shop.key)).collect::<Result<_, _>>()?;
    let creations = (0..options.affiliates)
        .map(|number| create(clients[number as usize % clients.len()].clone(), affiliate(seed, number)));
    stream::iter(creations).map(anyhow::Ok).try_for_each_concurrent(AT_ONCE, |creation| creation).await?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("created them in {seconds:.0} s, {:.0} a second", options.affiliates as f64 / seconds);
    ours.settle(postgres.as_ref()).await?;
    let growth = ours.measure_size(postgres.as_ref()).await?.growth_since(before, options.affiliates);
    println!("an affiliate takes {:.0} bytes of the database", growth.database);
    let mut places =
        Places { program_id: shop.program_id.clone(), middle: String::new(), middle_of_program: String::new() };
    places.middle = middle_of_list(clients[0].clone(), places.request(List::All), options.affiliates).await?;
    places.middle_of_program =
        middle_of_list(clients[0].clone(), places.request(List::OfProgram), options.affiliates).await?;
    let places = Arc::new(places);

    let (mut table, mut p50s) = (Table::new(&["", "p50 ms", "p99 ms", "rows"]), Vec::new());
    for (ask, title) in ASKS {
        let numbers = Arc::new(AtomicU64::new(0));
        let measured = load::run(options.callers, Until::Calls(options.calls), &numbers, &[], |place| {
            let (client, places) = (clients[place % clients.len()].clone(), Arc::clone(&places));
            let affiliates = options.affiliates;
            Ok(move |number: u64| ask_once(client.clone(), ask, seed, number % affiliates, Arc::clone(&places)))
        })
        .await?;
        let (p50, p99) = (measured.latencies.p50(), measured.latencies.p99());
        let rows = measured.units as f64 / measured.calls.max(1) as f64;
        table.row(vec![title.to_owned(), format!("{p50:.2}"), format!("{p99:.2}"), format!("{rows:.1}")]);
        p50s.push((ask, p50));
    }
    println!("\n{table}");
    ours.close().await?;
    Ok(p50s)
}

/// The name of an affiliate: first and last name, of two or three syllables each.
fn name(seed: u64, number: u64) -> (String, String) {
    let mut random = fastrand::Rng::with_seed(shop::drawn(seed, number));
    let mut word = || {
        let syllables = random.usize(2..4);
        (0..syllables).map(|_| SYLLABLES[random.usize(..SYLLABLES.len())]).collect::<String>()
    };
    (word(), word())
}

fn affiliate(seed: u64, number: u64) -> pb::CreateAffiliateRequest {
    let (first_name, last_name) = name(seed, number);
    pb::CreateAffiliateRequest {
        email: format!("{first_name}.{last_name}{number}@partners.example"),
        external_id: format!("crm-{number:08}"),
        ref_id: format!("{first_name}{number}"),
        first_name,
        last_name,
        ..pb::CreateAffiliateRequest::default()
    }
}

async fn create(mut client: Client, request: pb::CreateAffiliateRequest) -> anyhow::Result<()> {
    loop {
        match client.affiliates.create_affiliate(request.clone()).await {
            Ok(_) => return Ok(()),
            Err(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {
                tokio::time::sleep(shop::REPEAT_DELAY).await;
            }
            // A repeat whose first call was carried out although it got no answer.
            Err(status) if status.code() == Code::AlreadyExists => return Ok(()),
            Err(status) => return Err(status.into()),
        }
    }
}

/// The token of a page in the middle of the list.
async fn middle_of_list(
    mut client: Client,
    mut request: pb::ListAffiliatesRequest,
    affiliates: u64,
) -> anyhow::Result<String> {
    request.page_size = PAGE_SIZE_MAX;
    for _ in 0..(affiliates / 2).div_ceil(PAGE_SIZE_MAX.unsigned_abs().into()) {
        let page = client.affiliates.list_affiliates(request.clone()).await?.into_inner();
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    Ok(request.page_token)
}

/// Makes one call. Returns the number of its rows.
async fn ask_once(mut client: Client, ask: Ask, seed: u64, number: u64, places: Arc<Places>) -> anyhow::Result<u64> {
    let list = async |mut client: Client, request: pb::ListAffiliatesRequest| {
        anyhow::Ok(client.affiliates.list_affiliates(request).await?.into_inner().affiliates.len() as u64)
    };
    let query = match ask {
        Ask::Part(length) => {
            let name = name(seed, number).1;
            let last_start = name.len().saturating_sub(length);
            let start = shop::drawn(seed, number) as usize % (last_start + 1);
            name.chars().skip(start).take(length).collect()
        }
        Ask::Everybody => "partners.example".to_owned(),
        Ask::Nobody => "zzq".to_owned(),
        Ask::First(of) => return list(client, places.request(of)).await,
        Ask::Middle(of) => {
            let middle = if of == List::All { &places.middle } else { &places.middle_of_program };
            let request = pb::ListAffiliatesRequest { page_token: middle.clone(), ..places.request(of) };
            return list(client, request).await;
        }
        Ask::NoState => {
            let states = vec![pb::AffiliateState::Rejected.into()];
            return list(client, pb::ListAffiliatesRequest { states, ..places.request(List::All) }).await;
        }
    };
    let is_there = ask != Ask::Nobody;
    let request = pb::SearchAffiliatesRequest { query, ..pb::SearchAffiliatesRequest::default() };
    let rows = client.affiliates.search_affiliates(request).await?.into_inner().affiliates.len();
    ensure!((rows > 0) == is_there, "a search found {rows} affiliates");
    Ok(rows as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_searches_and_pages_are_told() {
        let p50s = |middle| [(Ask::Part(3), 10.0), (Ask::First(List::All), 1.0), (Ask::Middle(List::All), middle)];
        assert!(faults(&p50s(1.9), 50.0).is_empty());
        assert_eq!(faults(&p50s(1.9), 9.0).len(), 1);
        assert_eq!(faults(&p50s(2.1), 9.0).len(), 2);
    }

    #[test]
    fn names_are_drawn_again_from_the_same_seed() {
        for number in 0..100 {
            let (first, last) = name(7, number);
            assert_eq!((first.clone(), last.clone()), name(7, number));
            assert!(first.len() >= 4 && last.len() >= 4 && first.is_ascii() && last.is_ascii());
        }
    }
}
