//! Properties: what must hold whatever is thrown at the rules. Random steps are played against the rules alone and against the
//! rules on a store, and after each step everything that must always be true is looked at.
//!
//! A failure prints the smallest steps that fail. `PROPTEST_CASES=5000` looks longer than the few seconds that a test run has.

mod audit;
mod book;
mod refund;
mod request;
mod rollback;
mod rules;
mod sequence;
mod step;
mod stored;

mod text;

use proptest::test_runner::Config;

/// Settings for this many cases, unless `PROPTEST_CASES` says how many.
fn config(cases: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    Config { cases: asked.unwrap_or(cases), max_shrink_iters: 4_000, ..Config::default() }
}
