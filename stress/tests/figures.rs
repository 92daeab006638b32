//! Short runs of the commands that measure, against the `headwater` binary next to this one. They check that each figure is measured
//! and that what was recorded is there, not how fast it was. `cargo test --workspace` builds that binary.

#![expect(clippy::unwrap_used, reason = "a test may die of what it does not expect")]

use std::path::Path;
use std::process::Command;

/// Runs a command, which must succeed, and returns its output.
fn output(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stress")).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The databases that are installed here, or must be.
fn databases() -> Vec<&'static str> {
    let is_required = std::env::var_os("HEADWATER_REQUIRE_POSTGRES").is_some();
    let look = "ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null";
    let has_postgres = is_required || Command::new("sh").args(["-c", look]).status().unwrap().success();
    if has_postgres { vec!["sqlite", "postgres"] } else { vec!["sqlite"] }
}

#[test]
fn growth_is_measured_with_any_number_of_customers_and_affiliates() {
    for database in databases() {
        let sizes = ["--customers", "320", "--affiliates", "64", "--first", "500", "--rows", "1500"];
        let times = ["--rounds", "1", "--seconds", "1", "--floor", "0", "--seed", "1"];
        let said = output(&[&["growth", "--database", database][..], &sizes[..], &times[..]].concat());
        assert!(said.contains("16 accounts, each of 20 customers and 4 affiliates"), "{said}");
        assert!(said.contains("filled with 500 sales") && said.contains("filled with 1,500 sales"), "{said}");
        let last = said.lines().last().unwrap();
        assert!(last.contains("sales/s with 1,500 sales beside 500") && last.ends_with("pass"), "{last}");
    }
}

#[test]
fn lists_are_measured_on_one_server_and_on_two() {
    // The server that cargo has built beside this program, as both builds.
    let server = Path::new(env!("CARGO_BIN_EXE_stress")).with_file_name("headwater");
    let server = server.to_str().unwrap();
    let short = ["--sales", "2000", "--rounds", "1", "--calls", "4", "--seed", "1"];
    for database in databases() {
        let said = output(&[&["lists", "--database", database][..], &short[..]].concat());
        // By affiliate and by lead: the long list and 20 short ones, of four kinds.
        assert!(said.contains("84 lists are complete"), "{said}");
        assert_eq!(said.lines().last(), Some("figures 30, rounds 1, above the ceiling 0"), "{said}");
        assert!(said.contains("ListRewards by affiliate, long, only approved"), "{said}");
    }
    let two = ["--database", "sqlite", "--server", server, "--server", server, "--ceiling", "1000"];
    let said = output(&[&["lists"][..], &two[..], &short[..]].concat());
    assert_eq!(said.matches("84 lists are complete").count(), 2, "{said}");
    assert_eq!(said.lines().last(), Some("figures 30, rounds 1, above the ceiling 0"), "{said}");
}

#[test]
fn a_ratio_above_the_ceiling_is_a_failure() {
    let server = Path::new(env!("CARGO_BIN_EXE_stress")).with_file_name("headwater");
    let server = server.to_str().unwrap();
    let arguments = ["--sales", "1000", "--rounds", "1", "--calls", "4", "--seed", "1", "--ceiling", "0"];
    let two = ["lists", "--database", "sqlite", "--server", server, "--server", server];
    let output = Command::new(env!("CARGO_BIN_EXE_stress")).args(two).args(arguments).output().unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("slower than the old server"), "{error}");
}
