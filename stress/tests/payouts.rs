//! A short run of `stress payouts`, against the `headwater` binary next to this one. It has a file of its own, because the runs of
//! `faults.rs` go on at the same time and some of them need a machine that has nothing else to do. `cargo test --workspace` builds
//! that binary.

use std::process::Command;

#[test]
fn a_thousand_payouts_are_paid_once_although_the_server_is_killed() {
    let arguments = ["payouts", "--affiliates", "1000", "--any-speed"];
    let output = Command::new(env!("CARGO_BIN_EXE_stress")).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let line = said.lines().last().unwrap_or_default();
    assert!(
        line.contains("payouts 1000,") && line.contains("paid once 1000, paid twice 0, not paid 0, kills 1"),
        "{line}"
    );
    assert!(line.contains("equal to the provider's books"), "{line}");
}
