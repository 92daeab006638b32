//! The names of the figures and the floors that they must reach. Measures nothing.

use super::DatabaseKind;
use super::table::{Beside, Bound, Name, P50, P99, RATE, Ratio};

pub(super) const PLAIN_1: &str = "plain service, 1 client";
pub(super) const PLAIN_8: &str = "plain service, 8 clients";
pub(super) const PLAIN_32: &str = "plain service, 32 clients";
pub(super) const PLAIN_64: &str = "plain service, 64 clients";
pub(super) const PLAIN_64_ONE_ACCOUNT: &str = "plain service, 64 clients, one account";
pub(super) const SALE_1: &str = "RecordSale, 1 caller";
pub(super) const SALE_64: &str = "RecordSale, 64 callers";
pub(super) const SALE_256: &str = "RecordSale, 256 callers";
pub(super) const SALE_256_ONE_ACCOUNT: &str = "RecordSale, 256 callers, one account";
pub(super) const BATCH_8: &str = "BatchRecordEvents of 500, 8 callers";
pub(super) const CLICK_256: &str = "RecordClick, 256 callers";
pub(super) const ECHO_1: &str = "echo of a sale's size, 1 caller";
pub(super) const ECHO_256: &str = "echo of a click, 256 callers";
pub(super) const COMMIT: &str = "one bare commit";
pub(super) const CATCH_UP: &str = "feed catch-up, one follower, events as bytes";
pub(super) const CATCH_UP_PARSED: &str = "feed catch-up, one follower, events parsed";
pub(super) const JETSTREAM: &str = "JetStream (file store), the same events as bytes";
pub(super) const JETSTREAM_PARSED: &str = "JetStream (file store), the same events parsed";
pub(super) const REDIS: &str = "Redis Streams (appendfsync always), the same events as bytes";

/// Live followers: their number, and the names of their figures under full load and at 1,000 sales a second.
pub(super) const LIVE: [(usize, &str, &str); 3] = [
    (1, "live feed, 1 follower, 64 callers", "live feed, 1 follower, 1,000 sales/s"),
    (10, "live feed, 10 followers, 64 callers", "live feed, 10 followers, 1,000 sales/s"),
    (100, LIVE_100, PACED_100),
];
const LIVE_100: &str = "live feed, 100 followers, 64 callers";
const PACED_100: &str = "live feed, 100 followers, 1,000 sales/s";

pub(super) fn floors(database: DatabaseKind) -> Vec<Ratio> {
    let mut ratios = match database {
        DatabaseKind::Postgres => on_postgres(),
        DatabaseKind::Sqlite => vec![
            rate("sales/s, 256 callers, beside one transaction per sale", SALE_256, PLAIN_1, 6.0),
            rate("sales/s, BatchRecordEvents, beside one transaction per sale", BATCH_8, PLAIN_1, 8.0),
        ],
    };
    ratios.push(Ratio {
        title: "RecordSale p50, 1 caller, beside one commit and one echo",
        ours: (SALE_1, P50),
        beside: Beside::SumOf(vec![(COMMIT, P50), (ECHO_1, P50)]),
        bound: Bound::AtMost(2.0),
    });
    ratios.push(rate("clicks/s, 256 callers, beside an echo of the same calls", CLICK_256, ECHO_256, 0.6));
    ratios.push(rate("feed catch-up, events/s as bytes, beside JetStream", CATCH_UP, JETSTREAM, 1.0));
    ratios.push(rate("feed catch-up, events/s parsed, beside JetStream", CATCH_UP_PARSED, JETSTREAM_PARSED, 1.0));
    ratios.push(Ratio {
        title: "live feed, 100 followers: events/s in sum",
        ours: (LIVE_100, RATE),
        beside: Beside::Nothing,
        bound: Bound::AtLeast(200_000.0),
    });
    ratios.push(Ratio {
        title: "live feed, 100 followers, 1,000 sales/s: commit to receive, p99 ms",
        ours: (PACED_100, P99),
        beside: Beside::Nothing,
        bound: Bound::AtMost(50.0),
    });
    ratios
}

fn on_postgres() -> Vec<Ratio> {
    let best: Vec<Name> = [PLAIN_1, PLAIN_8, PLAIN_32, PLAIN_64].map(|name| (name, RATE)).to_vec();
    vec![
        rate("sales/s, 256 callers, beside 64 clients", SALE_256, PLAIN_64, 6.0),
        Ratio {
            title: "sales/s, 256 callers, beside the best of 1, 8, 32, 64 clients",
            ours: (SALE_256, RATE),
            beside: Beside::MostOf(best),
            bound: Bound::AtLeast(4.5),
        },
        rate(
            "sales/s, one account, beside 64 clients on one account",
            SALE_256_ONE_ACCOUNT,
            PLAIN_64_ONE_ACCOUNT,
            12.0,
        ),
        Ratio {
            title: "sale p99, 256 callers, beside 64 clients",
            ours: (SALE_256, P99),
            beside: Beside::One((PLAIN_64, P99)),
            bound: Bound::AtMost(1.0),
        },
        rate("sales/s, BatchRecordEvents, beside 64 clients", BATCH_8, PLAIN_64, 12.0),
    ]
}

fn rate(title: &'static str, ours: &'static str, beside: &'static str, floor: f64) -> Ratio {
    Ratio { title, ours: (ours, RATE), beside: Beside::One((beside, RATE)), bound: Bound::AtLeast(floor) }
}
