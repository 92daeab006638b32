//! The business, pure: every rule, state and formula, and nothing else. No async, no I/O, no clock, no random source, no wire
//! types, no tables. Time and ids are passed in.
//!
//! [`decide`] is the one entry for writes: it reads the [`working_set::WorkingSet`] and says what to change.

pub mod account;
pub mod affiliate;
pub mod attribution;
pub mod click;
pub mod command;
mod commission;
pub mod conversion;
pub mod coupon;
mod decide;
pub mod enrollment;
pub mod event;
pub mod id;
pub mod index;
pub mod lead;
pub mod ledger;
pub mod link;
mod lookup;
pub mod money;
pub mod program;
mod refund;
pub mod refusal;
pub mod request;
pub mod reward;
mod sale;
mod text_enum;
pub mod time;
pub mod working_set;

pub use decide::{Decision, decide};

/// The text is no value of the closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no {kind}")]
pub struct UnknownText {
    /// The name of the set.
    pub kind: &'static str,
}
