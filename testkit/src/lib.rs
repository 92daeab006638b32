//! Shared parts of tests and load tools: a private PostgreSQL, databases on it, the server's binary as a process, and clients
//! with a key. Knows how these are started and reached, not what Headwater does.

use std::io::Write;

pub mod client;
pub mod database;
pub mod postgres;
pub mod process;

/// Writes one line that the test harness does not capture, so that it is visible even when every test passes.
pub fn say(line: &str) {
    // If the line cannot be written, there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}
