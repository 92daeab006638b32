//! The statement of an affiliate with very many lines: page by page each line comes once, the lines lead to the balance of each page's end, and what
//! is booked in the meantime is on no page.
//!
//! `HEADWATER_STATEMENT_LINES=100000 cargo test --test it a_statement_of_many_lines -- --test-threads=1` is the long form. It also checks that the
//! memory for all pages is that for a few.

use headwater::pb;
use testkit::client::Client;

use super::statement::{amount, request, statement, sums, whole};
use super::{balances, micros, usd};
use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::{Shop, sale};

/// No divisor of the batches, so that pages end inside them.
const PAGE_SIZE: i32 = 97;
/// After so many pages the process has the memory that reading a page takes.
const PAGES_FEW: usize = 5;
/// How much more memory all pages may take than the first few.
const MEMORY_MEBIBYTES_MAX: u64 = 16;
const BATCH: usize = 500;

fn asked() -> Option<usize> {
    std::env::var("HEADWATER_STATEMENT_LINES").ok().and_then(|text| text.parse().ok())
}

/// Records sales, and refunds every tenth of them in part.
async fn record(client: &mut Client, first: usize, count: usize) {
    let mut items = Vec::new();
    for number in first..first + count {
        items.push(pb::batch_item::Item::Sale(sale(number)));
        if number % 10 == 0 {
            items.push(pb::batch_item::Item::Refund(pb::RecordRefundRequest {
                event_id: format!("refund-{number}"),
                sale_event_id: format!("sale-{number}"),
                amount: Some(usd(100)),
                ..Default::default()
            }));
        }
    }
    let items = items.into_iter().map(|item| pb::BatchItem { item: Some(item) }).collect();
    let answer = client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap();
    let is_wrong = |result: &pb::BatchResult| matches!(result.answer, Some(pb::batch_result::Answer::Error(_)));
    assert!(!answer.into_inner().results.iter().any(is_wrong));
}

/// The most memory that this process has had since the last call of this, in MiB. `None` where the system does not tell.
fn peak_mebibytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    Some(kibibytes / 1_024)
}

db_test!(g14_a_statement_of_many_lines_has_each_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (client, id) = (&mut shop.client, shop.affiliate_id.clone());
    let lines_wanted = asked().unwrap_or(600);
    record(client, 1, 50).await;
    server.clock.advance_days(1);
    let start = Some(micros(last_line_time(client, &id).await) + 1);
    let mut recorded = 51;
    while recorded < 51 + lines_wanted {
        let count = BATCH.min(51 + lines_wanted - recorded);
        record(client, recorded, count).await;
        recorded += count;
    }

    let mut few = None;
    let mut next = pb::CalculateCommissionsRequest {
        page_size: if asked().is_some() { 1_000 } else { PAGE_SIZE },
        ..request(&id, start, None)
    };
    let (mut opening, mut last_sequence, mut line_count, mut pages) = (None, 0, 0, 0);
    // The balance after the last line, and that before the lines of its moment.
    let (mut sum, mut before_moment, mut moment) = (Vec::new(), Vec::new(), 0);
    let closing = loop {
        let page = statement(client, next.clone()).await;
        if opening.is_none() {
            sum.clone_from(&page.opening_balances);
        }
        assert_eq!(*opening.get_or_insert(page.opening_balances.clone()), page.opening_balances);
        for line in &page.lines {
            assert!(line.sequence > last_sequence, "line {} comes after {last_sequence}", line.sequence);
            last_sequence = line.sequence;
            if micros(line.post_time.unwrap()) > moment {
                moment = micros(line.post_time.unwrap());
                before_moment.clone_from(&sum);
            }
            sum = total(sum.iter().chain(&line.change));
        }
        line_count += page.lines.len();
        pages += 1;
        if pages == PAGES_FEW {
            few = peak_mebibytes();
        }
        assert_eq!(sums(&before_moment), sums(&balances(client, &id, Some(moment - 1)).await), "page {pages}");
        if pages % 3 == 0 {
            // What is booked in the meantime is on none of the pages.
            record(client, recorded, 1).await;
            recorded += 1;
        }
        next.page_token = page.next_page_token;
        if next.page_token.is_empty() {
            break page.closing_balances;
        }
    };
    assert_eq!(sums(&sum), sums(&closing));
    assert_eq!(line_count, expected_lines(51, lines_wanted), "in {pages} pages");
    let Some((few, peak)) = few.zip(peak_mebibytes()).filter(|_| asked().is_some()) else { return };
    assert!(peak < few + MEMORY_MEBIBYTES_MAX, "{peak} MiB for all pages, and {few} MiB for a few");
});

/// A line for each sale, and one for each refund.
fn expected_lines(first: usize, count: usize) -> usize {
    count + (first..first + count).filter(|number| number % 10 == 0).count()
}

/// Balances of one unit as one.
fn total<'balance>(all: impl IntoIterator<Item = &'balance pb::Balance>) -> Vec<pb::Balance> {
    let mut minor = [0_i64; 6];
    for balance in all {
        let pb::Balance { earned, pending, owed, in_flight, in_dispute, paid } = balance;
        let parts = [earned, pending, owed, in_flight, in_dispute, paid];
        for (sum, part) in minor.iter_mut().zip(parts) {
            *sum += amount(part.as_ref()).1;
        }
    }
    let value = |minor| Some(pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(usd(minor))) });
    let [earned, pending, owed, in_flight, in_dispute, paid] = minor.map(value);
    vec![pb::Balance { earned, pending, owed, in_flight, in_dispute, paid }]
}

/// When the affiliate's last line was booked.
async fn last_line_time(client: &mut Client, id: &str) -> prost_types::Timestamp {
    let all = whole(client, id).await;
    all.lines.last().unwrap().post_time.unwrap()
}
