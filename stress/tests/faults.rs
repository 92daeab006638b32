//! The fault runs in the small, against the `headwater` binary beside: what the long runs measure must hold in seconds too.
//! `cargo test --workspace` builds that binary.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may die of what it does not expect")]

use std::process::Command;

/// Runs a command, which must keep what it promises, and gives its last line.
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
    let line = figures(&["kill", "--kills", "3", "--sales", "300", "--seed", "1"]);
    assert!(figure(&line, "acknowledged") >= 300, "{line}");
    assert_eq!(figure(&line, "kills"), 3, "{line}");
    assert!(line.contains("lost 0, doubled 0, gaps 0") && line.contains("ledger verified"), "{line}");
}
