//! What the tests stand on: a client of HTTP, a receiver of webhooks, the fakes or a sandbox.

mod client;
mod control;
mod receiver;

pub(crate) use client::{Reply, http, http_once};
pub(crate) use control::Control;
pub(crate) use receiver::{Received, Receiver};

use std::io::Write;

/// Says that a rule cannot be tested against a real sandbox. Visible even when every test passes.
pub(crate) fn skipped(rule: &str) {
    let _ = writeln!(std::io::stderr(), "skipped at the real sandbox, which cannot be controlled: {rule}");
}

/// An environment variable that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
