//! Properties that hold for any sequence of commands. Random steps run against the rules alone and against the rules on a store,
//! and all invariants are checked after each step.
//!
//! A failure prints the smallest failing steps. `PROPTEST_CASES=5000` searches longer than the few seconds of a normal test run.

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

/// Settings for this many cases, unless `PROPTEST_CASES` is set.
fn config(cases: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    Config { cases: asked.unwrap_or(cases), max_shrink_iters: 4_000, ..Config::default() }
}
