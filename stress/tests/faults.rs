//! Short fault runs against the `headwater` binary next to this one: the promises that the long runs measure must hold in seconds
//! too. `cargo test --workspace` builds that binary.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may die of what it does not expect")]

use std::process::Command;

/// Runs a command, which must succeed, and returns its last line.
fn figures(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stress")).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said.lines().last().unwrap_or_default().to_owned()
}

/// The number after a word of the last line.
fn figure(line: &str, word: &str) -> u64 {
    let (_, rest) = line.split_once(&format!("{word} ")).unwrap_or_else(|| panic!("no {word} in: {line}"));
    rest.split(|character: char| !character.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn killed_three_times_it_loses_nothing() {
    let line = figures(&["kill", "--kills", "3", "--sales", "300", "--seed", "1", "--any-speed"]);
    assert!(figure(&line, "acknowledged") >= 300, "{line}");
    assert_eq!(figure(&line, "kills"), 3, "{line}");
    assert!(line.contains("lost 0, doubled 0, gaps 0") && line.contains("ledger verified"), "{line}");
}

#[test]
fn raced_by_two_servers_every_sale_is_there_once() {
    let is_required = std::env::var_os("HEADWATER_REQUIRE_POSTGRES").is_some();
    if !is_required && !has("/usr/lib/postgresql/*/bin/initdb", "initdb") {
        eprintln!("skipped: there is no PostgreSQL");
        return;
    }
    let line = figures(&["race", "--sales", "40", "--pauses", "2", "--seed", "1"]);
    assert!(figure(&line, "sales") >= 40, "{line}");
    assert!(line.contains("not kept 0, doubled 0, other faults 0, gaps 0"), "{line}");
}

#[test]
fn a_power_failure_keeps_every_acknowledged_sale() {
    // Where a process may not be traced, there is nothing to test.
    let may_trace = ["-f", "--seccomp-bpf", "-e", "trace=write", "-o", "/dev/null", "true"];
    if !Command::new("strace").args(may_trace).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: strace is not there or may not trace");
        return;
    }
    let line = figures(&["power", "--sales", "100", "--points", "10", "--seed", "1"]);
    assert!(figure(&line, "acknowledgements") >= 100, "{line}");
    assert_eq!(figure(&line, "not preceded by the sync of their commit"), 0, "{line}");
    assert_eq!(figure(&line, "power failures"), 10, "{line}");
    assert_eq!(figure(&line, "acknowledged sales lost"), 0, "{line}");
}

#[test]
fn copies_that_are_put_back_let_no_reader_skip_an_event() {
    for database in ["sqlite", "postgres"] {
        let is_required = std::env::var_os("HEADWATER_REQUIRE_POSTGRES").is_some();
        if database == "postgres" && !is_required && !has("/usr/lib/postgresql/*/bin/initdb", "initdb") {
            eprintln!("skipped: there is no PostgreSQL");
            continue;
        }
        let line = figures(&["restore", "--times", "3", "--seed", "1", "--database", database]);
        assert_eq!((figure(&line, "by command"), figure(&line, "by hand")), (2, 1), "{line}");
        assert!(figure(&line, "events undone") > 0, "{line}");
        assert!(line.contains("silent skips 0, failed checks of the database 0"), "{line}");
    }
}

#[test]
fn readers_that_take_nothing_or_crash_or_crawl_miss_nothing() {
    let few = ["--stalled", "10", "--seconds", "2", "--rate", "50", "--crashes", "10"];
    let line = figures(&[&["slow-reader", "--seed", "1", "--any-speed"][..], &few[..]].concat());
    assert_eq!(figure(&line, "took nothing"), 10, "{line}");
    assert_eq!(figure(&line, "missed, repeated or out of order"), 0, "{line}");
}

#[test]
fn everything_mixed_fails_nowhere_and_leaves_nothing_open() {
    let line = figures(&["soak", "--minutes", "0.05", "--warm-up-minutes", "0.02", "--rate", "100", "--seed", "1"]);
    assert!(figure(&line, "calls") > 0, "{line}");
    assert_eq!(figure(&line, "errors"), 0, "{line}");
}

#[test]
fn a_shop_goes_on_while_the_server_is_flooded_with_settings() {
    let line = figures(&["attack", "--only", "settings-flood,revoked-stream", "--seconds", "1", "--any-speed"]);
    assert_eq!(line, "attacks 2, held 2, failed 0");
}

/// Whether the file exists, or the program is in PATH.
fn has(pattern: &str, program: &str) -> bool {
    let look = format!("ls {pattern} >/dev/null 2>&1 || command -v {program} >/dev/null");
    Command::new("sh").args(["-c", &look]).status().unwrap().success()
}
