//! The single binary of integration tests. `support` has the shared parts; every other module tests one subject.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may die of what it does not expect"
)]

#[macro_use]
mod support;

mod answers;
mod api;
mod backup;
mod binary;
mod callbacks;
mod check;
mod clocks;
mod contract;
mod coverage;
mod crash;
mod documents;
mod doors;
mod error_table;
mod failpoints;
mod fair;
mod faults;
mod feed;
mod feed_images;
mod feed_keys;
mod feed_resume;
mod file_guards;
mod idempotency;
mod keys;
mod lists;
mod mail;
mod managing_keys;
mod order_lookup;
mod outages;
mod pages;
mod payout_files;
mod permissions;
mod planted;
mod poison;
mod promises;
mod properties;
mod protocol;
mod providers;
mod resources;
mod restore;
mod restored;
mod rows;
mod scenario;
mod schema;
mod secrets;
mod secrets_key;
mod sending;
mod start;
mod store;
mod tidy;
mod verify;
mod views;
mod workers;
mod write_path;
