//! The working set: the rows of accounts that a batch of commands needs, in memory, with the commands' changes.
//!
//! A command changes the set directly, so it sees its own writes. A refused command is rolled back. A row that was never looked
//! up is an error (`Refusal::NotLoaded`), never "does not exist". One file per subject says how its rows are found. Knows no
//! rule.

mod account;
mod affiliate;
mod affiliate_group;
mod audit;
mod balances;
mod billing_profile;
mod bounty;
mod click;
mod conversion;
mod coupon;
mod enrollment;
mod fraud_note;
mod item;
mod kind;
mod ladder;
mod lead;
mod link;
mod mail;
mod names;
mod needed_names;
mod needs;
mod offer;
mod payout;
mod payout_attempt;
mod payout_connection;
mod payout_document;
mod payout_export;
mod payout_method;
mod payout_reconciliation;
mod payout_run;
mod payout_schedule;
mod program;
mod request;
mod reward;
mod rows;
mod sales_tally;
mod simulated;
mod statistic;
mod tally;
mod tax_profile;
mod undo;
mod working_set;
mod yearly_total;

pub use balances::Balances;
pub use kind::{Key, Kind, Named};
pub use names::{Index, Lists, Names};
pub use needed_names::NeededNames;
pub use rows::Rows;
pub use simulated::SimulatedTallies;
pub use working_set::{InSet, Needs, WorkingSet};

/// How many keys that manage an account's keys are loaded to find out whether one of them is the last. One of the two may be the key
/// that is being revoked.
pub const MANAGING_KEYS_LOADED: u64 = 2;

/// How many approved rewards of an affiliate in a currency are loaded for a payout that takes all it can: the oldest ones above zero, and as
/// many below zero.
pub const PAYABLE_REWARDS_LOADED: u64 = 1_000;

/// How many conversions of a lead are judged again when an event is told late. A longer history keeps its credits. Of
/// the sales that nobody referred, this many with each name of the customer.
pub const TIMELINE_LENGTH_MAX: u64 = 1_000;

/// How many sign-ups and sales with one tracking id are judged again when a click is told late. More are not of one visitor: a page may
/// have been cached with the tracking id in it.
pub const VISITOR_CONVERSIONS_MAX: u64 = 1_000;
