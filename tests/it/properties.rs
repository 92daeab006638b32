//! Properties that hold for any sequence of commands. Random steps run against the rules alone and against the rules on a store,
//! and all invariants are checked after each step.
//!
//! A failure prints the smallest failing steps. `PROPTEST_CASES=5000` searches longer than the few seconds of a normal test run. So does
//! `HEADWATER_CASES_FACTOR=50`, which plays 50 times as many cases of each property as a normal run.

mod audit;
mod book;
mod dispute;
mod long_history;
mod order;
mod payout_document;
mod payout_method;
mod payout_sending;
mod pricing;
mod refund;
mod request;
mod rollback;
mod rules;
mod sequence;
mod step;
mod stored;
mod tallies;
mod terms_period;

mod text;

use proptest::test_runner::Config;

/// Settings for this many cases, or for more of them by `HEADWATER_CASES_FACTOR`, unless `PROPTEST_CASES` is set.
fn config(cases: u32) -> Config {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let usual = cases.saturating_mul(number("HEADWATER_CASES_FACTOR").unwrap_or(1));
    Config { cases: number("PROPTEST_CASES").unwrap_or(usual), max_shrink_iters: 4_000, ..Config::default() }
}
