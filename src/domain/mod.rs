//! The business, pure: every rule, state and formula, and nothing else. It has no async, I/O, clock, random source, wire types or
//! tables. Callers pass in time and ids.
//!
//! This folder has the rows and states, one file per subject. [`set`] has the rows that a batch needs, and [`rule`] has the
//! rules. [`decide`] is the only entry for writes: it applies a command's rule to the [`set::WorkingSet`].

pub mod account;
pub mod affiliate;
pub mod affiliate_group;
pub mod affiliate_state;
pub mod attribution;
pub mod audit;
pub mod bank;
pub mod billing_profile;
pub mod bounty;
pub mod brackets;
pub mod calendar;
pub mod claim;
pub mod click;
pub mod commission;
pub mod conversion;
pub mod coupon;
pub mod customer_reward;
pub mod customer_sale;
pub mod dated_commission;
pub mod dispute;
pub mod enrollment;
pub mod event;
pub mod explanation;
pub mod fraud;
pub mod fraud_note;
pub mod id;
pub mod invoice_tax;
pub mod item;
pub mod ladder;
pub mod lead;
pub mod ledger;
pub mod line;
pub mod link;
pub mod mail;
pub mod money;
pub mod noted;
pub mod offer;
pub mod outcome;
pub mod page;
pub mod payout;
pub mod payout_attempt;
pub mod payout_connection;
pub mod payout_document;
pub mod payout_export;
pub mod payout_method;
pub mod payout_provider;
pub mod payout_purse;
pub mod payout_reconciliation;
pub mod payout_run;
pub mod payout_schedule;
pub mod payout_sending;
pub mod period;
pub mod pricing;
pub mod program;
pub mod referral_link;
pub mod refusal;
pub mod request;
pub mod reward;
pub mod reward_unit;
pub mod rule;
pub mod sales_tally;
pub mod set;
pub mod simulation;
pub mod split;
pub mod statistic;
pub mod tally;
pub mod tax_number;
pub mod tax_profile;
pub mod terms_period;
mod text_enum;
pub mod threshold_bonus;
pub mod time;
pub mod timing;
pub mod told_refund;
pub mod upline;
pub mod upline_standing;
pub mod welcome;
pub mod yearly_total;

pub use rule::{Decision, decide};

/// The text is not a value of the closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no {kind}")]
pub struct UnknownText {
    /// The name of the set.
    pub kind: &'static str,
}
