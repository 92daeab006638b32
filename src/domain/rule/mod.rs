//! The rules, one file per subject, each with its commands, the rows they need, and their effects. [`Command`] lists all
//! commands.

mod account;
mod account_email;
mod admission;
mod affiliate;
mod affiliate_group;
mod attribution;
mod click;
mod command;
mod commission;
mod context;
mod correction;
mod coupon;
mod coupon_use;
mod customer;
mod customer_reward;
mod decide;
mod enrollment;
mod item;
mod lead;
mod link;
mod new_coupon;
mod newcomer;
mod offer;
mod program;
mod refund;
mod reversal;
mod reward;
mod sale;
mod sale_count;
mod timeline;
mod upline_reward;
mod verdict;
mod welcome;

pub use account::NewApiKey;
pub use account_email::{TOKEN_DAYS, WantedEmail, registered_already_letter, registration_letter};
pub use attribution::{Referral, SentRefId, why_not_earning};
pub use command::*;
pub use context::{Context, Rule};
pub use decide::{Decision, add_needs, decide};
pub use enrollment::{NewAcceptance, NewEnrollment};
pub use lead::Referrer;
pub use new_coupon::{CouponValidity, UseLimits};
pub use newcomer::{CodeHolder, IfMissing};
pub use program::applicable_terms;
pub use reward::Recipient;
